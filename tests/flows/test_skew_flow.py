"""What is served held against what is learnt, on a real online store, a real log and a real Prefect server."""

import json
import struct
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen
from uuid import uuid4

import pytest
from sqlalchemy import text

from driftgate.database import create_tables
from driftgate.errors import DataError
from driftgate.features.files import read_file
from driftgate.features.online import materialize_month
from driftgate.features.skew import Mismatch, Skew, SkewState, SkewVerdict, SourceSkew
from driftgate.features.types import FeatureRequest
from driftgate.monitors import read_monitor
from driftgate.predictions.log import Prediction, save_predictions
from driftgate.predictions.skew import check_skew
from driftgate.run import Run
from driftgate.store.history import past_record
from driftgate.store.record import RunRecord
from flows.runtime.environment import feature_worker
from tests.conftest import FEATURE_REPO
from tests.services.daemons import pushgateway
from tests.workplace import Workplace

FIRST, SECOND, THIRD = date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 31)
USAGE = "streamflow_usage_agg_30d_fv"
FEATURE = "watch_hours_30d"


class Store:
    """The month that is served, and what can be done to it."""

    def __init__(self, workplace: Workplace, folder: Path) -> None:
        self.workplace, self.folder = workplace, folder
        self.monitor = read_monitor(Path(workplace.environment["DRIFTGATE_MONITORS"]), None)
        self.worker = feature_worker(workplace.parameters)

    def serve(self, day: date) -> None:
        materialize_month(self.worker, self.workplace.engine, self.monitor, FEATURE_REPO, day)

    def check(self, as_of: date | None = None) -> Skew:
        return check_skew(self.worker, self.workplace.engine, self.monitor, FEATURE_REPO, self.folder, as_of)

    def change(self, statement: str, **values: Any) -> None:
        with self.workplace.engine.begin() as connection:
            connection.execute(text(statement), values)

    def learnt(self, *keys: str) -> list[dict[str, Any]]:
        """Features of keys by the offline join."""
        size = self.worker.measure_month(FEATURE_REPO, self.monitor, THIRD)
        month = self.worker.read_month(FeatureRequest(FEATURE_REPO, self.monitor, size, None, self.folder / "all"))
        rows = {row.pop("user_id"): row for row in read_file(month.path).to_pylist()}
        return [rows[key] for key in keys]


@pytest.fixture(scope="module")
def store(workplace: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(workplace, tmp_path_factory.mktemp("skew"))


@pytest.fixture
def served(store: Store) -> Store:
    """The newest month is served as it should be."""
    store.serve(THIRD)
    return store


def by_name(skew: Skew) -> tuple[SourceSkew, SourceSkew]:
    online, log = skew.sources
    return online, log


def test_before_a_month_is_served_there_is_nothing_to_compare(store: Store) -> None:
    with pytest.raises(DataError, match="driftgate materialize"):
        store.check()


def test_what_was_materialized_does_not_differ_and_another_month_is_refused(served: Store) -> None:
    skew = served.check()
    online, log = by_name(skew)
    assert skew.as_of == THIRD and skew.verdict is SkewVerdict.NO_SKEW
    assert (online.compared, online.differing, online.mismatches) == (skew.entities, 0, ())
    assert log.share is None
    with pytest.raises(DataError, match=r"2024-01-31 cannot be compared: the online store holds 2024-03-31"):
        served.check(FIRST)


def test_an_older_month_that_is_served_is_compared_with_itself(served: Store) -> None:
    served.serve(FIRST)
    assert served.check() == served.check(FIRST)
    assert served.check().verdict is SkewVerdict.NO_SKEW


def two_users(store: Store) -> tuple[str, str]:
    """Two users whose watch hours differ."""
    with store.workplace.engine.connect() as connection:
        query = f"SELECT user_id, {FEATURE} FROM usage_agg_30d_snapshots WHERE as_of = :day AND {FEATURE} IS NOT NULL"
        rows = connection.execute(text(f"{query} ORDER BY user_id"), {"day": THIRD}).all()
    first = rows[0]
    other = next(row for row in rows if row[1] != first[1])
    return first.user_id, other.user_id


def swap(store: Store, one: str, other: str) -> None:
    """Two users get each other's value in the online store; the distribution stays as it is."""
    # A stored key contains the user's id.
    ours = (
        "(position(:one in {0}.entity_key) > 0 OR position(:other in {0}.entity_key) > 0) AND {0}.feature_name = :name"
    )
    store.change(
        f"UPDATE {USAGE} a SET value = b.value FROM {USAGE} b "
        f"WHERE {ours.format('a')} AND {ours.format('b')} AND a.entity_key <> b.entity_key",
        name=FEATURE,
        one=one.encode(),
        other=other.encode(),
    )


def test_values_swapped_between_two_users_are_found(served: Store) -> None:
    users = one, other = two_users(served)
    swap(served, one, other)
    skew = served.check()
    online, _ = by_name(skew)
    assert online.mismatches == (Mismatch(FEATURE, 2, tuple(sorted(users))),)
    assert (online.differing, online.incomplete, skew.verdict) == (2, 0, SkewVerdict.SKEW)


def test_a_view_of_the_month_before_is_found(served: Store) -> None:
    """Its values were written a month ago, and the table of months says so."""
    served.serve(SECOND)
    with served.workplace.engine.begin() as connection:
        connection.execute(text(f"CREATE TABLE old AS SELECT * FROM {USAGE}"))
    served.serve(THIRD)
    served.change(f"DELETE FROM {USAGE}")
    served.change(f"INSERT INTO {USAGE} SELECT * FROM old")
    served.change("UPDATE online_views SET as_of = :day WHERE view = 'usage_agg_30d_fv'", day=SECOND)
    served.change("DROP TABLE old")
    skew = served.check()
    online, _ = by_name(skew)
    assert skew.as_of == THIRD and skew.verdict is SkewVerdict.SKEW
    assert online.surplus > 0, "some users left since"
    assert online.incomplete + online.surplus == online.compared == online.differing
    names = {item.feature for item in online.mismatches}
    assert FEATURE in names and not names & {"contract", "monthly_fee", "failed_payments_90d", "tickets_90d"}


def rounded(stored: bytes) -> bytes:
    (value,) = struct.unpack("<d", stored[1:])
    return stored[:1] + struct.pack("<d", *struct.unpack("<f", struct.pack("<f", value)))


def test_values_that_were_rounded_are_found(served: Store) -> None:
    """Feast keeps a FLOAT64 as a tag and eight bytes; here they are those of the value as a FLOAT32."""
    with served.workplace.engine.begin() as connection:
        query = f"SELECT entity_key, value FROM {USAGE} WHERE feature_name = :name AND length(value) = 9"
        rows = connection.execute(text(query), {"name": FEATURE}).all()
        connection.execute(
            text(f"UPDATE {USAGE} SET value = :value WHERE feature_name = :name AND entity_key = :key"),
            [{"value": rounded(bytes(row.value)), "name": FEATURE, "key": bytes(row.entity_key)} for row in rows],
        )
    (mismatch,) = by_name(served.check())[0].mismatches
    assert mismatch.feature == FEATURE and mismatch.entities > 1000 and len(mismatch.examples) == 5


def logged(store: Store, key: str, features: dict[str, Any], **changed: Any) -> Prediction:
    written = datetime.now(UTC) + timedelta(minutes=2)
    given = {"time": written, "source": "api", "as_of": THIRD, "prediction": 1, "probability": 0.9, **changed}
    return Prediction(uuid4(), entity_key=key, model_version="1", features=features, **given)


def test_the_log_is_compared_with_what_is_learnt(served: Store) -> None:
    engine = served.workplace.engine
    create_tables(engine)
    one, other = two_users(served)
    right, of_other = served.learnt(one, other)
    before = datetime(2024, 4, 1, tzinfo=UTC)
    save_predictions(engine, [logged(served, one, right), logged(served, other, of_other)])
    # None of these counts: of a key that is nobody's, of another month, from before the month was written, of a
    # feature service that lacks a feature.
    save_predictions(
        engine,
        [
            logged(served, "nobody", right),
            logged(served, one, of_other, as_of=SECOND),
            logged(served, one, of_other, time=before),
            logged(served, one, {FEATURE: 1.0}, time=datetime.now(UTC) + timedelta(minutes=9)),
        ],
    )
    _, log = by_name(served.check())
    assert (log.compared, log.differing) == (2, 0)

    later = datetime.now(UTC) + timedelta(minutes=5)
    save_predictions(engine, [logged(served, one, right | {FEATURE: of_other[FEATURE]}, time=later)])
    skew = served.check()
    online, log = by_name(skew)
    assert online.differing == 0 and log.mismatches == (Mismatch(FEATURE, 1, (one,)),)
    assert log.share == 0.5 and skew.verdict is SkewVerdict.SKEW


def test_the_flow_and_the_command_tell_what_they_found(
    served: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from flows.cli.app import app
    from flows.skew_flow import check_skew as flow

    served.change("DELETE FROM predictions")
    served.change(f"DELETE FROM {USAGE} WHERE entity_key = (SELECT min(entity_key) FROM {USAGE})")
    with pushgateway(tmp_path) as url:
        monkeypatch.setenv("PUSHGATEWAY_URL", url)
        app(args=["skew", "--json"], standalone_mode=False)
        with urlopen(f"{url}/metrics") as answer:
            pushed = answer.read().decode()
    document = json.loads(capsys.readouterr().out)
    assert document["verdict"] == "SKEW" and document["sources"][0]["incomplete"] == 1
    (line,) = [item for item in pushed.splitlines() if item.startswith("driftgate_skew_share{")]
    assert 'flow="check_skew"' in line and 'source="online"' in line and float(line.rpartition(" ")[2]) == 1 / 2000

    served.serve(THIRD)
    monkeypatch.delenv("PUSHGATEWAY_URL")
    skew = flow()
    app(args=["skew", "2024-03-31"], standalone_mode=False)
    line = "[Skew] as_of=2024-03-31 online=0.0000 (of 2,000) log=none (of 0) threshold=0 -> NO_SKEW"
    assert capsys.readouterr().out == f"{line}\n"
    run = served.workplace.flow_run("skew churn: month served")
    assert run["state_type"] == "COMPLETED" and skew.entities == 2000
    (page,) = served.workplace.ask("artifacts/filter", artifacts={"flow_run_id": {"any_": [run["id"]]}})
    assert page["data"].startswith("# The features served are those learnt") and page["description"] == line


def test_a_verdict_shows_the_last_check_of_its_month_and_decides_the_same(served: Store) -> None:
    from driftgate.planning import Reports
    from flows.monitor import monitor_month
    from flows.skew_flow import check_skew as flow

    def judged() -> tuple[Run, RunRecord, str]:
        run = monitor_month(notify=False, reports=Reports.NONE)
        record = RunRecord.model_validate_json(run.paths.record.read_bytes())
        assert past_record(served.workplace.engine, "churn", run.drift.as_of_cur, None) == record
        return run, record, run.paths.page.read_text(encoding="utf-8")

    served.change("DELETE FROM skew_checks")
    _, before, page = judged()
    assert before.skew is not None and (before.skew.state, before.skew.share) == (SkewState.NOT_CHECKED, None)
    assert "Served features: not checked." in page

    users = two_users(served)
    swap(served, *users)
    flow()
    run, swapped, page = judged()
    assert swapped.skew is not None and run.skew is not None and swapped.skew.checked_at == run.skew.checked_at
    found = swapped.skew
    assert (found.state, found.threshold, found.share) == (SkewState.MISMATCHES, 0.0, 0.001)
    assert found.features == {FEATURE: 2}
    assert "Served features: mismatches. 2 of 2,000 entities differ in the online store" in page
    assert f"Features that differ: {FEATURE} (2)." in page and not any(user in page for user in users)
    of_run = {"decided_at", "skew"}
    assert before.model_dump(exclude=of_run) == swapped.model_dump(exclude=of_run)
