"""Records with any values that a record may hold, for tests that hold for all of them."""

from datetime import UTC, date

from hypothesis import strategies as st

from driftgate.decision import HeldBack
from driftgate.performance.result import FeatureAuc, PerformanceState
from driftgate.store.record import RunRecord
from tests.reports.runs import column, finished, lost

_CONTENT = RunRecord.of(finished(column("a", 0.5), column("b_c", 0.01), lost("gone"))).content
_CHANGES = st.fixed_dictionaries({name: st.floats(-1, 1) for name in ("ref", "cur", "low", "high", "difference")})
_RELATIONS = st.builds(FeatureAuc, st.text(max_size=5), st.floats(0, 1), st.floats(0, 1)).map(
    lambda item: {"name": item.name, "ref": item.ref, "cur": item.cur, "lost": item.lost}
)
_PERFORMANCES = st.fixed_dictionaries(
    {
        "trained_on": st.none() | st.just("2024-01-31"),
        "users_ref": st.just(0),
        "users_cur": st.just(0),
        "relations": st.lists(_RELATIONS, max_size=9),
        "state": st.sampled_from(list(PerformanceState)),
        "reason": st.text(max_size=9),
        "champion": st.none() | st.text(max_size=3),
        "threshold": st.floats(0, 1),
        "measures": st.fixed_dictionaries({"auc": _CHANGES}),
    }
)
_SIGNALS = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.sampled_from(["auc_drop", "drift_share", "target_drift"]),
            "key": st.just("threshold"),
            "value": st.none() | st.floats(0, 1),
            "threshold": st.floats(0, 1),
            "reached": st.booleans(),
            "text": st.text(max_size=9),
        }
    ),
    max_size=3,
)
_COLUMNS = st.lists(
    st.builds(
        lambda each, change: each | change,
        st.sampled_from(_CONTENT["columns"]),
        st.fixed_dictionaries(
            {
                "name": st.text(max_size=5),
                "score": st.none() | st.floats(0, 1e9),
                "threshold": st.none() | st.floats(0, 2),
                "drifted": st.booleans(),
                "missing_share_ref": st.none() | st.floats(0, 1),
            }
        ),
    ),
    max_size=4,
)
_CHANGED = st.fixed_dictionaries(
    {
        "monitor": st.sampled_from(["churn", "<i>"]) | st.text(min_size=1, max_size=8),
        "decided_at": st.datetimes(timezones=st.sampled_from([UTC, None])),
        "verdict": st.sampled_from(["NO_ACTION", "RETRAINING_TRIGGERED", "RETRAINING_TRIGGERED (SIMULATED)"]),
        "reasons": st.lists(st.text(max_size=20), max_size=3),
        "drift_share": st.floats(0, 1),
        "threshold": st.floats(0, 1),
        "drifted_features": st.integers(0, 99),
        "declared_features": st.integers(1, 99),
        "retrain": st.sampled_from(["simulated", "off", "deployment", "<s>"]),
        "signals": _SIGNALS,
        "columns": _COLUMNS,
        "target": st.builds(
            lambda change: _CONTENT["target"] | change,
            st.fixed_dictionaries(
                {
                    "abs_diff": st.none() | st.floats(0, 1),
                    "cur": st.none() | st.floats(-9, 9),
                    "threshold": st.none() | st.floats(0, 1),
                    "reason": st.text(max_size=9),
                    "pending": st.booleans(),
                }
            ),
        ),
        "held_back": st.sampled_from(["", "<u>"]),
        "held_back_code": st.none() | st.sampled_from(list(HeldBack)),
        "performance": st.none() | _PERFORMANCES,
        "inputs": st.builds(
            lambda ref, cur: _CONTENT["inputs"] | {"as_of_ref": ref, "as_of_cur": cur},
            st.dates(date(2020, 1, 1), date(2024, 1, 1)),
            st.dates(date(2024, 1, 2), date(2030, 1, 1)),
        ),
    }
)
RECORDS = _CHANGED.map(lambda changes: RunRecord.model_validate(_CONTENT | changes))
"""Any record that can be read."""
