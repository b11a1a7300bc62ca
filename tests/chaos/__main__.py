"""Kill processes at random moments, and hold what is there afterwards against an undisturbed run."""

import argparse
import json
import logging
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path

from flows.runtime.local_server import LocalServer
from flows.runtime.progress import tracked
from tests.chaos.disks import FOLDERS, can_be_made, require_rights
from tests.chaos.kills import AT_ONCE, AWAY, Case, Outcome, Runs, all_cases
from tests.chaos.operations import OPERATIONS, Operation, make_templates
from tests.chaos.place import Place


def main() -> None:
    given = _arguments()
    if given.disks or any(case.role in FOLDERS for case in given.replay):
        require_rights()
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO, stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    place = Place(given.folder.resolve() if given.folder else Path(tempfile.mkdtemp(prefix="driftgate-chaos-")))
    os.environ["PREFECT_HOME"] = str(place.base / "prefect")
    try:
        with LocalServer() as server:
            server.wait()
            outcomes = run(place, server.url, given)
    finally:
        place.end_all(seconds=0)
        if not given.folder:
            shutil.rmtree(place.base, ignore_errors=True)
    print("\n".join(table(outcomes)))
    for outcome in outcomes:
        if not outcome.recovered:
            print(f"\n{outcome.case} ({'; '.join(outcome.ends)})", *outcome.lost, *outcome.left, sep="\n  ")
    sys.exit(any(not outcome.recovered for outcome in outcomes))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="same seed, same cases in the same order")
    parser.add_argument("--kills", type=int, default=200, help="least number of kills")
    parser.add_argument("--disks", type=int, default=0, help="number of cases in which a disk is full")
    parser.add_argument("--only", nargs="*", choices=[*OPERATIONS], default=[*OPERATIONS], help="operations")
    parser.add_argument(
        "--replay", nargs="*", default=[], type=case_of, help="cases alone, such as monitor/postgres/17"
    )
    parser.add_argument(
        "--folder",
        type=Path,
        help="keep the last case there, and what later runs of the same code need not prepare again; a short path",
    )
    parser.add_argument("--out", type=Path, default=Path("chaos.json"), help="file for what became of each case")
    return parser.parse_args()


def case_of(text: str) -> Case:
    """A case of the command line."""
    parts = text.split("/")
    if len(parts) != 3 or parts[0] not in OPERATIONS or not parts[2].isdecimal():
        allowed = f"OPERATION/PART/NUMBER, such as monitor/postgres/17, of {', '.join(OPERATIONS)}"
        raise argparse.ArgumentTypeError(f"{text!r} is no case; allowed: {allowed}")
    return Case.read(text)


def run(place: Place, prefect_api: str, given: argparse.Namespace) -> list[Outcome]:
    """Every case in turn; the file is written after each, so that nothing is lost where this ends early."""
    cases: list[Case] = given.replay
    wanted = [OPERATIONS[name] for name in OPERATIONS if name in ({case.operation for case in cases} or given.only)]
    make_templates(place, wanted, prefect_api)
    runs = Runs(place, prefect_api)
    for operation in tracked(wanted, "undisturbed", lambda each: each.name):
        runs.undisturbed(operation)
    for case in cases:
        lives = runs.undisturbed(OPERATIONS[case.operation]).lives
        if case.role not in (*lives, *FOLDERS, AWAY, AT_ONCE):
            sys.exit(f"{case}: {case.operation} has no part {case.role!r}; allowed: {', '.join(lives)}")
    outcomes: list[Outcome] = []
    for case in tracked(cases or planned(runs, wanted, given), "cases", str):
        if case.role in (*FOLDERS, AWAY, AT_ONCE) or cases or sum(outcome.kills for outcome in outcomes) < given.kills:
            outcomes.append(runs.run(case))
            report(outcomes, given)
    return outcomes


def planned(runs: Runs, wanted: Sequence[Operation], given: argparse.Namespace) -> list[Case]:
    """Cases for as many kills, of which a case has two on the average.

    Before them come a database that stays away, commands at once, and full disks, where they can be made.
    """
    known = {operation.name: runs.undisturbed(operation) for operation in wanted}
    filled = {
        name: [role for role, size in found.growth.items() if size > 0 or role in ("full home", "full tmp")]
        for name, found in known.items()
        if not OPERATIONS[name].beside
    }
    disks = given.disks if can_be_made() else 0
    if disks < given.disks:
        logging.warning("no disk is full in this run: this user may neither mount one nor make a namespace for it")
    lives = {name: found.lives for name, found in known.items() if not OPERATIONS[name].beside}
    special = [Case("serve", AWAY, given.seed)] if "serve" in known else []
    special += [Case(name, AT_ONCE, given.seed) for name in known if OPERATIONS[name].beside]
    return [*special, *islice(all_cases(filled, given.seed), disks), *islice(all_cases(lives, given.seed), given.kills)]


def report(outcomes: Sequence[Outcome], given: argparse.Namespace) -> None:
    """Write what is known so far, and say what went wrong in the newest case."""
    document = {"seed": given.seed, "cases": [asdict(outcome) for outcome in outcomes]}
    given.out.write_text(json.dumps(document, indent=1) + "\n")
    newest = outcomes[-1]
    for fault in (*newest.lost, *newest.left):
        logging.warning("%s: %s", newest.case, fault)


def table(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """One row for each operation and what was killed in it, in Markdown."""
    yield "| operation | killed | kills | cases | recovered | lost | left behind |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    groups: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in outcomes:
        case = Case.read(outcome.case)
        groups.setdefault((case.operation, case.role), []).append(outcome)
    order = list(OPERATIONS)
    for (operation, role), found in sorted(groups.items(), key=lambda item: (order.index(item[0][0]), item[0][1])):
        yield f"| {operation} | {role} | {_counts(found)} |"
    yield f"| all | | {_counts(outcomes)} |"


def _counts(found: Sequence[Outcome]) -> str:
    counts = (
        sum(outcome.kills for outcome in found),
        len(found),
        sum(outcome.recovered for outcome in found),
        sum(bool(outcome.lost) for outcome in found),
        sum(bool(outcome.left) for outcome in found),
    )
    return " | ".join(map(str, counts))


if __name__ == "__main__":
    main()
