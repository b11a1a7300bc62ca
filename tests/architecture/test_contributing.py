"""CONTRIBUTING names what is there: folders, files, and the names in them."""

import re
from collections.abc import Iterator

from tests.architecture.markdown import ROOT, code_blocks, section, text_of

PAGE = "CONTRIBUTING.md"
# Folders whose packages are all in the tree, and those of which each folder at the first level is.
PACKAGES = ("driftgate", "flows")
FIRST_LEVEL = ("services", "docs")


def tree() -> Iterator[tuple[str, str]]:
    """Folder and description of each line."""
    (block,) = code_blocks(section(PAGE, "Where things are"), "text")
    above: list[str] = []
    for line in block.splitlines():
        indent, name, description = re.fullmatch(r"( *)([\w-]+)/ +(.+)", line).groups()
        above[len(indent) // 2 :] = [name]
        yield "/".join(above), description


def test_every_folder_in_the_tree_is_there() -> None:
    folders = [folder for folder, _ in tree()]
    assert len(set(folders)) == len(folders)
    assert [folder for folder in folders if not (ROOT / folder).is_dir()] == []


def test_every_folder_that_is_there_is_in_the_tree() -> None:
    packages = {
        path.parent.relative_to(ROOT).as_posix() for name in PACKAGES for path in (ROOT / name).rglob("__init__.py")
    }
    first = {
        path.relative_to(ROOT).as_posix()
        for name in FIRST_LEVEL
        for path in (ROOT / name).iterdir()
        if path.is_dir() and path.name != "__pycache__"
    }
    code = {path.parent.name for path in ROOT.glob("*/*.py")}
    assert packages | first | code - {".venv"} <= {folder for folder, _ in tree()}


def test_every_module_on_the_floor_of_the_library_is_named() -> None:
    modules = {f"driftgate/{path.name}" for path in (ROOT / "driftgate").glob("*.py")} - {"driftgate/__init__.py"}
    named = set(re.findall(r"`(driftgate/\w+\.py)`", section(PAGE, "Where things are")))
    assert named == modules


def test_every_path_is_there() -> None:
    paths = re.findall(r"`([\w./-]+/[\w./-]*)`", text_of(PAGE))
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_name_is_in_the_files_of_its_section() -> None:
    """A name in code marks stands in one of the files that the same section names."""
    for part in re.split(r"^### ", section(PAGE, "Where do I add ..."), flags=re.MULTILINE)[1:]:
        paths = [ROOT / path for path in re.findall(r"`([\w./-]+/[\w./-]*)`", part)]
        files = [file for path in paths for file in (path.glob("*.*") if path.is_dir() else [path])]
        text = "".join(file.read_text(encoding="utf-8") for file in files)
        for name in re.findall(r"`(\w+)`", part):
            assert re.search(rf"\b{name}\b", text), f"{part.splitlines()[0]}: {name}"
