"""A case: an operation is killed at random moments, once or a few times, and then run again undisturbed."""

import pickle
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random

import psutil

from driftgate.database import keeper
from driftgate.database.keeper import only_one
from tests.chaos.contents import Contents, broken_files, read_contents, unfinished_runs
from tests.chaos.disks import FOLDERS, LEAST_ROOM, full_disk, used
from tests.chaos.operations import OPERATIONS, Operation
from tests.chaos.place import Place, role_of
from tests.chaos.serving import Load, answered_are_logged

_POLL_SECONDS = 0.02
_HANGS_SECONDS = 600.0
_MOST_KILLS = 8
AWAY, AT_ONCE = "postgres away", "at once"
_AWAY_SECONDS = 60.0
# The log of predictions has as many rows as were asked for; each of them is looked for by its id.
_OF_LOAD = ("predictions",)


@dataclass(frozen=True)
class Undisturbed:
    """An operation that nothing disturbed, once and a second time after that.

    Attributes:
        lives: when processes of each role were there, in seconds since the start: first and last.
        growth: bytes that it added to each folder that can be full.
        output: what each run printed.
    """

    seconds: float
    lives: dict[str, tuple[float, float]]
    growth: dict[str, int]
    once: Contents
    twice: Contents
    output: tuple[str, str]


@dataclass
class Outcome:
    """What became of a case.

    Attributes:
        kills: how often a process was there to be killed.
        lost: rows, answers or files that are missing or different.
        left: what is left behind.
        ends: exit status of each disturbed run, and when it was killed.
    """

    case: str
    kills: int = 0
    lost: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def recovered(self) -> bool:
        """Whether nothing was lost and nothing is left."""
        return not self.lost and not self.left


@dataclass(frozen=True)
class Case:
    """What is killed in which operation; the number is the seed of the moments."""

    operation: str
    role: str
    number: int

    def __str__(self) -> str:
        return f"{self.operation}/{self.role}/{self.number}"

    @classmethod
    def read(cls, text: str) -> "Case":
        """The case that a table or a JSON file names."""
        operation, role, number = text.split("/")
        return cls(operation, role, int(number))


class Runs:
    """Runs operations in a place, and knows how each goes undisturbed."""

    def __init__(self, place: Place, prefect_api: str) -> None:
        self.place = place
        self._prefect_api = prefect_api
        self._known: dict[str, Undisturbed] = {}
        # How long each operation takes by now, in parts of what it took undisturbed: machines are busy at times.
        self._pace: dict[str, float] = {}

    def undisturbed(self, operation: Operation) -> Undisturbed:
        """How an operation goes; it runs twice at the first call, unless a file in the folder has it."""
        if operation.name not in self._known:
            kept = self.place.base / f"undisturbed-{operation.name}.pickle"
            if not kept.exists():
                kept.write_bytes(pickle.dumps(self._measure(operation)))
            self._known[operation.name] = pickle.loads(kept.read_bytes())
        return self._known[operation.name]

    def _measure(self, operation: Operation) -> Undisturbed:
        self.place.restore(operation.name)
        before = used(self.place)
        seconds, lives, first = self._watch(operation)
        growth = {folder: size - before[folder] for folder, size in used(self.place).items()}
        self._one_by_one(operation)
        once = self._contents(operation)
        _, _, second = self._watch(operation)
        self._one_by_one(operation)
        return Undisturbed(seconds, lives, growth, once, self._contents(operation), (first, second))

    def _one_by_one(self, operation: Operation) -> None:
        for arguments in operation.beside:
            self.place.run(arguments, "undisturbed", PREFECT_API_URL=self._prefect_api)

    def _watch(self, operation: Operation) -> tuple[float, dict[str, tuple[float, float]], str]:
        """Run it, and see which processes are there when."""
        lives: dict[str, tuple[float, float]] = {}
        begun = time.monotonic()
        process = self._start(operation, "undisturbed", own_prefect=True)
        load = self._load(operation, process)
        while process.poll() is None:
            since = time.monotonic() - begun
            for role in {role_of(found) for found in self.place.processes()} | {"main"}:
                if role is not None:
                    lives[role] = (lives.get(role, (since, since))[0], since)
            time.sleep(0.3)
        seconds = time.monotonic() - begun
        if load is not None:
            load.require_answers(self.place.errors("undisturbed"))
        elif process.returncode != 0:
            raise RuntimeError(f"{operation.name} ended with {process.returncode}: {self.place.errors('undisturbed')}")
        if left := self.place.end_all():
            raise RuntimeError(f"{operation.name}, undisturbed, left {left}")
        return seconds, lives, self.place.output("undisturbed")

    def run(self, case: Case) -> Outcome:
        """Kill, run again, and compare."""
        operation, random = OPERATIONS[case.operation], Random(str(case))
        expected, outcome = self.undisturbed(operation), Outcome(str(case))
        begun = time.monotonic()
        self.place.restore(operation.name)
        open_before = unfinished_runs(self.place, self._prefect_api)
        own_prefect = case.role in ("prefect", "full home") or random.random() < 0.25
        loads: list[Load] = []
        if case.role == AT_ONCE:
            self._at_once(operation, outcome)
        elif case.role == AWAY:
            loads = [self._without_database(operation, outcome)]
        elif case.role in FOLDERS:
            loads = self._on_full_disk(operation, case, random, own_prefect, outcome)
        else:
            loads = self._killed(operation, case, random, own_prefect, outcome)
        if case.role != AT_ONCE:
            loads += self._again(operation, own_prefect, expected, outcome)
        if loads:
            outcome.lost += answered_are_logged(self.place, loads)
        self._compare(operation, expected, outcome)
        if left := unfinished_runs(self.place, self._prefect_api) - open_before:
            outcome.left.append(f"{left} runs of Prefect have not ended")
        outcome.seconds = time.monotonic() - begun
        return outcome

    def _compare(self, operation: Operation, expected: Undisturbed, outcome: Outcome) -> None:
        """Hold what is there against what undisturbed runs left."""
        runs = outcome.kills + len(outcome.ends) + 1
        differences = self._contents(operation).differences(expected.once, expected.twice, runs)
        extra = [line for line in differences if " is too much: " in line and line.startswith("files ")]
        outcome.left += extra
        outcome.lost += [line for line in differences if line not in extra]

    def _killed(
        self, operation: Operation, case: Case, random: Random, own_prefect: bool, outcome: Outcome
    ) -> list[Load]:
        loads = []
        for _ in range(random.randint(1, _MOST_KILLS)):
            moment, whole = _moment(random, self.undisturbed(operation).lives[case.role]), random.random() < 0.5
            moment *= self._pace.get(operation.name, 1.0)
            load = self._disturbed(operation, case, moment, whole, own_prefect, outcome)
            loads += [load] if load else []
            outcome.lost += broken_files(self.place)
        return loads

    def _at_once(self, operation: Operation, outcome: Outcome) -> None:
        """Run several commands at the same time, each with a Prefect server of its own on the same history."""
        lines = (operation.arguments, *operation.beside)
        running = [self.place.start(line, f"once-{number}") for number, line in enumerate(lines)]
        for number, (line, process) in enumerate(zip(lines, running, strict=True)):
            hangs = _ended(process)
            outcome.ends.append(f"{process.returncode} of {line[0]}")
            if hangs or process.returncode != 0:
                outcome.lost.append(f"{' '.join(line)}: {outcome.ends[-1]}: {self.place.errors(f'once-{number}', 800)}")
        outcome.left += [f"a process: {line}" for line in self.place.end_all()]

    def _without_database(self, operation: Operation, outcome: Outcome) -> Load:
        """Kill the server under load, and keep whoever restarts it waiting."""
        process = self._start(operation, "disturbed", own_prefect=True)
        load = Load(self.place, process, seconds=_AWAY_SECONDS + 30)
        while not load.answered and process.poll() is None:
            time.sleep(0.1)
        with only_one(keeper.Place(str(self.place.home / "postgres"), "")):
            outcome.kills += any(_kill_process(found, whole=True) for found in self.place.role("postgres", process.pid))
            time.sleep(_AWAY_SECONDS)
            before, refused = len(load.answered), load.refused.get(503, 0)
        load.end()
        if len(load.answered) == before or not refused:
            outcome.lost.append(
                f"{len(load.answered) - before} predictions after it was back, {refused} refusals before"
            )
        self._note_end(process, _ended(process), f"the server was away for {_AWAY_SECONDS:.0f} s", outcome)
        return load

    def _on_full_disk(
        self, operation: Operation, case: Case, random: Random, own_prefect: bool, outcome: Outcome
    ) -> list[Load]:
        """Run it with a part of the room that it needs; the disk is as large as ever afterwards."""
        needed = max(self.undisturbed(operation).growth[case.role], LEAST_ROOM)
        room = int(random.random() * needed)
        with full_disk(self.place.case / FOLDERS[case.role], room):
            process = self._start(operation, "disturbed", own_prefect)
            load = self._load(operation, process)
            hangs = _ended(process)
            if load is not None:
                load.end()
            self._note_end(process, hangs, f"with room for {room:,} bytes", outcome)
            outcome.kills += process.returncode != 0
        outcome.lost += broken_files(self.place)
        return [load] if load else []

    def _disturbed(
        self, operation: Operation, case: Case, moment: float, whole: bool, own_prefect: bool, outcome: Outcome
    ) -> Load | None:
        begun = time.monotonic()
        process = self._start(operation, "disturbed", own_prefect)
        load = self._load(operation, process)
        killed = self._kill(case.role, process, begun + moment, whole)
        outcome.kills += killed
        hangs = _ended(process)
        if not killed:
            self._pace[operation.name] = (time.monotonic() - begun) / self.undisturbed(operation).seconds
        if load is not None:
            load.end()
        self._note_end(process, hangs, f"killed at {moment:.2f} s" if killed else "not met", outcome)
        return load

    def _note_end(self, process: "subprocess.Popen[bytes]", hangs: bool, when: str, outcome: Outcome) -> None:
        """Note how a disturbed command ended, and what of it stayed."""
        outcome.ends.append(f"{process.returncode} {when}")
        if hangs:
            outcome.lost.append(f"the command did not end in {_HANGS_SECONDS:.0f} s, {when}")
        errors = self.place.errors("disturbed", 20_000)
        if process.returncode != 0 and "Traceback (most recent call last)" in errors:
            outcome.left.append(f"a traceback: {errors[-600:]}")
        outcome.left += [f"a process: {line}" for line in self.place.end_all()]

    def _kill(self, role: str, process: "subprocess.Popen[bytes]", at: float, whole: bool) -> bool:
        """Kill a process of the role at a moment, or as soon as there is one; return whether there was."""
        while process.poll() is None:
            if time.monotonic() >= at and (found := self.place.role(role, process.pid)):
                return _kill_process(found[-1], whole)
            time.sleep(_POLL_SECONDS)
        return False

    def _again(self, operation: Operation, own_prefect: bool, expected: Undisturbed, outcome: Outcome) -> list[Load]:
        """The undisturbed run after the kills."""
        begun = time.monotonic()
        process = self._start(operation, "again", own_prefect)
        load = self._load(operation, process)
        hangs = _ended(process)
        self._pace[operation.name] = (time.monotonic() - begun) / expected.seconds
        errors = self.place.errors("again", 800)
        if load is not None:
            outcome.lost += load.faults()
        if hangs or (load is None and process.returncode != 0):
            outcome.lost.append(f"the run after it ended with {process.returncode}: {errors}")
        if operation.answers and self.place.output("again") not in expected.output:
            outcome.lost.append(f"the answer is {self.place.output('again')!r}, not {expected.output[0]!r}")
        outcome.left += [f"a process: {line}" for line in self.place.end_all()]
        return [load] if load else []

    def _start(self, operation: Operation, log: str, own_prefect: bool) -> "subprocess.Popen[bytes]":
        arguments, more = operation.arguments, {}
        if operation.name == "serve":
            arguments += ("--port", str(Load.port))
        elif not own_prefect:
            more["PREFECT_API_URL"] = self._prefect_api
        return self.place.start(arguments, log, **more)

    def _load(self, operation: Operation, process: "subprocess.Popen[bytes]") -> Load | None:
        return Load(self.place, process) if operation.name == "serve" else None

    def _contents(self, operation: Operation) -> Contents:
        found = read_contents(self.place, _OF_LOAD if operation.name == "serve" else ())
        self.place.end_all()
        return found


def _moment(random: Random, life: tuple[float, float]) -> float:
    first, last = life
    return first + random.random() * (last - first)


def _kill_process(process: psutil.Process, whole: bool) -> bool:
    """Kill a process; of a database server also its children, as where a container ends, or its first process alone."""
    try:
        children = process.children() if whole and role_of(process) == "postgres" else []
        for each in (process, *children):
            each.send_signal(signal.SIGKILL)
    except psutil.NoSuchProcess:
        return False
    return True


def _ended(process: "subprocess.Popen[bytes]") -> bool:
    """Wait for the end of a command; return whether it had to be ended."""
    try:
        process.wait(_HANGS_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return True
    return False


def all_cases(roles: Mapping[str, Iterable[str]], seed: int) -> Iterator[Case]:
    """Every operation with every role that is given for it, in an order of the seed, again and again."""
    random = Random(seed)
    pairs = sorted((operation, role) for operation, found in roles.items() for role in found)
    while pairs:
        random.shuffle(pairs)
        for operation, role in pairs:
            yield Case(operation, role, random.randrange(10**6))
