"""What people read about what runs."""

from collections.abc import Sequence

from driftgate.supervision.state import PartState, PartStatus, UpStatus


def address_lines(status: UpStatus) -> list[str]:
    """The page of addresses, once everything has started."""
    rows = [
        [part.title, part.address or "-", part.about if part.state is PartState.RUNNING else _trouble(part)]
        for part in status.parts
    ]
    return [
        "Driftgate is up. Nothing listens beyond 127.0.0.1.",
        "",
        *_aligned([*rows, ["PostgreSQL", "-", status.database]]),
        "",
        "`driftgate status` says how it is, `driftgate down` ends it. Other commands use its Prefect server."
        if status.prefect_api
        else "`driftgate status` says how it is, `driftgate down` ends it.",
    ]


def status_lines(status: UpStatus | None) -> list[str]:
    """A table with each part, or a sentence where nothing runs."""
    if status is None:
        return ["Nothing runs here. `driftgate up` starts it."]
    head = ["part", "state", "since", "restarts", "pid", "address", "what there is to say"]
    rows = [
        [
            part.name,
            part.state.value,
            part.since,
            str(part.restarts),
            str(part.pid or "-"),
            part.address or "-",
            part.message or "-",
        ]
        for part in status.parts
    ]
    logs = status.parts[0].log.rpartition("/")[0] if status.parts else ""
    return [
        f"up since {status.started}, process {status.pid}; PostgreSQL: {status.database}; logs: {logs}",
        *_aligned([head, *rows]),
    ]


def change_line(part: PartStatus) -> str:
    """One line for a part that is in another state than before."""
    return f"[Up] {part.title}: {part.state.value}{f', {part.message}' if part.message else ''}"


def _trouble(part: PartStatus) -> str:
    return f"{part.state.value}: {part.message or part.about}" + (
        f"; see {part.log}" if part.state is PartState.RESTARTING else ""
    )


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
