"""Everything Driftgate raises on purpose.

DriftgateError                    exit status
├── UsageError                    2   the call itself is wrong
├── ConfigurationError            3   settings, monitors.toml or the Feast repository are wrong
│   └── FeastRepositoryError      3   the repository is missing, unreadable or not applied
├── DataError                     4   the data that was asked for is absent or wrong
│   ├── UnknownMonthError         4   no such month is loaded
│   ├── InvalidMonthError         4   a month folder failed validation; nothing was written
│   └── WrongScoresError          4   a model gave scores that are no probabilities
├── NoVerdictError                5   the comparison cannot be judged; there is no verdict
│   ├── IncomparableColumnsError  5   a declared feature could not be compared
│   └── MissingSignalError        5   a signal the decision needs is absent or unreadable
├── DatabaseError                 6   PostgreSQL refuses or fails
│   └── DatabaseUnavailableError  6   PostgreSQL cannot be reached; the only kind worth a retry
└── OutputError                   7   a report or record cannot be written

Status 0 means that a verdict was reached, whichever it is; 1 is a fault in Driftgate itself. A caller catches by
family; `transient` says whether trying again can mend the fault.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import ClassVar

_MAX_RECEIVED_CHARS = 3000
_MAX_ADVICE_CHARS = 500
_MAX_CAUSE_CHARS = 200


def bounded(items: Iterable[object], limit: int = 12) -> str:
    """Join items for a message, naming at most `limit` of them.

    >>> bounded(["a", "b", "c"], limit=2)
    'a, b, ... (1 more)'
    >>> bounded([])
    'none'
    """
    texts = [str(item) for item in items]
    shown = ", ".join(texts[:limit])
    if len(texts) > limit:
        shown += f", ... ({len(texts) - limit} more)"
    return shown or "none"


class DriftgateError(Exception):
    """Base of every deliberate error: what was received, what is allowed, what to do next.

    Attributes:
        received: what the caller or the data gave.
        allowed: what would have been accepted.
        remedy: the next step for the reader.
    """

    exit_code: ClassVar[int] = 1
    transient: ClassVar[bool] = False

    def __init__(self, received: str, *, allowed: str = "", remedy: str = "") -> None:
        self.received = received
        self.allowed = allowed
        self.remedy = remedy
        super().__init__(received, allowed, remedy)

    def __str__(self) -> str:
        parts = [_cut(self.received, _MAX_RECEIVED_CHARS)]
        if self.allowed:
            parts.append(f"Allowed: {_cut(self.allowed, _MAX_ADVICE_CHARS)}")
        if self.remedy:
            parts.append(f"Next: {_cut(self.remedy, _MAX_ADVICE_CHARS)}")
        return "\n  ".join(parts)

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.args, self.__dict__.copy()))


def _cut(text: str, most: int) -> str:
    """At most so many characters. Each part of a message is cut by itself, so that what to do next is always there."""
    return text if len(text) <= most else f"{text[:most]} ... (cut)"


def _rebuild(kind: type[DriftgateError], args: Sequence[str], state: dict[str, object]) -> DriftgateError:
    """Restore an error that crossed a process boundary, keyword-only arguments included."""
    error = kind.__new__(kind, *args)
    error.args = tuple(args)
    error.__dict__.update(state)
    return error


class UsageError(DriftgateError):
    """The call itself is wrong: a malformed date, a reversed pair, a threshold out of range."""

    exit_code = 2


class ConfigurationError(DriftgateError):
    """Settings or monitors.toml are wrong; trying again changes nothing."""

    exit_code = 3


class FeastRepositoryError(ConfigurationError):
    """The Feast repository is missing, unreadable, not applied, or lacks the feature service."""


class DataError(DriftgateError):
    """The data that was asked for is absent or wrong."""

    exit_code = 4


class UnknownMonthError(DataError):
    """A month was asked for that is not loaded, or that has no rows."""


class InvalidMonthError(DataError):
    """A month folder failed validation. Nothing was written.

    Attributes:
        failures: every failure of every file, one line each.
    """

    def __init__(self, folder: str, failures: Sequence[str]) -> None:
        self.failures = list(failures)
        shown = "\n  - ".join(self.failures[:40])
        more = f"\n  - ... ({len(self.failures) - 40} more)" if len(self.failures) > 40 else ""
        super().__init__(
            f"{folder}: {len(self.failures)} failure(s), nothing was written\n  - {shown}{more}",
            remedy="correct the files and load the month again; a load is safe to repeat",
        )


class WrongScoresError(DataError):
    """A model gave scores that are no probabilities."""


class NoVerdictError(DriftgateError):
    """The comparison cannot be judged. There is no verdict, and no default stands in for one."""

    exit_code = 5


class IncomparableColumnsError(NoVerdictError):
    """A declared feature could not be compared; the ledger says which and why.

    Attributes:
        states: of every declared feature, by name.
    """

    def __init__(
        self, received: str, *, allowed: str = "", remedy: str = "", states: Mapping[str, str] | None = None
    ) -> None:
        self.states = dict(states or {})
        super().__init__(received, allowed=allowed, remedy=remedy)


class MissingSignalError(NoVerdictError):
    """A signal that the decision needs is absent or unreadable."""


class DatabaseError(DriftgateError):
    """PostgreSQL answered with a refusal or a failure."""

    exit_code = 6


class DatabaseUnavailableError(DatabaseError):
    """PostgreSQL cannot be reached, or went away in the middle."""

    transient = True


class OutputError(DriftgateError):
    """A report or a record cannot be written."""

    exit_code = 7


@contextmanager
def reading(what: str, kind: type[DriftgateError], *, allowed: str, remedy: str) -> Iterator[None]:
    """Read something that Driftgate wrote earlier: where it is of another form, or damaged, that is one plain error.

    Args:
        what: is read, for the message.
        kind: of the error.
        allowed, remedy: of the error.

    Raises:
        DriftgateError: of that kind, in place of what a part that is absent or of a wrong type raises.
    """
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        found = f"{type(error).__name__}: {str(error)[:_MAX_CAUSE_CHARS]}"
        raise kind(f"{what} cannot be read: {found}", allowed=allowed, remedy=remedy) from error
