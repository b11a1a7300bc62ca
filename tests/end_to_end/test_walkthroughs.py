"""What a reader is led through is true on this commit."""

import pytest

from tests.architecture.markdown import text_of
from tests.end_to_end.walkthrough import STEPS, commands, follow, shown

PAGES = {
    "docs/tutorial.md": ["shop/feature_store.yaml", "shop/features.py", "months.py"],
    "docs/how-to/flights.md": ["flights.py", "flights/feature_store.yaml", "flights/features.py"],
}


@pytest.mark.parametrize("name", PAGES)
def test_every_file_and_command_of_the_page_is_a_step(name: str) -> None:
    page = text_of(name)
    found = list(STEPS.finditer(page))
    assert [step.group("path") for step in found if step.group("path")] == PAGES[name]
    blocks = [step.group("console") for step in found if step.group("console")]
    assert len(blocks) == page.count("```console")
    assert all(list(commands(block)) for block in blocks)


def test_a_shown_line_is_one_of_the_output() -> None:
    assert shown("a ... c").search("before\na  b c\nafter")
    assert not shown("a ... c").search("a b d")
    assert not shown("NO_ACTION").search("it is NO_ACTION")


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_what_the_page_shows_is_what_the_commands_print(name: str) -> None:
    """The flights are fetched from the package index."""
    follow(text_of(name))
