"""The words for every state of a decision: what to do first, the reason next, and figures that mean something."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftgate.decision import Earlier, HeldBack, History
from driftgate.drift.past import Explained, Known
from driftgate.drift.result import TargetDrift
from driftgate.performance.findings import Causes
from driftgate.performance.interval import Interval
from driftgate.performance.result import FeatureAuc, Gain, PassedOver, Performance, PerformanceState, not_measured
from driftgate.reports import sentences
from driftgate.reports.figures import Figure, features_needed
from driftgate.reports.figures import figures as figures_of
from driftgate.reports.sentences import Tone
from driftgate.run import Run
from driftgate.store.record import RunRecord
from tests.reports.runs import (
    APRIL,
    CLASS_TARGET,
    FEBRUARY,
    JANUARY,
    MARCH,
    NO_TARGET,
    PENDING,
    PENDING_TARGET,
    SEGMENTS,
    column,
    erring,
    finished,
    measured,
)

MOVED = tuple(column(f"f{n:02d}", 0.5 if n < 8 else 0.01) for n in range(14))
CALM = tuple(column(f"f{n:02d}") for n in range(14))
RELATIONS = (FeatureAuc("tenure", 0.76, 0.41), FeatureAuc("fee", 0.64, 0.38), FeatureAuc("age", 0.6, 0.58))
LOST = measured(0.83, 0.51)
NOTHING = Gain(0.0, -0.02, 0.01, 700)
NO_LABELS = not_measured(PerformanceState.NOT_COMPUTABLE, "not computable: every label of 2024-02-29 is 0")


def lost_relations(performance: Performance = LOST) -> Performance:
    return replace(performance, relations=RELATIONS)


def record(*columns: Any, **given: Any) -> RunRecord:
    return RunRecord.of(finished(*(columns or MOVED), **given))


def caused(entities: float, meaning: float) -> Causes:
    return Causes(*(Interval(value, value - 0.02, value + 0.02) for value in (entities, meaning)), alike=900)


def held(history: History, **policy: Any) -> RunRecord:
    return record(performance=LOST, history=history, **policy)


SIGNAL = Earlier(JANUARY, signalled=False, triggered=False)
SEASON = Explained("drift_share", Known.SEASONAL, "as a year before")
TRIGGER = Earlier(JANUARY, signalled=True, triggered=True)

# Each state of a decision: the record, the tone, the headline, the explanation.
STATES: dict[str, tuple[RunRecord, Tone, str, str]] = {
    "triggered by the classes of the label": (
        record(*CALM, target=CLASS_TARGET, target_threshold=0.1),
        Tone.ACT,
        "Retrain: the mix of classes of churn_label has changed by 16.0 points, most of all late from 20.0% to 36.0%.",
        "",
    ),
    "triggered by an error": (
        record(*CALM, performance=replace(erring(1234.5, 2469.0), gain=Gain(0.4, 0.35, 0.45, 700))),
        Tone.ACT,
        "Retrain: the model has erred more than in its validation since February 2024 (RMSE 2,469, was 1,234; "
        "lower is better).",
        "A model trained on February 2024 would err 40% less (between 35% and 45%).",
    ),
    "triggered by an error that retraining would not mend": (
        record(*CALM, performance=replace(erring(4.0, 6.0), gain=NOTHING)),
        Tone.ACT,
        "Retrain: the model has erred more than in its validation since February 2024 (RMSE 6, was 4; lower is "
        "better), although a model trained on February 2024 would not surely err less (part of the RMSE saved "
        "between -2% and 1%).",
        "",
    ),
    "an error that stays": (
        record(*CALM, performance=erring(4.0, 4.1)),
        Tone.CALM,
        "Nothing to do: the model errs no more than it did (RMSE 4 then, 4.1 now).",
        "None of 14 features has moved since January 2024.",
    ),
    "an error that rises by chance": (
        record(*CALM, performance=erring(4.0, 4.4, margin=0.15)),
        Tone.CALM,
        "Nothing to do: the model errs more, and chance gives as much about 20 times in 100 (RMSE 4 then, 4.4 now).",
        "None of 14 features has moved since January 2024.",
    ),
    "triggered by the share": (
        record(),
        Tone.ACT,
        "Retrain: 8 of 14 features have moved since January 2024.",
        "",
    ),
    "triggered, with costs": (
        record(*CALM, performance=replace(LOST, gain=Gain(0.1, 0.08, 0.12, 700)), retrain_cost=500.0, error_cost=1.7),
        Tone.ACT,
        "Retrain: the model ranks no better than chance since February 2024 (AUC 0.51, was 0.83).",
        "Waiting a month costs about 1,197 (between 958 and 1,437); a retraining costs 500. "
        "A model trained on February 2024 would win back 0.10 AUC (between 0.08 and 0.12).",
    ),
    "held back, not worth it": (
        record(
            *CALM,
            performance=replace(LOST, gain=Gain(0.1, 0.08, 0.12, 700)),
            require_gain=True,
            retrain_cost=20000.0,
            error_cost=1.7,
        ),
        Tone.WAIT,
        "Wait: there is a signal, and a retraining costs 20,000 and would save at most 17,241 in 12 months.",
        "Waiting a month costs about 1,197 (between 958 and 1,437); a retraining costs 20,000. "
        "The model ranks no better than chance since February 2024 (AUC 0.51, was 0.83).",
    ),
    "triggered by one feature": (
        record(column("f", 0.5)),
        Tone.ACT,
        "Retrain: 1 of 1 features has moved since January 2024.",
        "",
    ),
    "triggered by the performance": (
        record(*CALM, performance=lost_relations()),
        Tone.ACT,
        "Retrain: the model ranks no better than chance since February 2024 (AUC 0.51, was 0.83).",
        "What predicts churn_label has changed, most of all tenure and fee.",
    ),
    "triggered by a smaller fall": (
        record(*CALM, performance=measured(0.83, 0.7)),
        Tone.ACT,
        "Retrain: the model has ranked worse than in its validation since February 2024 (AUC 0.70, was 0.83).",
        "",
    ),
    "triggered by a fall that is older than the reference month": (
        record(*CALM, performance=replace(measured(0.83, 0.7), causes=caused(entities=0.04, meaning=0.01))),
        Tone.ACT,
        "Retrain: the model has ranked worse than in its validation since February 2024 (AUC 0.70, was 0.83), most of "
        "it by January 2024.",
        "Of the fall of the AUC from January 2024 to February 2024, 0.01 (-0.01 to 0.03) comes of what the features "
        "mean and "
        "0.04 (0.02 to 0.06) of other entities.",
    ),
    "triggered by a model turned round": (
        record(*CALM, performance=measured(0.83, 0.3)),
        Tone.ACT,
        "Retrain: the model ranks worse than chance since February 2024 (AUC 0.30, was 0.83).",
        "",
    ),
    "triggered by the target": (
        record(*CALM, target_threshold=0.01),
        Tone.ACT,
        "Retrain: the rate of churn_label went from 26.5% to 24.2%.",
        "",
    ),
    "triggered by all": (
        record(performance=lost_relations(), target_threshold=0.01),
        Tone.ACT,
        "Retrain: the model ranks no better than chance since February 2024 (AUC 0.51, was 0.83).",
        "What predicts churn_label has changed, most of all tenure and fee. 8 of 14 features have moved since January "
        "2024. The rate of churn_label went from 26.5% to 24.2%.",
    ),
    "held back, the champion knows": (
        held(History(champion_trained_on=FEBRUARY)),
        Tone.KNOWN,
        "Nothing to do: the data have changed, and the model in use was trained on February 2024 and knows this "
        "change.",
        "The model ranks no better than chance since February 2024 (AUC 0.51, was 0.83). 8 of 14 features have moved "
        "since January 2024.",
    ),
    "held back, confirmations": (
        held(History((SIGNAL,)), confirmations=2, confirmation_window=3),
        Tone.WAIT,
        "Wait: there is a signal, and in this monitor 2 of 3 months must signal before it retrains.",
        "The model ranks no better than chance since February 2024 (AUC 0.51, was 0.83). 8 of 14 features have moved "
        "since January 2024.",
    ),
    "held back, cooldown": (
        held(History((TRIGGER,)), cooldown_days=90),
        Tone.WAIT,
        "Wait: there is a signal, and this monitor rests for 90 days of data after a trigger.",
        "The model ranks no better than chance since February 2024 (AUC 0.51, was 0.83). 8 of 14 features have moved "
        "since January 2024.",
    ),
    "triggered, and retraining would mend it": (
        record(*CALM, performance=replace(lost_relations(), gain=Gain(0.163, 0.12, 0.2, 700))),
        Tone.ACT,
        "Retrain: the model ranks no better than chance since February 2024 (AUC 0.51, was 0.83).",
        "What predicts churn_label has changed, most of all tenure and fee. A model trained on February 2024 would win "
        "back 0.16 AUC (between 0.12 and 0.20).",
    ),
    "triggered, and retraining would not mend it": (
        record(*CALM, performance=replace(LOST, gain=NOTHING)),
        Tone.ACT,
        "Retrain: the model ranks no better than chance since February 2024 (AUC 0.51, was 0.83), although a model "
        "trained on February 2024 would not surely rank better (gain in AUC between -0.02 and 0.01).",
        "",
    ),
    "triggered, because of what the features mean": (
        record(*CALM, performance=replace(lost_relations(), causes=caused(entities=0.01, meaning=0.31))),
        Tone.ACT,
        "Retrain: the model ranks no better than chance since February 2024 (AUC 0.51, was 0.83), because what "
        "predicts churn_label has changed.",
        "Of the features, tenure and fee say less about churn_label than before. "
        "Of the fall of the AUC from January 2024 to February 2024, 0.31 (0.29 to 0.33) comes of what the features "
        "mean and "
        "0.01 (-0.01 to 0.03) of other entities.",
    ),
    "triggered, with a segment that holds the drop": (
        record(*CALM, performance=replace(LOST, segments=SEGMENTS)),
        Tone.ACT,
        "Retrain: the model ranks no better than chance since February 2024 (AUC 0.51, was 0.83).",
        "It is worst where net_service = <Fiber> (41% of entities, AUC 0.81 to 0.44).",
    ),
    "triggered, because of other entities": (
        record(*CALM, performance=replace(LOST, causes=caused(entities=0.3, meaning=0.02))),
        Tone.ACT,
        "Retrain: the model ranks no better than chance since February 2024 (AUC 0.51, was 0.83), because other "
        "entities are there.",
        "Of the fall of the AUC from January 2024 to February 2024, 0.02 (0.00 to 0.04) comes of what the features "
        "mean and "
        "0.30 (0.28 to 0.32) of other entities.",
    ),
    "triggered, for both reasons": (
        record(*CALM, performance=replace(LOST, causes=caused(entities=0.12, meaning=0.2))),
        Tone.ACT,
        "Retrain: the model ranks no better than chance since February 2024 (AUC 0.51, was 0.83), because what "
        "predicts churn_label has changed and other entities are there.",
        "Of the fall of the AUC from January 2024 to February 2024, 0.20 (0.18 to 0.22) comes of what the features "
        "mean and "
        "0.12 (0.10 to 0.14) of other entities.",
    ),
    "held back, seasonal": (
        record(performance=measured(0.83, 0.84), history=History(explained=(SEASON,))),
        Tone.KNOWN,
        "Nothing to do: the data have changed as they do every year: February 2024 is like that month of 2023.",
        "8 of 14 features have moved since January 2024.",
    ),
    "held back, seasonal and pending": (
        record(performance=PENDING, target=PENDING_TARGET, history=History(explained=(SEASON,))),
        Tone.KNOWN,
        "Nothing to do yet: the data have changed as they do every year: February 2024 is like that month of 2023.",
        "8 of 14 features have moved since January 2024.",
    ),
    "held back, usual": (
        record(performance=measured(0.83, 0.84), history=History(explained=(replace(SEASON, known=Known.USUAL),))),
        Tone.KNOWN,
        "Nothing to do: the data have changed no further than they often do from one month to another, and the model "
        "holds.",
        "8 of 14 features have moved since January 2024.",
    ),
    "held back, no gain": (
        record(performance=replace(LOST, gain=NOTHING), require_gain=True),
        Tone.ACT,
        "Look at the features: the model ranks no better than chance since February 2024 (AUC 0.51, was 0.83), and a "
        "model trained on February 2024 would not surely rank better (gain in AUC between -0.02 and 0.01).",
        "8 of 14 features have moved since January 2024.",
    ),
    "pending": (
        record(*CALM, performance=PENDING, target=PENDING_TARGET),
        Tone.WAIT,
        "Nothing to do yet: whether the model still works is known when more labels are there (43% of February 2024 "
        "has a label now).",
        "None of 14 features has moved since January 2024.",
    ),
    "pending and triggered": (
        record(performance=PENDING, target=PENDING_TARGET),
        Tone.ACT,
        "Retrain: 8 of 14 features have moved since January 2024.",
        "",
    ),
    "no action": (
        record(column("f", 0.5), *CALM, performance=measured(0.83, 0.84)),
        Tone.CALM,
        "Nothing to do: the model ranks as well as it did (AUC 0.83 then, 0.84 now).",
        "1 of 15 features has moved since January 2024, and retraining is due from 5 on.",
    ),
    "no action, a fall by chance": (
        record(*CALM, performance=measured(0.83, 0.7, margin=0.2)),
        Tone.CALM,
        "Nothing to do: the model ranks lower, and chance gives as much about 20 times in 100 (AUC 0.83 then, 0.70 "
        "now).",
        "None of 14 features has moved since January 2024.",
    ),
    "no action, and a new model would be better": (
        record(*CALM, performance=replace(measured(0.83, 0.82), gain=Gain(0.07, 0.01, 0.15, 700))),
        Tone.CALM,
        "Nothing to do: the model ranks as well as it did (AUC 0.83 then, 0.82 now).",
        "None of 14 features has moved since January 2024. A model trained on February 2024 would win back 0.07 AUC "
        "(between 0.01 and 0.15), which alone starts no retraining.",
    ),
    "no action, no model measured": (
        record(*CALM),
        Tone.CALM,
        "Nothing to do: none of 14 features has moved since January 2024.",
        "",
    ),
    "not computable": (
        record(*CALM, performance=NO_LABELS, target=NO_TARGET),
        Tone.CALM,
        "Nothing to do: the data ask for nothing, and whether the model still works is not known "
        "(not computable: every label of 2024-02-29 is 0).",
        "None of 14 features has moved since January 2024.",
    ),
    "probe": (
        record(*CALM, performance=measured(0.8, 0.5, version=None)),
        Tone.ACT,
        "Retrain: a stand-in model ranks no better than chance since February 2024 (AUC 0.50, was 0.80).",
        "No model was in use when this was judged: judged is a stand-in (probe), a small model trained on "
        "January 2024.",
    ),
    "champion passed over": (
        record(*CALM, performance=replace(measured(0.8, 0.8), passed_over=PassedOver("2", FEBRUARY, FEBRUARY))),
        Tone.CALM,
        "Nothing to do: the earlier model ranks as well as it did (AUC 0.80 then, 0.80 now).",
        "None of 14 features has moved since January 2024. The model in use (v2) was trained on February 2024 and "
        "cannot be judged on this month; judged is v1, trained on January 2024.",
    ),
}


@pytest.mark.parametrize("state", STATES)
def test_every_state_has_its_words(state: str) -> None:
    found, tone, headline, explanation = STATES[state]
    assert sentences.tone(found) is tone
    assert sentences.headline(found) == headline
    assert sentences.explanation(found) == explanation
    assert sentences.answer(found) == f"{headline} {explanation}".strip()


def test_every_rule_that_holds_back_has_words_of_its_own() -> None:
    codes = {found.held_back_code for found, *_ in STATES.values()}
    assert codes == {None, *HeldBack}


def test_a_record_that_lacks_the_code_says_what_it_has() -> None:
    old = STATES["held back, cooldown"][0].model_copy(update={"held_back_code": None})
    text = "Wait: there is a signal, and it is held back: 2024-01-31 triggered 29 days before, cooldown_days is 90."
    assert sentences.headline(old) == text


def test_a_record_of_the_first_release_has_an_answer() -> None:
    old = record().model_copy(update={"signals": (), "signalled": None, "performance": None})
    assert sentences.headline(old) == "Retrain: 8 of 14 features have moved since January 2024."
    assert figures_of(old)[0].now == "not recorded"
    calm = record(*CALM).model_copy(update={"signals": (), "performance": None})
    assert sentences.headline(calm) == "Nothing to do: none of 14 features has moved since January 2024."


def test_a_fall_that_goes_on_is_told_from_its_first_month() -> None:
    def run(months: tuple[date, date], performance: Performance) -> RunRecord:
        return RunRecord.of(finished(*CALM, months=months, performance=performance))

    february = run((JANUARY, FEBRUARY), measured(0.83, 0.82))
    march, april = run((FEBRUARY, MARCH), LOST), run((MARCH, APRIL), LOST)
    assert sentences.since(april, [march, february]) == MARCH
    assert "since March 2024" in sentences.headline(april, [february, march])
    assert sentences.since(april, [february]) == APRIL
    assert sentences.since(march, [march, april]) == MARCH, "later months say nothing of this one"


@pytest.mark.parametrize(
    ("state", "command"),
    [
        ("triggered by the performance", "driftgate retrain --as-of 2024-02-29 --monitor churn"),
        ("probe", "driftgate train --as-of 2024-02-29 --monitor churn"),
        ("held back, the champion knows", "driftgate monitor --monitor churn"),
        ("held back, cooldown", "driftgate retrain --as-of 2024-02-29 --monitor churn"),
        ("pending", "driftgate monitor --as-of-ref 2024-01-31 --as-of-cur 2024-02-29 --monitor churn"),
        ("pending and triggered", "driftgate retrain --as-of 2024-02-29 --monitor churn"),
        ("no action", "driftgate monitor --monitor churn"),
    ],
)
def test_the_next_step_is_a_command(state: str, command: str) -> None:
    step = sentences.next_step(STATES[state][0])
    assert step.command == command
    assert step.text.endswith((".", ":"))


def test_every_command_is_one_that_there_is() -> None:
    import typer

    from flows.cli.app import app

    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for found, *_ in STATES.values():
        name, *arguments = sentences.next_step(found).command.split()[1:]
        known = {option for parameter in commands[name].params for option in parameter.opts}
        assert {word for word in arguments if word.startswith("--")} <= known


def figure(run: Run, number: int) -> Figure:
    return figures_of(RunRecord.of(run))[number]


def test_the_figure_of_the_model_is_of_pairs_with_the_interval_of_its_fall() -> None:
    found = figure(finished(performance=LOST), 0)
    assert (found.signal, found.now, found.then, found.reached) == ("performance_drop", "AUC 0.51", "0.83", True)
    assert "one with churn_label and one without, how often the model puts the right one first" in found.text
    assert (
        "The fall since its validation is 0.32, with 95% certainty between 0.29 and 0.35; retraining is due above 0.05."
        in found.text
    )
    better = figure(finished(performance=measured(0.8, 0.84)), 0)
    assert (
        "The rise since its validation is 0.04, with 95% certainty between 0.01 and 0.07; retraining is due above a "
        "fall of 0.05."
        in better.text
        and not better.reached
    )


def test_the_figure_of_an_error_names_the_measure_and_its_direction() -> None:
    found = figure(finished(performance=erring(4.0, 6.0)), 0)
    assert (found.signal, found.now, found.then, found.reached) == ("performance_drop", "RMSE 6", "4", True)
    assert found.text == (
        "The rise since its validation is 50%, with 95% certainty between 45% and 55%; retraining is due above 5%. "
        "RMSE, root of the mean squared error; less is better; in units of churn_label."
    )
    step = sentences.next_step(RunRecord.of(finished(performance=erring(4.0, 6.0))))
    assert step.text.endswith("only where it surely errs less.")


def test_the_figure_of_a_numeric_label_is_in_spreads_too() -> None:
    target = TargetDrift(12.0, 15.0, 1.0, 0.95, p_value=0.001, spread_ref=6.0)
    assert "The difference is 0.50 standard deviations" in figure(finished(target=target), 2).text
    assert "standard deviations" not in figure(finished(), 2).text


@pytest.mark.parametrize(
    ("performance", "now", "text"),
    [
        (PENDING, "pending", "43% labelled"),
        (not_measured(PerformanceState.OFF, ""), "off", 'performance = "off"'),
        (NO_LABELS, "not known", "every label of 2024-02-29 is 0"),
    ],
)
def test_a_model_that_was_not_measured_says_why(performance: Performance, now: str, text: str) -> None:
    found = figure(finished(performance=performance), 0)
    assert (found.now, found.then, found.reached) == (now, "", False)
    assert text in found.text


def test_the_figure_of_the_features_says_how_many_are_needed_and_what_chance_does() -> None:
    found = figure(finished(*MOVED), 1)
    assert (found.now, found.reached) == ("8 of 14", True)
    assert (
        "57% of them. Retraining is due from 30% on, which is 5. A month without change starts a retraining at most "
        "once in 100 months, if its "
        "rows do not depend on each other." in found.text
    )
    assert not figure(finished(*CALM), 1).reached


@pytest.mark.parametrize(("declared", "threshold", "needed"), [(14, 0.3, 5), (10, 0.3, 3), (1, 0.3, 1), (3, 0.0, 0)])
def test_the_features_needed_are_the_fewest_that_reach_the_share(declared: int, threshold: float, needed: int) -> None:
    found = record(*(column(f"f{n}") for n in range(declared)), threshold=threshold)
    assert features_needed(found) == needed
    assert needed / declared >= threshold > (needed - 1) / declared or threshold == 0.0


def test_the_figure_of_the_label_says_what_chance_gives_and_whether_it_decides() -> None:
    found = figure(finished(), 2)
    assert (found.title, found.now, found.then) == ("How has churn_label moved?", "24.2%", "26.5%")
    assert "Chance alone gives such a difference about once in 1,000 times. It has no threshold" in found.text
    decides = figure(finished(target_threshold=0.02), 2)
    assert (
        decides.reached
        and "The difference is 2.4 points. Retraining is due from a difference of 2.0 points on" in decides.text
    )


def test_the_figure_of_a_label_of_classes_says_which_of_them_moved() -> None:
    found = figure(finished(target=CLASS_TARGET, target_threshold=0.1), 2)
    assert (found.now, found.then, found.reached) == ("16.0 points", "", True)
    assert found.text == (
        "So large a part of all entities would have to take another class of churn_label for its 3 classes to have the "
        "shares that they had in January 2024. Most of all moved late from 20.0% to 36.0%, early from 20.0% to 10.0%, "
        "on time from 60.0% to "
        "54.0%. Chance alone gives such a difference less than once in 1,000 times; 2.1 points would be chance here. "
        "Retraining is due from a difference of 10.0 points on."
    )


def test_a_numeric_label_is_no_percentage() -> None:
    target = replace(finished().target, ref=1234.5, cur=1200.25)
    found = figure(finished(target=target), 2)
    assert (found.now, found.then) == ("1,200", "1,234") or (found.now, found.then) == ("1,200", "1,235")


@pytest.mark.parametrize(("target", "now"), [(PENDING_TARGET, "pending"), (NO_TARGET, "not known")])
def test_a_label_that_is_not_computable_says_why(target: Any, now: str) -> None:
    found = figure(finished(target=target), 2)
    assert found.now == now and target.reason in found.text


@given(st.sampled_from(sorted(STATES)), st.floats(0, 1), st.integers(0, 99), st.text(max_size=9))
def test_any_record_has_words(state: str, threshold: float, drifted: int, reason: str) -> None:
    changes = {"threshold": threshold, "drifted_features": drifted, "held_back": reason, "verdict": reason}
    found = STATES[state][0].model_copy(update=changes)
    assert sentences.headline(found).startswith(sentences.action(found))
    assert len(figures_of(found)) == 3
    assert "None " not in sentences.answer(found).replace("None of", "") and "nan" not in sentences.answer(found)
