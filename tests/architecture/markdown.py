"""Documents as the tests read them: sections, tables, code blocks."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def text_of(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def section(path: str, heading: str) -> str:
    """What stands between a heading of the second level and the next one."""
    return text_of(path).split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def table(path: str, heading: str) -> dict[str, list[str]]:
    """The first table of a section, by its first cell; code marks are removed."""
    lines = [line for line in section(path, heading).splitlines() if line.startswith("|")]
    rows = [[cell.strip().replace("`", "") for cell in line.strip().strip("|").split("|")] for line in lines]
    header, _, *body = rows
    found: dict[str, list[str]] = {}
    for row in body:
        if row[0]:
            assert row[0] not in found, f"{path}: {row[0]} stands twice"
            found[row[0]] = row[1:]
    assert {len(row) for row in body} <= {len(header)}, path
    return found


def code_blocks(text: str, language: str) -> list[str]:
    """The code blocks that begin with this word after the fence."""
    return re.findall(rf"^```{re.escape(language)}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
