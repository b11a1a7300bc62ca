"""What a Feast repository offers to a monitor, and the monitors.toml that follows from it. Plain values and text."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from driftgate.errors import bounded


@dataclass(frozen=True)
class SourceOffer:
    """One data source.

    Attributes:
        keys: join keys of the repository that are columns of it.
        months: distinct days of its time.
        rows: rows of the newest day.
        distinct: keys among them, by the first of `keys`.
        again: keys of the newest day that an earlier one has too; None where there is no earlier one.
        labels: pairs (column, type) that no view declares as a feature, boolean or numeric.
        problem: why it cannot be read, or empty.
    """

    name: str
    timestamp: str | None
    keys: tuple[str, ...] = ()
    months: int = 0
    newest: date | None = None
    rows: int = 0
    distinct: int = 0
    labels: tuple[tuple[str, str], ...] = ()
    problem: str = ""
    again: int | None = None

    @property
    def one_row_a_key(self) -> bool:
        """Whether the newest day has one row for each key, as the entities of a month need."""
        return 0 < self.rows == self.distinct


@dataclass(frozen=True)
class ServiceOffer:
    """One feature service.

    Attributes:
        sources: those that its views read.
        keys: join keys of its views.
        asked: inputs that only a request can give, which its on-demand views need.
    """

    name: str
    features: int
    views: tuple[str, ...]
    sources: tuple[str, ...]
    keys: tuple[str, ...]
    asked: tuple[str, ...] = ()


@dataclass(frozen=True)
class RepositoryOffer:
    """What a repository holds."""

    repo: Path
    store: str
    services: tuple[ServiceOffer, ...]
    sources: tuple[SourceOffer, ...]

    def source(self, name: str) -> SourceOffer:
        """Return the source of that name."""
        return next(item for item in self.sources if item.name == name)


def monitors_text(offer: RepositoryOffer, folder: Path | None = None) -> str:
    """Write a monitors.toml: one monitor for each service that can be watched, and what there is to decide.

    Args:
        offer: what the repository holds.
        folder: of the file; a repository below it is named from there.
    """
    if folder is not None and offer.repo.is_relative_to(folder):
        offer = replace(offer, repo=offer.repo.relative_to(folder))
    lines = [
        f"# What `driftgate init` found in the Feast repository {offer.repo} (offline store: {offer.store}).",
        "# One table is one monitor. DECIDE marks what a person has to look at.",
        "# `driftgate docs reference/monitors` explains every key.",
    ]
    if offer.sources:
        lines += ["#", "# Data sources:", *(f"#   {_described(item)}" for item in offer.sources)]
    for service in offer.services:
        lines += ["", *_monitor(offer, service)]
    if not offer.services:
        lines += [
            "",
            "# DECIDE: there is no feature service. Declare one with the features that a model reads.",
        ]
    # A name with a line break in it must not end its comment.
    return "".join(" ".join(line.splitlines()) + "\n" for line in lines)


def _monitor(offer: RepositoryOffer, service: ServiceOffer) -> list[str]:
    found = f"# {service.features} features of {bounded(service.views)}, joined by {bounded(service.keys)}"
    if service.asked:
        why = f"its on-demand views need {bounded(service.asked)} of each request, which no month has"
        return [found, f"# {service.name} cannot be watched: {why}.", "# DECIDE: a service of the plain views alone."]
    if len(service.keys) != 1:
        return [found, f"# {service.name} cannot be watched: its views need one join key, the same for all."]
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", service.name).strip("_-") or "monitor"
    return [
        found,
        f"[{name}]",
        f"feature_service = {_quoted(service.name)}",
        f"feast_repo = {_quoted(str(offer.repo))}",
        "# DECIDE: a name of yours, under which `driftgate train` keeps models; without one a probe judges each pair.",
        '# model = "NAME"',
        "# DECIDE: the share of drifting features from which to retrain.",
        "threshold = 0.3",
        "# DECIDE: with true a signal triggers only where a new model would surely be better, once labels are in.",
        "require_gain = true",
        "",
        *_entity(offer, service, name),
        "",
        *_label(offer, service, name),
    ]


def _entity(offer: RepositoryOffer, service: ServiceOffer, name: str) -> list[str]:
    key = service.keys[0]
    candidates = [
        item
        for item in offer.sources
        # One that holds answers has a row for each answer, and one may come late, or never.
        if key in item.keys and item.timestamp and (item.name in service.sources or not item.labels)
    ]
    # One that holds nothing but keys and times is there to say who exists.
    candidates.sort(key=lambda item: (not item.one_row_a_key, item.name in service.sources))
    if not candidates:
        return [
            f"# DECIDE: which source says who exists in which month; none that can be read has {key!r} and a time.",
            f"[{name}.entity]",
            'source = "NAME"',
            f"key = {_quoted(key)}",
        ]
    lines = [f"# candidate: {item.name}" for item in candidates]
    if not candidates[0].one_row_a_key:
        lines.append("# DECIDE: entities need a source with one row for each key and month; none of these is one.")
    lines += [f"[{name}.entity]", f"source = {_quoted(candidates[0].name)}", f"key = {_quoted(key)}"]
    if candidates[0].again == 0:
        lines += [
            "# DECIDE: no entity of the newest month is in an earlier one, so that they are more like events than",
            "# customers. Do those of one day, or of one customer, depend on each other? Then name that column:",
            '# group = "COLUMN"',
        ]
    return lines


def _described(item: SourceOffer) -> str:
    if item.problem:
        return f"{item.name}: {' '.join(item.problem.split())[:200]}"
    if item.newest is None:
        return f"{item.name}: no rows yet"
    each = "one row a key" if item.one_row_a_key else f"{item.distinct:,} keys"
    return f"{item.name}: {item.months:,} days, the newest {item.newest} of {item.rows:,} rows, {each}"


def _label(offer: RepositoryOffer, service: ServiceOffer, name: str) -> list[str]:
    key = service.keys[0]
    candidates = [
        (item.name, column, kind)
        for item in offer.sources
        if key in item.keys and item.timestamp
        for column, kind in item.labels
        # A number that the features' own source holds beside them is more often an identifier than an answer.
        if kind == "boolean" or item.name not in service.sources
    ]
    if not candidates:
        return [
            "# DECIDE: what the model predicts, once its labels are a data source of the repository; without a label",
            "# there is neither target drift nor performance.",
        ]
    lines = [f"# candidate: {source}.{column} ({kind})" for source, column, kind in candidates]
    booleans = [item for item in candidates if item[2] == "boolean"]
    sure = len(candidates) == 1 or len(booleans) == 1
    source, column, _ = booleans[0] if booleans else candidates[0]
    section = [f"[{name}.label]", f"source = {_quoted(source)}", f"column = {_quoted(column)}"]
    never = [
        "# DECIDE: does each entity get a label in the end? Where some never do, as a cancelled flight has no delay,",
        '# say which do: by a boolean column of the entities, by a condition on one, or "learnt" from past months.',
        "# Otherwise a month is pending for ever in which they are more than min_label_share allows.",
        "# expected = \"status != 'cancelled'\"",
    ]
    if sure:
        return [*lines, "# DECIDE: whether this is what the model predicts.", *section, *never]
    return [*lines, "# DECIDE: which of them the model predicts.", *(f"# {line}" for line in section), *never]


def _quoted(text: str) -> str:
    """Return a TOML string, which is written like one of JSON."""
    return json.dumps(text, ensure_ascii=False)


def ordered(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names without repetition, in their order."""
    return tuple(dict.fromkeys(names))
