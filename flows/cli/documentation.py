"""The command that shows the pages of the documentation, which the wheel brings along: docs."""

import sys
from difflib import SequenceMatcher
from pathlib import Path
from typing import Annotated

import typer

import driftgate
from driftgate.errors import UsageError

commands = typer.Typer()


@commands.command()
def docs(
    page: Annotated[
        str | None, typer.Argument(help="Page, such as reference/monitors; by default all are listed")
    ] = None,
) -> None:
    """Show a page of the documentation, or list the pages with their titles."""
    found = pages(pages_folder())
    if page is None:
        width = max(map(len, found))
        for name, path in found.items():
            typer.echo(f"{name:{width}}  {title(path)}")
        return
    _show(find_page(found, page).read_text(encoding="utf-8"))


def pages_folder() -> Path:
    """The folder of the documentation: in the package where that was installed from a wheel, else in the checkout."""
    package = Path(driftgate.__file__).parent
    installed = package / "docs"
    return installed if installed.is_dir() else package.parent / "docs"


def pages(folder: Path) -> dict[str, Path]:
    """The pages below a folder by their names: those without a folder first, each folder after them.

    The name of a page is its path without the ending, and that of a folder for its README.
    """
    found = {_name(path.relative_to(folder).as_posix()): path for path in folder.rglob("*.md")}
    return dict(sorted(found.items(), key=lambda item: (item[1].parent != folder, item[0])))


def find_page(found: dict[str, Path], page: str) -> Path:
    """Return the page of that name, which may also be written as its path, such as docs/reference/monitors.md.

    Raises:
        UsageError: there is none; the one with the nearest name is named.
    """
    name = _name(page.strip("/").removeprefix("docs/").partition("#")[0])
    if name in found:
        return found[name]
    near = max(found, key=lambda known: max(_likeness(name, known), _likeness(name, known.rpartition("/")[2])))
    raise UsageError(
        f"there is no page {page!r} in the documentation; the nearest is {near!r}",
        allowed="the pages that `driftgate docs` lists",
        remedy=f"`driftgate docs {near}`",
    )


def title(path: Path) -> str:
    """The heading of a page."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return next((line.removeprefix("# ") for line in lines if line.startswith("# ")), "")


def _name(path: str) -> str:
    return path.removesuffix(".md").removesuffix("/README")


def _likeness(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other).ratio()


def _show(text: str) -> None:
    if not sys.stdout.isatty():
        typer.echo(text, nl=False)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    Console().print(Markdown(text))
