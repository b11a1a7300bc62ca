"""How far a long job is: a bar on a terminal, log lines elsewhere, both on standard error."""

import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

T = TypeVar("T")
if TYPE_CHECKING:
    Log = logging.Logger | logging.LoggerAdapter[logging.Logger]

_log = logging.getLogger(__name__)
# A command shows warnings of the rest; how far it is, is asked for.
_log.setLevel(logging.INFO)


def begun(what: str) -> None:
    """Say what a command does before anything can be counted."""
    _log.info("%s", what)


def tracked(items: Sequence[T], what: str, name: Callable[[T], str], log: "Log | None" = None) -> Iterator[T]:
    """Yield the items, and show how many of them are done.

    Args:
        items: the work.
        what: of all of it, such as "judging months".
        name: of one item.
        log: where lines go where there is no terminal; by default to this module's logger.
    """
    if sys.stderr.isatty():
        yield from _with_bar(items, what, name)
        return
    for position, item in enumerate(items, 1):
        (log or _log).info("%s %d of %d: %s", what, position, len(items), name(item))
        yield item


def _with_bar(items: Sequence[T], what: str, name: Callable[[T], str]) -> Iterator[T]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    # What is printed meanwhile goes above the bar; where it goes to a file or a pipe, it must stay on that.
    above = sys.stdout.isatty()
    with Progress(*columns, console=Console(stderr=True), redirect_stdout=above) as progress:
        task = progress.add_task(what, total=len(items))
        for item in items:
            progress.update(task, description=f"{what}: {name(item)}")
            yield item
            progress.advance(task)
        progress.update(task, description=what)
