"""A page as a browser would read it, and files of runs on disk."""

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from driftgate.run import Run
from driftgate.store.record import record_text

# HTML has these without an end.
VOID = {"meta", "br", "wbr", "input", "col"}


class Page(HTMLParser):
    """Text, links, tags, ids, and whether every element is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.text = ""
        self.links: list[str] = []
        self.tags: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        self.links += [value or "" for name, value in attributes if name in ("href", "src")]

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


def put(folder: Path, run: Run, *, html: bool = True, **changes: Any) -> Path:
    """The files of a run; changes go into its record, whose path is returned."""
    folder.mkdir(parents=True, exist_ok=True)
    pair = f"{run.drift.as_of_ref}_vs_{run.drift.as_of_cur}"
    record = folder / f"decision_{pair}.json"
    record.write_text(json.dumps(json.loads(record_text(run)) | changes))
    (folder / f"drift_{pair}.json").write_text("{}")
    if html:
        (folder / f"drift_{pair}.html").write_text("<!doctype html><p>report</p>")
    return record
