"""The policies: each trains again for its own reason, and the monitor's remembers what it decided."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

from driftgate.backtest.policies import PolicyName, retrainings
from driftgate.decision import PERFORMANCE_KEY, Decision, HeldBack, History, Signal, Verdict

MONTHS = [date(2024, month, 28) for month in range(1, 8)]


def signal(key: str, reached: bool) -> Signal:
    return Signal(key, key, 0.1, 0.05, reached, "")


def test_each_month_of_a_policy_that_decides_is_shown_before_it_is_decided() -> None:
    shown: list[str] = []

    def track(items: Sequence[Any], what: str) -> Iterator[Any]:
        for item in items:
            shown.append(f"{what}: {item}")
            yield item

    def decide(_trained: int, month: int, _history: History | None) -> Decision:
        shown.append(f"decided {month}")
        return Decision(Verdict.NO_ACTION, ())

    retrainings(MONTHS[:4], decide, track)
    policies = ("drift share alone", "performance alone", "driftgate")
    steps = ((name, month) for name in policies for month in (1, 2))
    assert shown == [
        line for name, month in steps for line in (f"replaying {name}: {MONTHS[month]}", f"decided {month}")
    ]


def test_each_policy_trains_for_its_own_reason() -> None:
    asked: list[tuple[int, int, History | None]] = []

    def decide(trained: int, month: int, history: History | None) -> Decision:
        asked.append((trained, month, history))
        # The features move in month 2, the model is worse in month 3, and the monitor heeds month 4.
        signals = (signal("threshold", month == 2), signal(PERFORMANCE_KEY, month == 3), signal("target", month == 4))
        verdict = Verdict.RETRAINING_TRIGGERED if month == 4 else Verdict.NO_ACTION
        held = HeldBack.NO_GAIN if month in (2, 3) else None
        return Decision(verdict, signals, held_back_code=held)

    assert retrainings(MONTHS, decide) == {
        PolicyName.NEVER: (),
        PolicyName.EVERY_MONTH: (1, 2, 3, 4, 5),
        PolicyName.DRIFT_SHARE: (2,),
        PolicyName.PERFORMANCE: (3,),
        PolicyName.DRIFTGATE: (4,),
    }
    assert all(trained < month < len(MONTHS) - 1 for trained, month, _ in asked)
    histories = {month: history for _, month, history in asked if history is not None}
    newest = histories[5]
    assert newest.champion_trained_on == MONTHS[4]
    assert [run.as_of_cur for run in newest.earlier] == MONTHS[4:0:-1], "newest first, nothing of what is to come"
    assert [(run.signalled, run.triggered) for run in newest.earlier] == [
        (True, True),
        (True, False),
        (True, False),
        (False, False),
    ]
