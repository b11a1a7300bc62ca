"""When a finished run is to be judged again."""

from tests.reports.runs import NO_TARGET, PENDING, PENDING_TARGET, column, finished


def test_a_run_is_pending_while_labels_of_its_month_are_to_come() -> None:
    assert not finished(column("a", 0.5)).pending
    assert finished(column("a", 0.5), target=PENDING_TARGET).pending
    assert finished(column("a", 0.5), performance=PENDING).pending
    assert not finished(column("a", 0.5), target=NO_TARGET).pending, "there never will be any"
