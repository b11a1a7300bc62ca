"""The three figures of a record: the model, the features, the label, in every state that a record can have."""

import re
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from driftgate.decision import PERFORMANCE_KEY
from driftgate.performance.result import Change
from driftgate.reports.figures import features_needed, figures
from driftgate.store.record import RunRecord
from driftgate.store.record_parts import GroupRecord
from tests.reports.records import RECORDS
from tests.reports.runs import ESTIMATED, NO_TARGET, PENDING, PENDING_TARGET, column, finished, measured


def record(*columns: object, **more: object) -> RunRecord:
    return RunRecord.of(finished(*columns, **more))  # type: ignore[arg-type]


@settings(max_examples=30)
@given(RECORDS)
def test_there_are_always_three_with_words_for_people(found: RunRecord) -> None:
    three = figures(found)
    assert [item.signal for item in three] == [PERFORMANCE_KEY, "drift_share", "target_drift"]
    for item in three:
        assert item.title and item.now and item.text
        assert "nan" not in f"{item.now} {item.then}".split()


@settings(max_examples=30)
@given(RECORDS)
def test_the_features_needed_are_the_fewest_that_reach_the_threshold(found: RunRecord) -> None:
    needed, declared = features_needed(found), found.declared_features
    assert needed / declared >= found.threshold - 1e-6
    assert needed == 0 or (needed - 1) / declared < found.threshold


def test_a_model_that_was_not_measured_is_said_to_be_so_and_why() -> None:
    off, *_ = figures(record(column("a", 0.5)))
    assert (off.now, off.then, off.reached) == ("off", "", False)
    pending, *_ = figures(record(column("a", 0.5), performance=PENDING))
    assert pending.now == "pending" and PENDING.reason in pending.text


def test_a_drop_beyond_its_threshold_is_reached_and_has_its_interval() -> None:
    calm, *_ = figures(record(performance=measured(0.8, 0.7)))
    assert "with 95% certainty between" in calm.text and calm.now == "AUC 0.70"


def test_a_model_that_is_estimated_is_called_so_and_is_never_beyond_its_threshold() -> None:
    found, *_ = figures(RunRecord.of(finished(performance=ESTIMATED, target=PENDING_TARGET)))
    assert (found.title, found.now, found.then, found.reached) == (
        "How good is the model, by an estimate?",
        "AUC ≈ 0.80",
        "0.82",
        False,
    )
    assert "between 0.77 and 0.83" in found.text and "which an estimate cannot see" in found.text
    assert "43% of the month has a label now" in found.text


def test_the_list_of_the_highest_scores_is_in_words() -> None:
    recall = Change(0.61, 0.24, -0.43, -0.31, 0.001)
    fallen = replace(measured(0.8, 0.5), measures=measured(0.8, 0.5).measures | {"top_tenth_recall": recall})
    found, *_ = figures(RunRecord.of(finished(performance=fallen)))
    assert "The tenth with the highest scores holds 24% of all with churn_label, 61% before." in found.text
    assert "at best" not in found.text
    rated = replace(fallen, measures=fallen.measures | {"positive_rate": Change(0.2, 0.4, 0.18, 0.22, 0.001)})
    found, *_ = figures(RunRecord.of(finished(performance=rated)))
    # A tenth of all is half of a fifth, and a quarter of two fifths: 0.61 is more than can be, 0.24 nearly all.
    assert (
        "holds 24% of all with churn_label (at best 25%), 61% before (at best 50%); 96% in it have churn_label, 100% "
        "before." in found.text
    )


def test_a_label_that_cannot_be_compared_has_its_reason() -> None:
    *_, label = figures(record(column("a", 0.5), target=NO_TARGET))
    assert (label.now, label.reached) == ("not known", False) and NO_TARGET.reason in label.text


@given(st.floats(0.5, 0.9), st.floats(0.001, 0.2), st.sampled_from([1e-2, 1e-4, 1e-8]))
def test_a_fall_beside_its_threshold_reads_as_it_compares(cur: float, drop: float, distance: float) -> None:
    """Never "the fall is 0.05, and retraining is due above 0.05" of a fall that is greater."""
    performance = measured(cur + drop, cur)
    made = RunRecord.of(finished(performance=performance, performance_drop=max(1e-9, drop - distance)))
    words = r"fall since its validation is ([-.0-9]+?), .* above ([-.0-9]+)\. AUC"
    fall, threshold = map(float, re.findall(words, figures(made)[0].text)[0])
    assert made.performance is not None and made.performance.drop is not None
    assert (fall > threshold) == (made.performance.drop > made.performance.threshold)


def test_the_promise_of_few_false_alarms_is_of_groups_where_entities_depend_on_each_other() -> None:
    made = record(column("a", 0.5))
    grouped = made.model_copy(
        update={"inputs": made.inputs.model_copy(update={"group": GroupRecord(column="day", ref=31, cur=29)})}
    )
    assert "if its rows do not depend on each other" in figures(made)[1].text
    assert "if its groups do not depend on each other" in figures(grouped)[1].text
