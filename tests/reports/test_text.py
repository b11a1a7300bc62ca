"""The lines that scripts read, and the Markdown that people read."""

import json
import re
from dataclasses import replace

import pytest

from driftgate.drift.result import TargetDrift
from driftgate.performance.result import FeatureAuc
from driftgate.reports.text import column_rows, decision_line, target_line, verdict_markdown
from tests.reports.runs import NO_TARGET, PERMUTED, SEGMENTS, TARGET, checked, column, finished, lost, measured


def test_the_target_line_has_exactly_this_form() -> None:
    assert target_line(TARGET) == "[Target drift] ref_rate=0.2654 cur_rate=0.2415 abs_diff=0.0239"


def test_the_target_line_of_what_is_not_computable_says_nan_and_why() -> None:
    assert target_line(NO_TARGET) == (
        "[Target drift] ref_rate=nan cur_rate=0.2400 abs_diff=nan "
        "(2024-01-31: no labels for the period 2024-01-31 in labels)"
    )


def test_a_numeric_label_has_the_same_form() -> None:
    assert target_line(TargetDrift(1234.5, 1200.25, 1.0, 0.5)) == (
        "[Target drift] ref_rate=1234.5000 cur_rate=1200.2500 abs_diff=34.2500"
    )


def test_the_decision_line_has_exactly_this_form() -> None:
    assert decision_line(finished()) == (
        "[Evidently] report_html=/reports/drift_2024-01-31_vs_2024-02-29.html "
        "report_json=/reports/drift_2024-01-31_vs_2024-02-29.json "
        "drift_share=0.07 -> NO_ACTION drift_share=0.07 < 0.30 (target_drift=0.0239)"
    )


def test_the_decision_line_of_a_trigger_names_what_triggered_first() -> None:
    line = decision_line(finished(target_threshold=0.01))
    assert line.endswith(
        "drift_share=0.07 -> RETRAINING_TRIGGERED (SIMULATED) "
        "target_drift=0.02 >= 0.01, drift_share=0.07 < 0.30 (target_drift=0.0239)"
    )


def test_the_decision_line_of_what_is_not_computable_says_nan() -> None:
    assert decision_line(finished(target=NO_TARGET)).endswith("drift_share=0.07 < 0.30 (target_drift=nan)")


def test_a_reason_with_a_line_break_stays_on_its_line() -> None:
    broken = replace(NO_TARGET, reason='no labels in "odd\ntable"')
    assert len(target_line(broken).splitlines()) == 1


def test_the_page_begins_with_the_sentence_and_what_to_do() -> None:
    lines = verdict_markdown(finished()).splitlines()
    assert (
        lines[0] == "# Nothing to do: 1 of 14 features has moved since January 2024, and retraining is due from 5 on."
    )
    assert "**Next:** Judge the next month when it is loaded. `driftgate monitor --monitor churn`" in lines
    assert "`NO_ACTION` **churn**, 2024-01-31 against 2024-02-29: `drift_share=0.07 < 0.30`" in lines
    assert "- 1 of 14 declared features drift" in lines
    assert "- label: 0.2654 then, 0.2415 now, a difference of 0.0239" in lines
    assert "- 7,043 entities then, 7,043 now" in lines
    assert (
        "- verdict page: `/reports/verdict_2024-01-31_vs_2024-02-29.html`, "
        "report: `/reports/drift_2024-01-31_vs_2024-02-29.html`"
    ) in lines
    assert "| f03 | values | 0.5000 | 0.1000 | - | wasserstein |" in lines
    assert not any("f00" in line for line in lines)


def test_the_page_says_what_changed_for_the_model() -> None:
    relations = (FeatureAuc("a|b", 0.8, 0.5), FeatureAuc("c", 0.6, 0.6))
    page = verdict_markdown(finished(performance=replace(measured(0.8, 0.5), relations=relations)))
    assert "What predicts churn_label has changed, most of all a&#124;b." in page


def test_the_page_says_where_the_model_is_worse() -> None:
    page = verdict_markdown(finished(performance=replace(measured(0.8, 0.5), segments=SEGMENTS)))
    assert (
        "- the fall is greatest where net_service = &lt;Fiber&gt; (41% of entities), AUC 0.81 to 0.44, fall 0.37 "
        "[0.30, 0.44], elsewhere 0.05; months_active &lt; 9 (24% of entities), AUC 0.77 to 0.60, fall 0.17 "
        "[0.10, 0.24], elsewhere 0.00" in page
    )
    nowhere = replace(measured(0.8, 0.5), segments=replace(SEGMENTS, named=()))
    assert "- the fall is in no segment surely greater than elsewhere, of 39" in verdict_markdown(
        finished(performance=nowhere)
    )


def test_the_page_says_where_nothing_drifts_and_what_is_not_computable() -> None:
    page = verdict_markdown(finished(column("a"), target=NO_TARGET))
    assert page.endswith("No feature drifts.")
    assert "- label: - then, 0.2400 now, a difference of - (2024-01-31: no labels" in page


def test_the_page_says_whether_what_is_served_is_what_is_learnt() -> None:
    assert "\n- Served features: not checked." in verdict_markdown(finished())
    page = verdict_markdown(replace(finished(), skew=checked(PERMUTED)))
    assert "\n- Served features: mismatches. 2 of 2,000 entities differ in the online store" in page


def test_the_page_says_that_it_is_of_a_sample() -> None:
    page = verdict_markdown(finished(compared=1000))
    assert "Every entity is counted. The report and the performance are of a seeded sample: 1,000 of 7,043 and" in page
    assert "sample" not in verdict_markdown(finished())


def test_a_column_that_was_not_compared_shows_why() -> None:
    page = verdict_markdown(finished(lost("gone"), column("a")))
    assert "| gone | not comparable | - | - | - | no such column |" in page


@pytest.mark.parametrize("name", ["a|b", "a\nb", "a\r\nb", "|", "a\\|b", "| x |\n|---|"])
def test_an_odd_name_keeps_the_table_whole(name: str) -> None:
    page = verdict_markdown(finished(column(name, 0.5), replace(lost("gone"), detail=f"{name} is gone")))
    table = page[page.index("| feature") :].splitlines()
    assert len(table) == 4
    for line in table:
        # A pipe counts unless an odd number of backslashes stands before it.
        assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) == 7, line


def test_the_rows_are_plain_and_in_the_order_given() -> None:
    rows = column_rows([column("b", 0.5), lost("gone"), column("a")])
    assert [row["feature"] for row in rows] == ["b", "gone", "a"]
    assert rows[0] == {
        "feature": "b",
        "drifted by": "values",
        "state": "compared",
        "method": "wasserstein",
        "score": "0.5000",
        "threshold": "0.1000",
        "by chance": "-",
        "missing then": "0.0000",
        "missing now": "0.1000",
        "change by chance": "-",
        "detail": "",
    }
    assert (rows[1]["method"], rows[1]["score"], rows[1]["missing then"]) == ("-", "-", "-")
    assert rows[2]["drifted by"] == "-"
    # The table artifact is JSON, which has its own escapes.
    odd = "a|b\nc"
    assert json.loads(json.dumps(column_rows([column(odd)])))[0]["feature"] == odd
