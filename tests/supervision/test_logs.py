"""Logs of parts are private, bounded, and read for what was said last."""

from pathlib import Path

import pytest

from driftgate.supervision import logs
from driftgate.supervision.logs import bound_log, last_words, open_log


def test_a_log_is_private_and_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "log" / "one.log"
    for text in (b"first\n", b"second\n"):
        with open_log(path) as file:
            file.write(text)
    assert path.read_text() == "first\nsecond\n"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_log_that_has_grown_is_kept_once_and_its_writer_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "_MOST_BYTES", 10)
    path = tmp_path / "one.log"
    with open_log(path) as writer:
        for text in (b"a long first line\n", b"and a long second one\n"):
            writer.write(text)
            writer.flush()
            bound_log(path)
            assert path.stat().st_size == 0
            assert (tmp_path / "one.log.1").read_bytes() == text
        writer.write(b"third\n")
    assert path.read_text() == "third\n"
    assert (tmp_path / "one.log.1").stat().st_mode & 0o777 == 0o600


def test_the_last_words_are_our_error_or_the_last_line(tmp_path: Path) -> None:
    path = tmp_path / "one.log"
    assert last_words(path) == ""
    path.write_text("starting\nConfigurationError: no monitor\n  Next: describe one\n")
    assert last_words(path) == "ConfigurationError: no monitor"
    start = path.stat().st_size
    assert last_words(path, start) == ""
    with path.open("a") as file:
        file.write("Traceback\nkilled\n\n")
    assert last_words(path, start) == "killed"
