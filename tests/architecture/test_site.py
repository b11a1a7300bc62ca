"""The documentation as a site: built strictly, which checks every link and anchor, and complete without a network."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from driftgate import errors
from flows.cli.app import app
from tests.architecture.markdown import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", out],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return out


def test_every_page_is_there_and_nothing_that_builds_it(site: Path) -> None:
    sources = {path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")}
    wanted = {path.with_name("index.html" if path.name == "README.md" else f"{path.stem}.html") for path in sources}
    built = {path.relative_to(site) for path in site.rglob("*.html")}
    assert wanted <= built
    assert built - wanted == {Path(f"{name}.html") for name in ("index", "404", "contributing", "changelog")} | {
        Path("reference/options.html")
    }
    assert not list(site.rglob("*.py"))


def test_nothing_is_fetched_from_another_host(site: Path) -> None:
    fetched = re.compile(r"<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)=\"?(?:https?:)?//[^>]*>")
    styles = re.compile(r"url\(\s*[\"']?(?:https?:)?//|@import\s+[\"'](?:https?:)?//")
    for page in site.rglob("*.html"):
        found = fetched.findall(page.read_text(encoding="utf-8"))
        assert found == [], page
    for sheet in site.rglob("*.css"):
        assert not styles.search(sheet.read_text(encoding="utf-8")), sheet
    assert fetched.search('<link rel="stylesheet" href="https://fonts.example.org/css">')


def test_no_markup_is_left_in_the_text(site: Path) -> None:
    """A table or list that needs an empty line before it, or a fence that is none."""
    left = re.compile(r"<p>[^<]*(?:^\|? ?---|^- |^\| |```)", re.MULTILINE)
    assert {page.name: left.findall(page.read_text(encoding="utf-8")) for page in site.rglob("*.html")} == {
        page.name: [] for page in site.rglob("*.html")
    }
    assert left.search("<p>text\n- no list")


def test_the_options_are_those_of_the_program(site: Path) -> None:
    text = (site / "reference" / "options.html").read_text(encoding="utf-8")
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        assert f'id="{name}"' in text
        for item in command.params:
            if item.param_type_name == "option":
                assert all(f"<code>{option}</code>" in text for option in item.opts), (name, item.opts)


def test_the_library_is_what_the_docstrings_say(site: Path) -> None:
    text = (site / "reference" / "api.html").read_text(encoding="utf-8")
    assert 'id="driftgate.library.compare"' in text and "false_alarm_rate" in text
    assert 'id="driftgate.library.DataComparison.drift_share"' in text
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert len(kinds) > 10
    for kind in kinds:
        assert f'id="driftgate.errors.{kind.__name__}"' in text, kind


def test_flowcharts_are_pictures(site: Path) -> None:
    text = (site / "architecture.html").read_text(encoding="utf-8")
    if shutil.which("dot") is None:
        if os.environ.get("DRIFTGATE_TEST_SERVICES") == "required":
            pytest.fail("dot is not installed; Debian: graphviz")
        pytest.skip("dot is not installed; Debian: graphviz. The site shows the text of the flowcharts then")
    assert text.count("<svg xmlns") >= 3 and "flowchart" not in text
    assert ">prediction service<" in text and ">errors<" in text


def test_links_out_of_the_documents_lead_to_the_page_that_stands_for_the_file(site: Path) -> None:
    start = (site / "index.html").read_text(encoding="utf-8")
    assert 'href="reference/commands.html"' in start and 'src="verdict.png"' in start
    assert 'href="../contributing.html#' in (site / "how-to" / "upgrade.html").read_text(encoding="utf-8")
    assert "docker-compose.yml" in (site / "threat-model.html").read_text(encoding="utf-8")
