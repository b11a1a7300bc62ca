"""Documents fit together and name what is there."""

import json
import re
from pathlib import Path

import pytest

from benchmarks.run import result_rows
from tests.architecture.markdown import DOCUMENTS, ROOT, text_of

DECISIONS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        to = path.parent / name if name else path
        assert to.exists(), target
        if anchor:
            assert anchor in anchors(to), target


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub makes of the headings."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_make_lists_every_target() -> None:
    makefile = text_of("Makefile")
    phony = set(makefile.split(".PHONY:", 1)[1].split("\n", 1)[0].split())
    assert phony == set(re.findall(r"^([a-z-]+):.*## ", makefile, flags=re.MULTILINE))


def test_the_figures_of_a_run_are_those_of_the_last_benchmark() -> None:
    text = text_of("docs/speed.md")
    rows = result_rows(json.loads(text_of("benchmarks/results.json")))
    assert [row for row in rows if row not in text] == []
    assert len(rows) >= 6


def test_the_figures_of_the_service_are_those_of_the_last_benchmark() -> None:
    loads = json.loads(text_of("benchmarks/api_results.json"))["loads"]
    text = text_of("docs/speed.md")
    for clients, kind, what, forms in (
        (1, "per_second", "requests per second", (".0f", ".1f", ".0f")),
        (1, "p50_ms", "p50, ms", (".1f", ".0f", ".2f")),
        (16, "per_second", "requests per second", (".0f", ".1f", ".0f")),
        (16, "p99_ms", "p99, ms", (".0f", ",.0f", ".2f")),
    ):
        ours, textbook = loads[f"driftgate_{clients}"][kind], loads[f"textbook_{clients}"][kind]
        cells = [format(value, form) for value, form in zip((ours, textbook, ours / textbook), forms, strict=True)]
        assert f"| {clients} | {what} | {' | '.join(cells)} |" in text


def test_the_index_of_decisions_has_each_with_its_status() -> None:
    listed = re.findall(r"^\| \[(\d+)\]\((.+?)\) \| (.+?) \| (.+?) \|", text_of("docs/adr/README.md"), re.MULTILINE)
    pages = {path.name: path.read_text(encoding="utf-8") for path in DECISIONS}
    assert [name for _, name, _, _ in listed] == list(pages)
    for number, name, title, status in listed:
        assert name.startswith(f"{int(number):04d}-")
        assert pages[name].startswith(f"# {number}. {title}\n\n{status}\n"), name
        assert re.fullmatch(r"Accepted\.( Supersedes [\d, ]+\.)?|Superseded by \d+\.", status), name


def test_what_supersedes_a_decision_says_so_on_both_pages() -> None:
    status = {int(path.name[:4]): path.read_text(encoding="utf-8").splitlines()[2] for path in DECISIONS}
    later = {number: int(line.split()[2].rstrip(".")) for number, line in status.items() if "Superseded" in line}
    earlier = {
        int(number): new
        for new, line in status.items()
        if "Supersedes" in line
        for number in re.findall(r"\d+", line.split("Supersedes", 1)[1])
    }
    assert later == earlier


def test_the_words_of_the_glossary_are_those_of_the_code() -> None:
    sources = [path for folder in ("driftgate", "flows", "feature_repo") for path in (ROOT / folder).rglob("*.py")]
    code = "".join(path.read_text(encoding="utf-8") for path in sources)
    words = set(re.findall(r"`(\w+)`", text_of("docs/glossary.md")))
    assert words
    assert [word for word in sorted(words) if not re.search(rf"\b{word}\b", code)] == []


def test_the_glossary_explains_each_word_once() -> None:
    words = re.findall(r"^\| (.+?) \|", text_of("docs/glossary.md"), re.MULTILINE)
    terms = [term for word in words if word not in ("word", "---") for term in word.split(", ")]
    assert len(set(terms)) == len(terms) > 50
