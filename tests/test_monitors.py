"""monitors.toml: what is read, and what is refused with the place in the message."""

import math
from pathlib import Path

import pytest

from driftgate.errors import ConfigurationError, UsageError
from driftgate.methods import METHODS
from driftgate.monitors import Monitor, monitor_name, read_monitor, read_monitors

SHIPPED = Path(__file__).resolve().parents[1] / "flows" / "monitors.toml"
ENTITY = '[m.entity]\ntable = "t"\nkey = "id"\ntimestamp = "at"\n'


def write(folder: Path, top: str = "", rest: str = "", entity: str = ENTITY) -> Path:
    path = folder / "monitors.toml"
    path.write_text(f'[m]\nfeature_service = "s"\n{top}\n{entity}{rest}', encoding="utf-8")
    return path


def refusal(path: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read_monitors(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_the_shipped_file_is_valid() -> None:
    monitors = read_monitors(SHIPPED)
    churn = monitors["churn"]
    assert (churn.name, churn.threshold, churn.target_threshold) == ("churn", 0.3, None)
    assert churn.entity.feast_key == "user_id"
    assert churn.label is not None and churn.label.keyed_by_period
    assert (churn.entity.place, churn.label.place) == ("subs_profile", "labels")
    assert churn.on_incomparable == "fail"


def test_little_has_to_be_said(tmp_path: Path) -> None:
    monitor = read_monitor(write(tmp_path), "m")
    assert monitor == Monitor.model_validate(
        {"name": "m", "feature_service": "s", "entity": {"table": "t", "key": "id", "timestamp": "at"}}
    )
    assert monitor.label is None
    assert monitor.feast_repo is None
    assert monitor.columns == {}


def test_a_condition_of_another_form_is_refused_with_the_form_that_is_allowed(tmp_path: Path) -> None:
    label = "[m.label]\ntable = 't'\ncolumn = 'c'\nexpected = \"{}\""
    words = refusal(write(tmp_path, "", label.format("status = 'x'")))
    assert "label.expected: " in words and "COLUMN and one of == != < <= > >=" in words
    read = read_monitor(write(tmp_path, "", label.format("status != 'x'")), "m")
    assert read.label is not None and read.label.expected == "status != 'x'"


def test_a_mistyped_monitor_is_told_with_the_one_that_was_meant(tmp_path: Path) -> None:
    path = tmp_path / "monitors.toml"
    path.write_text(f'[orders]\nfeature_service = "s"\n{ENTITY.replace("m.entity", "orders.entity")}', encoding="utf-8")
    with pytest.raises(UsageError, match="did you mean 'orders'"):
        read_monitor(path, "order")
    with pytest.raises(UsageError) as caught:
        read_monitor(path, "churn")
    assert "did you mean" not in str(caught.value)


@pytest.mark.parametrize(("given", "other"), [("retrain_cost", "error_cost"), ("error_cost", "retrain_cost")])
def test_costs_come_together(tmp_path: Path, given: str, other: str) -> None:
    assert f"{given} is given without {other}" in refusal(write(tmp_path, f"{given} = 5.0"))
    assert f"- {given}: " in refusal(write(tmp_path, f"{given} = 0.0"))
    both = read_monitor(write(tmp_path, f"{given} = 5.0\n{other} = 0.5"), None)
    assert getattr(both, given) == 5.0 and both.payback_months == 12


@pytest.mark.parametrize("value", ["'chisquare'", "''", "3", "['ks']"])
def test_a_method_that_does_not_exist_is_refused_with_those_that_do(tmp_path: Path, value: str) -> None:
    *most, last = map(repr, METHODS)
    names = f"{', '.join(most)} or {last}"
    message = refusal(write(tmp_path, rest=f"[m.columns.fee]\nmethod = {value}"))
    assert f"- columns.fee.method: Input should be {names}" in message


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    message = refusal(write(tmp_path, "threshold = 2.0\nmin_rows = 0\nunheard = 1"))
    assert [name in message for name in ("threshold: ", "min_rows: ", "unheard: ")] == [True] * 3


@pytest.mark.parametrize("value", [0, 1, 0.0, 1.0])
def test_the_ends_of_a_share_are_allowed(tmp_path: Path, value: float) -> None:
    assert read_monitor(write(tmp_path, f"threshold = {value}"), "m").threshold == value


@pytest.mark.parametrize("folder", ["..", "../up", "a/../../up", "/tmp/elsewhere", "a/.."])
def test_a_report_folder_stays_below_the_reports(tmp_path: Path, folder: str) -> None:
    assert "must stay below REPORT_DIR" in refusal(write(tmp_path, f"report_folder = '{folder}'"))


@pytest.mark.parametrize("folder", [".", "a", "a/b", "..a"])
def test_a_report_folder_below_the_reports_is_allowed(tmp_path: Path, folder: str) -> None:
    assert read_monitor(write(tmp_path, f"report_folder = '{folder}'"), "m").report_folder == folder


@pytest.mark.parametrize("name", ["", "a.b.c", ".", "a.", ".b", 'a"b', 'a".b', "a\\u0000b"])
def test_a_table_name_that_cannot_be_quoted_is_refused(tmp_path: Path, name: str) -> None:
    quoted = '"' + name.replace('"', '\\"') + '"'
    message = refusal(write(tmp_path, entity=ENTITY.replace('"t"', quoted)))
    assert "entity.table: " in message
    assert "label.table: " in refusal(write(tmp_path, rest=f"[m.label]\ntable = {quoted}\ncolumn = 'c'"))


@pytest.mark.parametrize("name", ["", 'a"b', "a\\u0000b"])
@pytest.mark.parametrize("field", ["key", "timestamp", "join_key"])
def test_a_column_name_that_cannot_be_quoted_is_refused(tmp_path: Path, field: str, name: str) -> None:
    entity = {"table": "t", "key": "id", "timestamp": "at"} | {field: name.replace('"', '\\"')}
    lines = "[m.entity]\n" + "".join(f'{key} = "{value}"\n' for key, value in entity.items())
    assert f"entity.{field}: " in refusal(write(tmp_path, entity=lines))


def test_a_source_says_its_time_and_a_table_does_not(tmp_path: Path) -> None:
    monitor = read_monitor(
        write(
            tmp_path,
            entity="[m.entity]\nsource = 'things'\nkey = 'id'\n",
            rest="[m.label]\nsource = 'answers'\ncolumn = 'yes'",
        ),
        "m",
    )
    assert (monitor.entity.place, monitor.entity.timestamp) == ("things", None)
    assert monitor.label is not None and monitor.label.keyed_by_period
    assert "a table needs `timestamp`" in refusal(write(tmp_path, entity="[m.entity]\ntable = 't'\nkey = 'id'"))


def test_a_relative_feast_repository_is_taken_from_the_files_folder(tmp_path: Path) -> None:
    (tmp_path / "flows").mkdir()
    path = write(tmp_path / "flows", "feast_repo = '../shop/feature_repo'")
    assert read_monitor(path, "m").feast_repo == tmp_path / "shop" / "feature_repo"
    path = write(tmp_path / "flows", "feast_repo = '/elsewhere'")
    assert read_monitor(path, "m").feast_repo == Path("/elsewhere")


def test_an_empty_file_has_no_monitor(tmp_path: Path) -> None:
    (tmp_path / "monitors.toml").touch()
    with pytest.raises(UsageError) as caught:
        read_monitor(tmp_path / "monitors.toml", "m")
    assert caught.value.allowed == "none"


def test_the_only_monitor_need_not_be_named(tmp_path: Path) -> None:
    path = write(tmp_path)
    assert read_monitor(path, None).name == "m"
    assert (monitor_name(path, None), monitor_name(path, "other")) == ("m", "other")


def test_of_several_monitors_one_must_be_named(tmp_path: Path) -> None:
    path = write(tmp_path, rest='[other]\nfeature_service = "s"\n' + ENTITY.replace("[m.", "[other."))
    for read in (read_monitor, monitor_name):
        with pytest.raises(UsageError) as caught:
            read(path, None)
        assert "no monitor is named" in caught.value.received
        assert caught.value.allowed == "m, other"
        assert "--monitor" in caught.value.remedy


@pytest.mark.parametrize("name", ["../up", "a b", "a/b", "-a", "", "a.b"])
def test_a_name_that_is_no_file_name_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "monitors.toml"
    path.write_text(f'["{name}"]\nfeature_service = "s"\nentity = {{table = "t", key = "k", timestamp = "at"}}\n')
    assert "name: " in refusal(path)


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    refusal(tmp_path)


def test_a_threshold_is_replaced_for_one_run(tmp_path: Path) -> None:
    monitor = read_monitor(write(tmp_path, "threshold = 0.4"), "m")
    assert monitor.with_threshold(None) is monitor
    assert monitor.with_threshold(0.0).threshold == 0.0
    assert monitor.threshold == 0.4
    for wrong in (-0.1, 1.1, math.nan, math.inf):
        with pytest.raises(UsageError, match="not a share"):
            monitor.with_threshold(wrong)


@pytest.mark.parametrize(
    ("content", "said"),
    [("a=" + "[" * 5000, "nested too deep"), ("#" * 1_000_001, "1,000,000 bytes"), (None, "no regular file")],
    ids=["deep", "large", "a device"],
)
def test_a_file_that_takes_all_memory_is_refused(tmp_path: Path, content: str | None, said: str) -> None:
    path = tmp_path / "monitors.toml"
    path.symlink_to("/dev/zero") if content is None else path.write_text(content)
    with pytest.raises(ConfigurationError, match=said):
        read_monitors(path)
