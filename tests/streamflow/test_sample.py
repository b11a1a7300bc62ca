"""The sample months: what they look like, what they promise about drift, and how they are written."""

import hashlib
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import wasserstein_distance

from driftgate.errors import OutputError, UsageError
from driftgate.snapshots.dates import month_end
from streamflow import sample, sample_model, sample_regimes
from streamflow.sample import user_ids, write_sample_months
from streamflow.source_tables import SOURCE_TABLES

HEADERS = {
    "users": "user_id signup_date user_gender user_is_senior has_family has_dependents",
    "subscriptions": "user_id months_active plan_stream_tv plan_stream_movies contract_type paperless_billing "
    "monthly_fee total_paid net_service",
    "usage_agg_30d": "user_id watch_hours_30d avg_session_mins_7d unique_devices_30d skips_7d rebuffer_events_7d",
    "payments_agg_90d": "user_id failed_payments_90d",
    "support_agg_90d": "user_id support_tickets_90d ticket_avg_resolution_hrs_90d",
    "labels": "user_id churn_label",
}
FEATURES = [
    "months_active",
    "monthly_fee",
    "paperless_billing",
    "plan_stream_tv",
    "plan_stream_movies",
    "net_service",
    "watch_hours_30d",
    "avg_session_mins_7d",
    "unique_devices_30d",
    "skips_7d",
    "rebuffer_events_7d",
    "failed_payments_90d",
    "support_tickets_90d",
    "ticket_avg_resolution_hrs_90d",
]
PLANS = ["plan_stream_tv", "plan_stream_movies"]
SUBSCRIBERS = 7043


def read_month(folder: Path) -> pd.DataFrame:
    """All six files of a month joined on user_id; blanks are missing, the rest of a plan column is text."""
    frames = [pd.read_csv(folder / f"{name}.csv", dtype=dict.fromkeys(PLANS, object)) for name in HEADERS]
    month = frames[0]
    for frame in frames[1:]:
        month = month.merge(frame, on="user_id", how="outer", validate="1:1")
    return month


def drift_score(reference: pd.Series, current: pd.Series) -> float:
    """Drift as Evidently scores it by default for more than 1,000 rows; 0.1 and more is drift."""
    reference, current = reference.dropna(), current.dropna()
    if reference.dtype.kind in "if" and reference.nunique() > 5:
        return float(wasserstein_distance(reference, current)) / max(reference.std(), 0.001)
    values = sorted(set(reference) | set(current), key=str)
    shares = [side.value_counts(normalize=True).reindex(values, fill_value=0) for side in (reference, current)]
    return float(jensenshannon(*shares))


def drifted(reference: pd.DataFrame, current: pd.DataFrame) -> list[str]:
    return [name for name in FEATURES if drift_score(reference[name], current[name]) >= 0.1]


def digests(out: Path) -> dict[str, str]:
    return {str(p.relative_to(out)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(out.rglob("*.csv"))}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return [month.folder for month in write_sample_months(tmp_path_factory.mktemp("months"), users=SUBSCRIBERS)]


@pytest.fixture(scope="module")
def months(folders: list[Path]) -> list[pd.DataFrame]:
    return [read_month(folder) for folder in folders]


def test_headers_are_those_of_the_source_layout(folders: list[Path]) -> None:
    for folder in folders:
        files = {path.stem: path.read_text().splitlines()[0] for path in folder.iterdir()}
        assert files == {name: header.replace(" ", ",") for name, header in HEADERS.items()}


def test_headers_match_the_declared_tables() -> None:
    declared = {t.name: " ".join(c.name for c in t.columns if not c.optional) for t in SOURCE_TABLES.tables}
    assert declared == HEADERS


def test_every_file_holds_every_user_once(folders: list[Path]) -> None:
    for folder in folders:
        users = pd.read_csv(folder / "users.csv")["user_id"]
        assert len(users) == users.nunique() == SUBSCRIBERS
        assert users.str.fullmatch(r"\d{4}-[A-Z]{5}").all()
        for name in HEADERS:
            assert pd.read_csv(folder / f"{name}.csv")["user_id"].tolist() == users.tolist()


def test_plans_are_blank_exactly_without_internet(months: list[pd.DataFrame]) -> None:
    for month in months:
        offline = month["net_service"] == "No"
        assert 0.19 < offline.mean() < 0.25
        for name in PLANS:
            assert month[name].isna().equals(offline)
            assert set(month[name].dropna()) == {"True", "False"}


def test_columns_keep_their_ranges(months: list[pd.DataFrame]) -> None:
    for month in months:
        assert month["months_active"].between(0, 72).all()
        assert month["monthly_fee"].between(18, 131).all()
        assert month["avg_session_mins_7d"].unique().tolist() == [29.141045]
        assert set(month["unique_devices_30d"]) == {1, 2, 3}
        assert set(month["failed_payments_90d"]) <= {0, 1, 2}
        assert (month["watch_hours_30d"] >= 0).all()
        assert (month["ticket_avg_resolution_hrs_90d"] >= 1).all()
        assert set(month["net_service"]) == {"DSL", "Fiber optic", "No"}
        assert set(month["contract_type"]) == {"Month-to-month", "One year", "Two year"}
        assert not month.drop(columns=PLANS).isna().any(axis=None)
        for name in ("user_is_senior", "has_family", "has_dependents", "paperless_billing", "churn_label"):
            assert month[name].dtype == bool


def test_the_first_month_has_the_shape_of_a_real_one(months: list[pd.DataFrame]) -> None:
    first = months[0]
    assert first["monthly_fee"].between(18, 119).all()
    assert first["months_active"].skew() > 0.1
    assert (first["months_active"] < 6).mean() > 0.15
    assert (first["months_active"] >= 66).mean() > 0.10
    assert first["watch_hours_30d"].mean() == pytest.approx(29.6, abs=0.3)
    assert first["watch_hours_30d"].std() == pytest.approx(6.75, abs=0.2)
    assert (first["failed_payments_90d"] == 0).mean() == pytest.approx(0.847, abs=0.02)
    paid = first["months_active"] * first["monthly_fee"]
    assert first["total_paid"].corr(paid) > 0.99
    assert (first.loc[first["months_active"] == 0, "total_paid"] == 0).all()


def test_a_hundredth_of_the_users_changes_each_month(months: list[pd.DataFrame]) -> None:
    for before, after in pairwise(months):
        joined = after[~after["user_id"].isin(before["user_id"])]
        assert len(joined) == round(SUBSCRIBERS * 0.01)
        assert set(joined["months_active"]) == {0, 1}
        left = before[~before["user_id"].isin(after["user_id"])]
        assert left["churn_label"].all()
        both = before.merge(after, on="user_id", suffixes=("", "_after"))
        assert (both["months_active_after"] == np.minimum(both["months_active"] + 1, 72)).all()
        assert (both["total_paid_after"] > both["total_paid"]).all()
        assert both["net_service"].equals(both["net_service_after"])


@pytest.mark.parametrize(("users", "seed"), [(2_000, 0), (2_000, 7), (2_000, 13), (2_000, 20), (20_000, 5)])
def test_drift_promises(tmp_path: Path, users: int, seed: int) -> None:
    first, second, third, *later = [read_month(m.folder) for m in write_sample_months(tmp_path, 4, users, seed)]
    assert first["churn_label"].mean() == pytest.approx(0.265, abs=0.001)
    assert second["churn_label"].mean() == pytest.approx(0.24, abs=0.001)
    assert third["churn_label"].mean() == pytest.approx(0.40, abs=0.001)
    assert 1 <= len(drifted(first, second)) <= 2
    assert len(drifted(second, third)) >= 6
    for before, after in pairwise([third, *later]):
        assert drifted(before, after) == []
        assert abs(after["churn_label"].mean() - before["churn_label"].mean()) < 0.02


def test_the_relation_holds_in_the_second_month_and_breaks_in_the_third(months: list[pd.DataFrame]) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def inputs(month: pd.DataFrame) -> pd.DataFrame:
        return pd.get_dummies(month[FEATURES], dtype=float)

    def is_held_out(month: pd.DataFrame) -> pd.Series:
        return month["user_id"].str[3].isin(list("012"))

    first = months[0][~is_held_out(months[0])]
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(inputs(first), first["churn_label"])
    held_out = [month[is_held_out(month)] for month in months]
    auc = [roc_auc_score(month["churn_label"], model.predict_proba(inputs(month))[:, 1]) for month in held_out]
    assert auc[0] > 0.78
    assert auc[1] > auc[0] - 0.04
    assert auc[2] < 0.6


def test_same_seed_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        write_sample_months(tmp_path / name, users=500, seed=seed)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    assert not set(digests(tmp_path / "a").values()) & set(digests(tmp_path / "c").values())


def test_more_months_leave_the_earlier_ones_as_they_were(tmp_path: Path) -> None:
    write_sample_months(tmp_path / "two", months=2, users=300)
    write_sample_months(tmp_path / "four", months=4, users=300)
    assert digests(tmp_path / "two").items() <= digests(tmp_path / "four").items()


def test_bytes_are_those_of_every_platform(tmp_path: Path) -> None:
    """A change of this digest changes everybody's sample: correct it only when that is meant."""
    write_sample_months(tmp_path, users=1000, seed=11)
    joint = hashlib.sha256("".join(digests(tmp_path).values()).encode()).hexdigest()
    assert joint[:16] == "c54ad65bbd12975c"


@pytest.mark.parametrize("users", [1, 2, 50])
def test_tiny_months_are_valid(tmp_path: Path, users: int) -> None:
    for month in write_sample_months(tmp_path, months=4, users=users, seed=5):
        frame = read_month(month.folder)
        assert len(frame) == users
        assert not frame.drop(columns=PLANS).isna().any(axis=None)


def test_months_are_named_dated_and_reported(tmp_path: Path) -> None:
    lines: list[str] = []
    written = write_sample_months(tmp_path / "new" / "deep", months=2, users=1200, progress=lines.append)
    assert [(month.folder.name, month.as_of) for month in written] == [
        ("month_000", date(2024, 1, 31)),
        ("month_001", date(2024, 2, 29)),
    ]
    assert lines == ["month_000: 1,200 users as of 2024-01-31", "month_001: 1,200 users as of 2024-02-29"]
    for month in written:
        signup = pd.read_csv(month.folder / "users.csv", parse_dates=["signup_date"])["signup_date"]
        assert signup.max() <= pd.Timestamp(month.as_of)


def test_the_last_months_that_are_allowed_have_an_end() -> None:
    assert month_end(sample.MAX_MONTHS - 1) == date(2107, 3, 31)


@pytest.mark.parametrize("seed", range(5))
def test_identifiers_are_distinct_up_to_the_largest_sample(seed: int) -> None:
    largest = sample.MAX_USERS * (1 + sample_model.TURNOVER_SHARE * sample.MAX_MONTHS)
    numbers = np.concatenate([np.arange(50_000), np.arange(50_000) + int(largest) - 50_000])
    ids = user_ids(numbers, seed).to_pandas()
    assert ids.is_unique
    assert ids.str.fullmatch(r"\d{4}-[A-Z]{5}").all()


def test_shares_and_means_of_a_regime_are_sound() -> None:
    for month in range(5):
        regime = sample_regimes.regime_of(month)
        assert sum(regime.device_shares) == pytest.approx(1)
        assert sum(regime.failed_payment_shares) == pytest.approx(1)
        assert 0 < regime.churn_rate < 1


def test_a_stale_folder_is_replaced_and_others_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "month_000").mkdir()
    (tmp_path / "month_000" / "stale.csv").write_text("old")
    (tmp_path / "mine.txt").write_text("keep")
    write_sample_months(tmp_path, months=1, users=20)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.txt", "month_000"]
    assert {path.stem for path in (tmp_path / "month_000").iterdir()} == set(HEADERS)


@pytest.fixture
def broken_second_month(monkeypatch: pytest.MonkeyPatch) -> None:
    """Writing fails in the second month, with some of its files written."""
    whole, calls = sample._write_tables, iter(range(9))

    def fail(folder: Path, *arguments: object) -> None:
        whole(folder, *arguments)
        if next(calls) == 1:
            (folder / "labels.csv").unlink()
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(sample, "_write_tables", fail)


@pytest.mark.usefixtures("broken_second_month")
def test_a_failed_month_leaves_nothing_and_the_earlier_ones_stand(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="No space left on device"):
        write_sample_months(tmp_path, users=20)
    assert [path.name for path in tmp_path.iterdir()] == ["month_000"]
    assert {path.stem for path in (tmp_path / "month_000").iterdir()} == set(HEADERS)


@pytest.mark.usefixtures("broken_second_month")
def test_a_failed_month_leaves_the_old_folder(tmp_path: Path) -> None:
    (tmp_path / "month_001").mkdir()
    (tmp_path / "month_001" / "old.csv").write_text("old")
    with pytest.raises(OutputError):
        write_sample_months(tmp_path, users=20)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["month_000", "month_001"]
    assert [path.name for path in (tmp_path / "month_001").iterdir()] == ["old.csv"]


def test_the_old_folder_returns_when_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "month_000").mkdir()
    (tmp_path / "month_000" / "old.csv").write_text("old")
    rename = Path.rename

    def refuse(path: Path, target: Path) -> Path:
        if path.name.endswith(".part"):
            raise PermissionError(13, "Permission denied")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OutputError, match="Permission denied"):
        write_sample_months(tmp_path, months=1, users=20)
    assert [path.name for path in tmp_path.rglob("*")] == ["month_000", "old.csv"]


def test_out_may_not_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError) as caught:
        write_sample_months(tmp_path / "out", users=20)
    assert "cannot write" in caught.value.received
    assert caught.value.remedy
    assert (tmp_path / "out").read_text() == "a file"


def test_a_file_in_the_place_of_a_month_is_kept(tmp_path: Path) -> None:
    (tmp_path / "month_000").write_text("a file")
    with pytest.raises(OutputError):
        write_sample_months(tmp_path, users=20)
    assert [path.name for path in tmp_path.iterdir()] == ["month_000"]


@pytest.mark.parametrize(
    "arguments", [{"users": 0}, {"months": 0}, {"seed": -1}, {"users": 10_000_001}, {"months": 1000}]
)
def test_numbers_out_of_range_are_refused(tmp_path: Path, arguments: dict[str, int]) -> None:
    with pytest.raises(UsageError) as caught:
        write_sample_months(tmp_path / "out", **arguments)
    assert caught.value.allowed
    assert caught.value.remedy
    assert not (tmp_path / "out").exists()
