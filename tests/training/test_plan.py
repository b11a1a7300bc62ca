"""What a model may read: features, and never the key, the time or the answer."""

from datetime import date
from pathlib import Path
from types import SimpleNamespace

from driftgate.features.entities import MonthSize
from driftgate.features.types import DeclaredFeature, FeatureMonth, Kind
from driftgate.monitors import Monitor
from driftgate.training.plan import MonthPlan

JAN = date(2024, 1, 31)


def test_a_service_that_declares_key_time_and_label_trains_on_none_of_them(tmp_path: Path) -> None:
    kinds = {"user_id": Kind.CATEGORICAL, "as_of": Kind.TIMESTAMP, "churned": Kind.CATEGORICAL, "fee": Kind.NUMERIC}
    declared = tuple(DeclaredFeature(name, "v", "STRING", kind) for name, kind in kinds.items())
    answered = FeatureMonth(JAN, tmp_path / "f.arrow", 10, declared, (), ())
    monitor = Monitor.model_validate(
        {
            "name": "m",
            "model": "churn_model",
            "feature_service": "s",
            "entity": {"table": "t", "key": "user_id", "timestamp": "as_of"},
            "label": {"table": "l", "column": "churned", "timestamp": "period"},
        }
    )
    plan = MonthPlan(monitor, "churn_model", tmp_path, MonthSize(JAN, 10, 10), None)
    # The feature process would answer the same for a repository that declares these.
    worker = SimpleNamespace(read_month=lambda request: answered)
    month = plan.read_features(worker, tmp_path / "f.arrow")  # type: ignore[arg-type]
    assert [item.name for item in month.declared] == ["fee"]
