"""The picture of the layers is that of the import contracts, and of the imports themselves."""

import re
import tomllib
from itertools import pairwise

import grimp
import pytest

from tests.architecture.markdown import code_blocks, section, table, text_of

PAGE = "docs/architecture.md"
CONTRACTS = tomllib.loads(text_of("pyproject.toml"))["tool"]["importlinter"]
TOP = [name for name in CONTRACTS["root_packages"] if name != "driftgate"]
# From the top down; those of one line may not import each other.
LEVELS = [
    [name.strip(" ()") for name in re.split("[|:]", line)]
    for contract in CONTRACTS["contracts"]
    if contract["type"] == "layers" and "driftgate" in contract["containers"]
    for line in contract["layers"]
]
LEVEL = {name: number for number, names in enumerate(LEVELS) for name in names}


def drawn() -> tuple[set[str], list[tuple[str, str]]]:
    """Nodes and arrows of the picture."""
    (picture,) = code_blocks(section(PAGE, "Layers"), "mermaid")
    nodes: set[str] = set()
    edges = []
    for line in picture.splitlines()[1:]:
        names = line.split("-->")
        assert all(re.fullmatch(r" *\w+ *", name) for name in names), line
        stripped = [name.strip() for name in names]
        nodes.update(stripped)
        edges.extend(pairwise(stripped))
    return nodes, edges


def test_there_are_layers() -> None:
    assert len(LEVEL) > 10
    assert TOP


def test_every_layer_is_drawn_and_explained_and_nothing_else() -> None:
    assert drawn()[0] == {*LEVEL, *TOP}
    assert set(table(PAGE, "Layers")) == {*LEVEL, *TOP}


def test_every_arrow_is_allowed_by_the_contracts() -> None:
    for importer, layer in drawn()[1]:
        assert layer in LEVEL, f"{importer} --> {layer}: nobody may import {layer}"
        if importer in LEVEL:
            assert LEVEL[importer] < LEVEL[layer], f"{importer} --> {layer} runs upwards"


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    return grimp.build_graph(*CONTRACTS["root_packages"])


def test_every_arrow_is_an_import(imports: grimp.ImportGraph) -> None:
    for importer, layer in drawn()[1]:
        assert imported(imports, importer, layer), f"{importer} --> {layer}: there is no such import"


def test_every_module_of_the_library_is_in_a_layer(imports: grimp.ImportGraph) -> None:
    assert {name.removeprefix("driftgate.") for name in imports.find_children("driftgate")} == set(LEVEL)


def test_every_import_between_layers_follows_the_arrows(imports: grimp.ImportGraph) -> None:
    arrows = drawn()[1]
    for importer in (*TOP, *LEVEL):
        layers = {name for name in LEVEL if name != importer and imported(imports, importer, name)}
        stray = layers - below(importer, arrows)
        assert not stray, f"{importer} imports {sorted(stray)}, which no arrow leads to"


def below(layer: str, arrows: list[tuple[str, str]]) -> set[str]:
    """The layers that arrows lead to from this one, over any number of steps."""
    reached: set[str] = set()
    waiting = [layer]
    while waiting:
        above = waiting.pop()
        new = {end for start, end in arrows if start == above} - reached
        reached |= new
        waiting.extend(new)
    return reached


def imported(imports: grimp.ImportGraph, importer: str, layer: str) -> bool:
    return imports.direct_import_exists(
        importer=importer if importer in TOP else f"driftgate.{importer}",
        imported=f"driftgate.{layer}",
        as_packages=True,
    )
