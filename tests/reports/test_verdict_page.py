"""The page of one verdict: the answer first, the figures next, all that it rests on below."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from driftgate.decision import History, PastDecision
from driftgate.drift.result import ClassShare
from driftgate.features.skew import Mismatch, SkewCheck
from driftgate.performance.result import FeatureAuc
from driftgate.reports.notes import waiting_note
from driftgate.reports.verdict_page import render
from driftgate.store.record import RunRecord
from tests.reports.pages import Page
from tests.reports.records import RECORDS
from tests.reports.runs import (
    CHECKED_AT,
    CLASS_TARGET,
    COSTS,
    ESTIMATED,
    FEBRUARY,
    MARCH,
    PENDING,
    PENDING_TARGET,
    PERMUTED,
    SCORE_BINS,
    SEGMENTS,
    checked,
    column,
    finished,
    lost,
    measured,
)
from tests.reports.test_sentences import STATES

FILES = [("Evidently report", "drift.html"), ("JSON", "drift.json")]


def shown(record: RunRecord, *earlier: RunRecord) -> Page:
    return Page(render(record, [*earlier, record], FILES, "index.html", "monitor.html"))


def run(*columns: Any, **given: Any) -> RunRecord:
    return RunRecord.of(finished(*columns, **given))


@pytest.mark.parametrize("state", STATES)
def test_the_answer_is_the_heading_and_the_command_stands_below(state: str) -> None:
    record, tone, headline, explanation = STATES[state]
    found = shown(record)
    assert found.tags.count("h1") == 1
    order = [headline, "What should be done?", "Why?", "How many features have moved?", "Since when?"]
    assert [found.text.index(text) for text in order] == sorted(map(found.text.index, order))
    stakes = waiting_note(record)
    assert stakes in found.text[: found.text.index("What should be done?")]
    assert explanation.removeprefix(stakes).strip() in found.text
    assert f"class='hero {tone}'" in found.html


def test_simulated_is_explained_where_it_stands() -> None:
    text = shown(run(column("f", 0.5))).text
    assert "RETRAINING_TRIGGERED (SIMULATED)" in text
    assert "Nothing was started (SIMULATED): the monitor only says that it would retrain" in text
    assert "SIMULATED" not in shown(run()).text


def test_each_figure_has_its_trend_against_its_threshold() -> None:
    first = run(performance=measured(0.82, 0.81))
    found = shown(run(months=(FEBRUARY, MARCH), performance=measured(0.82, 0.5)), first)
    assert found.text.count("threshold 0.05") == 1 and found.text.count("threshold 30%") == 1
    assert "Fall of the AUC from February 2024 to March 2024: 0.01 then, 0.32 now, threshold 0.05" in found.html
    assert "AUC 0.50" in found.text and "was 0.82" in found.text


def test_a_figure_that_is_not_there_has_words_and_no_plot() -> None:
    found = shown(run(performance=PENDING, target=PENDING_TARGET))
    assert found.html.count("class='plot'") == 1, "the features alone"
    assert found.text.count("pending") > 2


def test_every_declared_feature_is_in_the_ledger_with_what_chance_gives() -> None:
    found = shown(run(column("wild", 0.9, chance=0.0321), column("calm"), lost("gone")))
    assert [found.text.index(name) for name in ("gone", "wild", "calm")] == sorted(
        found.text.index(name) for name in ("gone", "wild", "calm")
    )
    for text in ("0.9000", "0.0321", "9.0", "0.0% → 10.0%", "no such column", "user_id (identifier)"):
        assert text in found.text


def test_a_feature_beyond_its_threshold_that_does_not_count_says_why() -> None:
    chance = replace(column("often", 0.5, chance=0.4), drifted=False, drifted_by="", p_value=0.02)
    found = shown(run(chance, column("calm", 0.01))).text
    assert "may be chance, which gives as much about once in 50 times" in found
    assert found.count("may be chance") == 1


def test_the_ledger_says_what_the_change_of_a_feature_costs() -> None:
    found = shown(run(performance=replace(measured(0.8, 0.5), feature_costs=COSTS)))
    assert "Its cost is the fall of the AUC that comes of its change alone, if the features mean" in found.text
    assert "0.121" in found.text and "0.080 to 0.160" in found.text
    assert "title='13% of the values are of no entity of the reference'>not known<" in found.html
    assert "Its cost" not in shown(run(performance=measured(0.8, 0.5))).text


def test_what_the_scores_are_worth_is_drawn_from_their_counts() -> None:
    found = shown(run(performance=replace(measured(0.82, 0.5), score_bins=SCORE_BINS)))
    assert found.html.count("class='square'") == 2
    assert "AUC 0.82 then, 0.50 now, a change between -0.35 and -0.29" in found.text
    assert "class='square'" not in shown(run(performance=measured(0.82, 0.5))).html


@pytest.mark.parametrize(
    ("check", "tone", "text"),
    [
        (None, "known", "Served features: not checked."),
        (checked(), "calm", "Served features: agrees. 0 of 2,000 entities"),
        (checked(checked_at=CHECKED_AT - timedelta(days=3)), "known", "Served features: not checked since 2024-03-29"),
        (checked(PERMUTED), "act", "Features that differ: watch_hours_30d (2)."),
        (checked(replace(PERMUTED, mismatches=(Mismatch("<b>", 2, ()),))), "act", "Features that differ: <b> (2)."),
    ],
)
def test_one_line_says_whether_what_is_served_is_what_is_learnt(check: SkewCheck | None, tone: str, text: str) -> None:
    found = shown(RunRecord.of(replace(finished(), skew=check)))
    assert found.html.count("<p class='served ") == found.html.count(f"<p class='served {tone}'>") == 1
    assert found.text.index("Why?") < found.text.index(text) < found.text.index("How far has each feature moved?")
    assert "<b>" not in found.html[found.html.index("<p class='served ") :].partition("</p>")[0]


def test_a_page_of_an_earlier_record_has_no_line_on_what_is_served() -> None:
    assert "Served features" not in shown(run().model_copy(update={"skew": None})).text


def test_before_the_labels_there_is_an_estimate_with_what_it_cannot_see() -> None:
    found = shown(run(performance=ESTIMATED, target=PENDING_TARGET))
    assert "AUC ≈ 0.80" in found.text and "An estimate before the labels come: AUC 0.80" in found.text
    assert "It cannot see whether what predicts churn_label has changed, and it decides nothing." in found.text


def test_what_changed_for_the_model_is_shown_with_how_many_more_there_are() -> None:
    relations = tuple(FeatureAuc(f"r{number}", 0.7, 0.5) for number in range(10))
    found = shown(run(performance=replace(measured(0.8, 0.5), relations=relations)))
    assert "Which features say something else now?" in found.text
    assert "r7" in found.text and "r8" not in found.text and "2 more in the record" in found.text
    assert "Which features say something else now?" not in shown(run()).text


def test_the_classes_of_a_label_are_shown_and_nothing_of_the_kind_for_another() -> None:
    found = shown(
        run(target=CLASS_TARGET, performance=replace(measured(0.8, 0.5), relations=(FeatureAuc("r", 0.7, 0.5),)))
    )
    assert "How have the classes of churn_label moved?" in found.text and "20.0% → 36.0%" in found.text
    assert "How well each feature alone tells the classes of churn_label from each other (macro AUC)" in found.text
    many = tuple(ClassShare(f"<c{number}>", 0.1, 0.1) for number in range(10))
    found = shown(run(target=replace(CLASS_TARGET, classes=many)))
    assert "<c7>" in found.text and "<c8>" not in found.text and "2 more in the record" in found.text
    assert "How have the classes" not in shown(run()).text


def test_where_the_model_is_worse_is_shown_segment_by_segment() -> None:
    found = shown(run(performance=replace(measured(0.8, 0.5), segments=SEGMENTS)))
    assert "Where is the model worse?" in found.text and "39 segments were looked at" in found.text
    assert found.text.index("<Fiber>") < found.text.index("months_active < 9") and "<Fiber>" not in found.html
    assert "41% of entities, 41% then; fall 0.37, elsewhere 0.05" in found.text
    assert "0.81 → 0.44" in found.text and "elsewhere 0.00" in found.text


def test_a_drop_that_is_in_no_segment_is_said_to_be_everywhere() -> None:
    nowhere = replace(SEGMENTS, named=())
    text = shown(run(performance=replace(measured(0.8, 0.5), segments=nowhere))).text
    assert "Nowhere more than elsewhere: 39 segments were looked at" in text
    assert "Where is the model worse?" not in shown(run(performance=measured(0.8, 0.5))).text


def test_what_was_compared_and_where_its_files_are_is_said() -> None:
    found = shown(run(compared=1000))
    assert "1,000 entities then and 1,000 now are compared; the report and the performance are of" in found.text
    assert "the same entities in both months (seed 0)" in found.text
    assert "drift_share=0.07 < 0.30" in found.text
    assert found.links == ["index.html", "monitor.html", "drift.html", "drift.json"]


def test_how_the_pair_came_to_its_answer_is_said() -> None:
    past = PastDecision(datetime(2024, 3, 1, tzinfo=UTC), "RETRAINING_TRIGGERED", None, ("drift_share",), False)
    found = shown(RunRecord.of(replace(finished(), earlier=(past,))))
    assert "So far" in found.text and "triggered without a model, fine since" in found.text
    assert "So far" not in shown(run()).text


def test_what_chance_alone_gives_is_said_of_missing_values_scores_and_label() -> None:
    chances = {"chance": 0.0213, "missing_chance": 0.0118}
    target = replace(finished().target, chance=0.0144)
    found = shown(run(replace(column("a"), **chances), prediction=replace(column("p"), chance=0.0312), target=target))
    assert "0.0213" in found.text and "1.2% by chance" in found.text
    assert "threshold 0.1000, 0.0312 would be chance" in found.text
    assert "about once in 1,000 times; 1.4 points would be chance here." in found.text
    assert "by chance" not in shown(run(column("a"))).text.replace("By chance", "")


def test_the_scores_of_the_champion_are_told_and_not_counted() -> None:
    assert "own scores have moved" in shown(run(prediction=column("prediction", 0.4))).text
    assert "own scores" not in shown(run()).text


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(RECORDS, RECORDS)
def test_any_record_makes_a_well_formed_page(record: RunRecord, earlier: RunRecord) -> None:
    found = shown(record, earlier)
    assert not {"script", "i>", "u", "s"} & set(found.tags)
    assert found.tags.count("tr") >= len(record.columns) + 1
    assert "nan" not in found.html.lower().replace(record.monitor.lower(), "") or "nan" in str(record).lower()


def test_the_codes_of_the_badges_stand_on_the_page_as_text_too() -> None:
    found = shown(run(column("f", 0.5), history=History(champion_trained_on=FEBRUARY, champion="2")))
    assert "Badges" in found.text and "the model knows it: champion_knows" in found.text
    assert "v2: what the registry calls the model in use" in found.text
    assert "champion" not in found.text[: found.text.index("What was compared?")].replace("champion_knows", "")
