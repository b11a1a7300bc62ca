"""Log lines: one JSON object each, whatever was logged."""

import io
import json
import logging
import sys

from hypothesis import given
from hypothesis import strategies as st

from services.api.json_log import BatchHandler, JsonFormatter, new_id, request_id


def record(message: str, **extra: object) -> logging.LogRecord:
    found = logging.LogRecord("services.api", logging.WARNING, "f.py", 1, message, (), None)
    vars(found).update(extra)
    return found


@given(st.text(), st.dictionaries(st.sampled_from(["status", "route", "seconds"]), st.text() | st.integers()))
def test_a_line_is_one_object_with_what_the_caller_gave(message: str, extra: dict[str, object]) -> None:
    line = JsonFormatter().format(record(message, **extra))
    assert "\n" not in line
    found = json.loads(line)
    assert (found["message"], found["level"], found["request_id"]) == (message, "warning", "-")
    assert {name: found[name] for name in extra} == extra


def test_a_traceback_is_a_member_and_what_is_no_json_is_text() -> None:
    token = request_id.set("abc")
    try:
        raise ValueError("no\nnumber")
    except ValueError:
        found = record("failed", what={1})
        found.exc_info = sys.exc_info()
        line = json.loads(JsonFormatter().format(found))
    finally:
        request_id.reset(token)
    assert "ValueError: no\nnumber" in line["traceback"] and line["what"] == "{1}" and line["request_id"] == "abc"


def test_lines_are_written_together_and_once() -> None:
    stream = io.StringIO()
    handler = BatchHandler(stream)
    handler.setFormatter(logging.Formatter("%(message)s"))
    for number in range(3):
        handler.emit(record(str(number)))
    handler.flush()
    handler.flush()
    assert stream.getvalue() == "0\n1\n2\n"


def test_ids_are_uuids_of_version_4_and_differ() -> None:
    found = {new_id() for _ in range(100)}
    assert len(found) == 100 and {item.version for item in found} == {4}
