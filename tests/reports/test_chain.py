"""The decisions of a pair in words."""

from datetime import UTC, datetime

import pytest

from driftgate.decision import PastDecision
from driftgate.reports.chain import chain_text
from driftgate.store.record import EarlierRecord, RunRecord
from tests.reports.runs import finished

TRIGGERED = "RETRAINING_TRIGGERED"


def past(verdict: str, champion: str | None, *codes: str, withdrawn: bool = False) -> PastDecision:
    return PastDecision(datetime(2024, 3, 1, tzinfo=UTC), verdict, champion, codes, withdrawn)


@pytest.mark.parametrize(
    ("decisions", "words"),
    [
        ([past("NO_ACTION", "1")], ""),
        ([past(TRIGGERED, "1"), past("NO_ACTION", "2")], "triggered under v1, v2 promoted, fine since"),
        (
            [past(TRIGGERED, "1"), past("NO_ACTION", "2", "champion_knows", "auc_drop")],
            "triggered under v1, v2 promoted, fine since",
        ),
        ([past("NO_ACTION", None), past(TRIGGERED, None)], "no action, triggered without a model"),
        ([past(TRIGGERED, "1"), past(TRIGGERED, "1")], "triggered under v1"),
        (
            [past(TRIGGERED, "1"), past("NO_ACTION", "2"), past(TRIGGERED, "1")],
            "triggered under v1, v2 promoted, fine since, back to v1, triggered under v1",
        ),
        (
            [past(TRIGGERED, "1"), past("NO_ACTION", "1", "cooldown", "drift_share")],
            "triggered under v1, held back (retrained lately)",
        ),
        (
            [past(TRIGGERED, "1", withdrawn=True), past("NO_ACTION", "1")],
            "triggered under v1, withdrawn, fine since",
        ),
    ],
)
def test_a_chain_reads_as_a_sentence(decisions: list[PastDecision], words: str) -> None:
    *earlier, last = decisions
    update = {
        "earlier": tuple(map(EarlierRecord.of, earlier)),
        "verdict": last.verdict,
        "champion": last.champion,
        "reason_codes": last.reason_codes,
    }
    assert chain_text(RunRecord.of(finished()).model_copy(update=update)) == words
