"""The words of messages."""

from driftgate.errors import NoVerdictError
from driftgate.performance.promotion import ModelComparison
from driftgate.performance.result import Change
from driftgate.reports.messages import decision_message, failure_message, promotion_message
from driftgate.reports.sentences import explanation, headline
from driftgate.store.record import RunRecord
from tests.reports.runs import FEBRUARY, MARCH, column, finished, measured

LINK = "http://127.0.0.1:8002/verdict.html"


def test_a_trigger_is_the_sentence_of_the_page_with_the_next_step_and_the_link() -> None:
    run = finished(column("plan", 0.9), months=(FEBRUARY, MARCH), performance=measured(0.83, 0.5))
    record = RunRecord.of(run)
    message = decision_message(record, (), LINK)
    assert message.title == "churn: March 2024 against February 2024"
    lines = message.text.splitlines()
    assert lines[0] == headline(record) and lines[0].startswith("Retrain: ")
    assert lines[1] == explanation(record)
    assert lines[2].startswith("Nothing was started (SIMULATED)")
    assert "driftgate retrain --as-of 2024-03-31 --monitor churn" in lines[3]
    assert lines[-1] == LINK


def test_a_failure_says_what_ours_says_and_only_the_kind_of_any_other() -> None:
    message = failure_message("churn", NoVerdictError("plan is missing", remedy="load it"))
    assert message.title == "churn: a run failed"
    assert message.text == "The run ended in an error. plan is missing\n  Next: load it"
    assert "hunter2" not in failure_message("churn", ValueError("hunter2")).text


def test_a_promotion_names_both_versions_their_figures_and_the_way_back() -> None:
    auc = Change(0.64, 0.81, 0.12, 0.21, 0.001)
    found = ModelComparison("2", "3", 1400, True, "better", {"auc": auc}, ("it says yes too often",))
    message = promotion_message("churn", MARCH, found)
    assert message.title == "churn: version 3 was promoted"
    assert message.text.splitlines() == [
        "Another model serves: version 3, trained on March 2024, in place of version 2. "
        "On 1,400 entities that neither has seen its AUC is 0.81, and was 0.64.",
        "Warning: it says yes too often.",
        "To go back: driftgate rollback --monitor churn",
    ]
    first = promotion_message("churn", MARCH, ModelComparison(None, "1", 0, True, "there was no champion"))
    assert first.text == "The first model serves: version 1, trained on March 2024."


def test_a_promotion_of_a_model_of_numbers_has_its_error() -> None:
    measures = {"rmse": Change(5.2, 3.1, -2.4, -1.8, 0.001), "mae": Change(4.0, 2.2, -2.0, -1.6, 0.001)}
    message = promotion_message("trips", MARCH, ModelComparison("1", "2", 700, True, "", measures))
    assert "On 700 entities that neither has seen its RMSE is 3.1, and was 5.2." in message.text
