"""Past runs as lines on a terminal."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, text

from driftgate.database import create_tables
from driftgate.decision import History, PastDecision, Policy, decide
from driftgate.performance.findings import Causes
from driftgate.performance.interval import Interval
from driftgate.performance.result import Change, FeatureAuc, Gain, Performance, PerformanceState, not_measured
from driftgate.reports.terminal import run_lines, runs_table
from driftgate.run import Run
from driftgate.store.history import earlier_runs, past_record, past_runs
from driftgate.store.record import RunRecord
from driftgate.store.tables import save_run
from tests.database.earlier import forget_revision
from tests.reports.runs import (
    COSTS,
    ESTIMATED,
    FEBRUARY,
    JANUARY,
    MARCH,
    PENDING,
    PENDING_TARGET,
    PERMUTED,
    SEGMENTS,
    checked,
    column,
    finished,
    lost,
    measured,
)


def performed(version: str | None = "1", relations: tuple[FeatureAuc, ...] = ()) -> Performance:
    return Performance(
        PerformanceState.MEASURED,
        version=version,
        trained_on=JANUARY,
        users_ref=400,
        users_cur=1612,
        measures={"log_loss": Change(0.4, 0.7, 0.28, 0.32, 0.001), "auc": Change(0.82, 0.5, -0.35, -0.29, 0.001)},
        relations=relations,
    )


def with_performance(run: Run, found: Performance, history: History | None = None) -> Run:
    decision = decide(run.drift, run.target, Policy(run.monitor.threshold), found, history)
    return replace(run, performance=found, decision=decision)


def test_runs_stand_in_columns() -> None:
    first_run = finished(performance=measured(0.8, 0.81), decided_at=datetime(2024, 4, 1, 12, 30, tzinfo=UTC))
    second_run = finished(months=(FEBRUARY, MARCH), target=PENDING_TARGET, performance=PENDING)
    head, first, second = runs_table([RunRecord.of(first_run), RunRecord.of(second_run)])
    at = {word: head.index(word) for word in ("current", "drift_share", "target_drift", "auc_drop", "verdict")}
    assert first[at["current"] :].startswith("2024-02-29  0.0714")
    assert first[at["target_drift"] :].startswith("0.0239") and first[at["auc_drop"] :].startswith("-0.0100")
    assert first[at["verdict"] :].startswith("NO_ACTION ") and first.endswith("  2024-04-01 12:30")
    assert second[at["target_drift"] :].startswith("- ") and second[at["auc_drop"] :].startswith("- ")
    assert second[at["verdict"] :].startswith("NO_ACTION, labels pending  2024-04-01 12:00")
    assert head.endswith("decided at (UTC)") and not any(line != line.rstrip() for line in (head, first, second))


def test_without_runs_there_is_the_head_alone() -> None:
    assert len(runs_table([])) == 1


def test_a_run_is_shown_with_the_threshold_of_its_model() -> None:
    with_one = replace(performed(), decision_threshold=0.27)
    lines = run_lines(RunRecord.of(with_performance(finished(), with_one)))
    assert any("champion v1, which predicts 1 from a probability of 0.27 on, trained on" in line for line in lines)
    assert not any("predicts 1" in line for line in run_lines(RunRecord.of(with_performance(finished(), performed()))))


def test_a_run_is_shown_with_where_its_model_is_worse() -> None:
    lines = run_lines(RunRecord.of(with_performance(finished(), replace(performed(), segments=SEGMENTS))))
    at = lines.index("the fall is greatest in these segments, of 39:")
    assert lines[at + 1].split()[:4] == ["segment", "entities", "then", "now"]
    assert lines[at + 2].startswith("  net_service = <Fiber>  570")
    assert lines[at + 2].split()[-7:] == ["41%", "0.81", "0.44", "0.3700", "[0.3000,", "0.4400]", "0.0500"]
    nowhere = replace(performed(), segments=replace(SEGMENTS, named=()))
    said = "the fall is in no segment surely greater than elsewhere, of 39"
    assert said in run_lines(RunRecord.of(with_performance(finished(), nowhere)))
    assert not any("segment" in line for line in run_lines(RunRecord.of(with_performance(finished(), performed()))))


def test_a_run_is_shown_with_what_the_change_of_each_feature_costs() -> None:
    causes = Causes(Interval(0.12, 0.08, 0.16), Interval(0.18, 0.1, 0.26), 900)
    found = "\n".join(
        run_lines(RunRecord.of(finished(performance=replace(measured(0.8, 0.5), causes=causes, feature_costs=COSTS))))
    )
    assert (
        "of the drop between the months, 0.12 [0.08, 0.16] is of other entities, 0.18 [0.10, 0.26] of what the "
        "features mean" in found
    )
    assert "if the features mean what they meant" in found and "f03      0.1210       [0.0800, 0.1600]" in found
    assert "13% of the values are of no entity of the reference" in found


def test_an_estimate_is_shown_as_one() -> None:
    found = run_lines(RunRecord.of(finished(performance=ESTIMATED, target=PENDING_TARGET)))
    assert any(line.startswith("An estimate before the labels come: AUC 0.80") for line in found)


def test_a_run_is_shown_with_what_is_known_of_served_features() -> None:
    for check, begin in ((None, "not checked."), (checked(), "agrees."), (checked(PERMUTED), "mismatches.")):
        lines = run_lines(RunRecord.of(replace(finished(), skew=check)))
        (line,) = [line for line in lines if line.startswith("Served features: ")]
        assert line.startswith(f"Served features: {begin}")


def test_a_run_is_shown_with_its_performance() -> None:
    relations = tuple(FeatureAuc(f"f{n}", 0.7, 0.5 + n / 100) for n in range(8))
    lines = run_lines(RunRecord.of(with_performance(finished(), performed(relations=relations))))
    assert lines[0] == "churn: 2024-02-29 against 2024-01-31, decided at 2024-04-01T12:00:00+00:00"
    assert lines[1:4] == [
        "RETRAINING_TRIGGERED (SIMULATED)",
        "  auc_drop=0.32 > 0.05 [0.29, 0.35]",
        "  drift_share=0.07 < 0.30",
    ]
    assert lines[4] == "it would be NO_ACTION with performance_drop above 0.3200 (now 0.05)"
    assert "performance of champion v1, trained on 2024-01-31, on 1,612 entities it has not seen:" in lines
    table = [line.split() for line in lines]
    assert ["auc", "0.8200", "0.5000", "-0.3200", "[-0.3500,", "-0.2900]"] in table
    assert table.index(["log_loss", "0.4000", "0.7000", "0.3000", "[0.2800,", "0.3200]"]) > table.index(
        ["auc", "0.8200", "0.5000", "-0.3200", "[-0.3500,", "-0.2900]"]
    )
    (relation_line,) = [line for line in lines if line.startswith("what single features say")]
    assert "f0 0.70 to 0.50" in relation_line and "f4" in relation_line and "f5" not in relation_line
    assert lines[-1] == "report: /reports/drift_2024-01-31_vs_2024-02-29.html"


def test_a_probe_and_a_performance_that_is_pending_are_shown() -> None:
    probe = run_lines(RunRecord.of(with_performance(finished(), performed(version=None))))
    assert "performance of a probe model, trained on 2024-01-31, on 1,612 entities it has not seen:" in probe
    waiting = not_measured(PerformanceState.PENDING, "pending, 43% labelled")
    assert "performance: pending, 43% labelled" in run_lines(RunRecord.of(with_performance(finished(), waiting)))
    off = run_lines(RunRecord.of(finished()))
    assert not [line for line in off if line.startswith("performance")]


def test_what_is_held_back_hangs_on_no_threshold() -> None:
    run = with_performance(finished(), performed(), History(champion_trained_on=date(2024, 2, 29)))
    lines = run_lines(RunRecord.of(run))
    assert lines[1:3] == ["NO_ACTION", "  held back: the champion was trained on 2024-02-29 and knows this shift"]
    assert "no threshold would flip it: a signal is there, and it is held back" in lines
    calm = run_lines(RunRecord.of(finished(column("f", 0.01))))
    assert "no threshold would flip it" in calm, "nothing drifts, so no bar above zero is reached"


@pytest.mark.parametrize(
    ("rules", "gain", "words"),
    [
        ({"own_past": False}, Gain(0.01, -0.07, 0.09, 700), "it would trigger with threshold of at most 0.0714"),
        (
            {"require_gain": True},
            Gain(0.01, -0.07, 0.09, 700),
            "held back by require_gain: the gain is 0.01 [-0.07, 0.09]",
        ),
        ({"require_gain": True}, Gain(0.1, 0.07, 0.13, 700), "it triggers unless a rule of the monitor holds it back"),
        ({"own_past": False, "cooldown_days": 30}, None, "it triggers unless a rule of the monitor holds it back"),
    ],
)
def test_what_would_flip_a_calm_month_says_which_rule_would_hold_it_back(
    rules: dict[str, Any], gain: Gain | None, words: str
) -> None:
    performance = measured(0.83, 0.83)
    found = finished(performance=replace(performance, gain=gain) if gain else performance, **rules)
    (flip,) = [line for line in run_lines(RunRecord.of(found)) if "threshold of at most 0.0714 (now 0.3)" in line]
    assert words in flip


def test_columns_are_shown_worst_first_with_what_could_not_be_compared() -> None:
    lines = run_lines(RunRecord.of(finished(column("calm"), column("wild", 0.9), lost("gone"))))
    names = [line.split()[0] for line in lines[lines.index(next(x for x in lines if x.startswith("feature"))) + 1 : -2]]
    assert names == ["gone", "wild", "calm"]
    gone = next(line for line in lines if line.startswith("gone"))
    assert "not comparable" in gone and "missing" in gone


def test_a_record_of_an_earlier_release_is_shown(database: Engine) -> None:
    """Without performance, signals and all that came with them; and the table lacks their columns."""
    create_tables(database)
    save_run(database, finished())
    new = ("performance", "prediction", "signals", "signalled", "held_back", "retrain", "pending")
    with database.begin() as connection:
        connection.execute(text("UPDATE monitor_runs SET record = record - CAST(:new AS text[])"), {"new": list(new)})
        for name in ("signalled", "held_back", "retrain", "performance_state", "auc_drop", "champion_version"):
            connection.execute(text(f"ALTER TABLE monitor_runs DROP COLUMN {name}"))
    forget_revision(database)
    (run,) = past_runs(database, "churn")
    assert run.performance is None and not run.pending
    assert runs_table([run])[1].split()[4] == "-", "no auc_drop"
    assert earlier_runs(database, "churn", MARCH)[0].signalled is False
    lines = run_lines(past_record(database, "churn", None, None))
    assert lines[1] == "NO_ACTION" and not [line for line in lines if line.startswith("performance")]


def test_a_run_that_followed_another_decision_says_so() -> None:
    past = PastDecision(datetime(2024, 3, 1, 9, tzinfo=UTC), "RETRAINING_TRIGGERED", "1", ("auc_drop",), True)
    later = replace(finished(history=History(champion_trained_on=JANUARY, champion="2")), earlier=(past,))
    head, alone, second = runs_table([RunRecord.of(finished()), RunRecord.of(later)])
    assert head.endswith("  so far") and alone.endswith("2024-04-01 12:00")
    assert second.endswith("  triggered under v1, withdrawn, v2 promoted, fine since")
    lines = run_lines(RunRecord.of(later))
    assert "decisions of this pair so far: triggered under v1, withdrawn, v2 promoted, fine since" in lines
    assert "  2024-03-01 09:00 RETRAINING_TRIGGERED (auc_drop), v1, withdrawn" in lines
    assert not any("so far" in line for line in run_lines(RunRecord.of(finished())))
