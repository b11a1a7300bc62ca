"""What a sample month does to its subscribers: the calm start, the nudge of the second month, the shift of the third.

Only numbers; `sample_model` turns them into rows.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Leaving:
    """Weights of the logit of leaving; tenure, fee and watch per standard deviation, the counts per event."""

    tenure: float
    fee: float
    watch: float
    contract: tuple[float, float, float]
    failed_payment: float
    ticket: float
    rebuffer: float


@dataclass(frozen=True)
class Regime:
    """What a month does to everybody: means in the unit of the column, shares by value, and who leaves."""

    churn_rate: float
    leaving: Leaving
    price_factor: float
    watch_hours_mean: float
    resolution_hours_mean: float
    skips_mean: float
    rebuffer_mean: float
    tickets_mean: float
    device_shares: tuple[float, float, float]
    failed_payment_shares: tuple[float, float, float]
    redrawn_share: float


CALM = Regime(
    churn_rate=0.265,
    leaving=Leaving(
        tenure=-0.9, fee=0.8, watch=-0.7, contract=(0.7, -0.3, -0.9), failed_payment=0.5, ticket=0.5, rebuffer=0.2
    ),
    price_factor=1.0,
    watch_hours_mean=29.6,
    resolution_hours_mean=10.0,
    skips_mean=5.05,
    rebuffer_mean=2.3,
    tickets_mean=0.30,
    device_shares=(0.334, 0.333, 0.333),
    failed_payment_shares=(0.847, 0.145, 0.008),
    redrawn_share=0.05,
)
NUDGED = replace(
    CALM,
    churn_rate=0.24,
    watch_hours_mean=29.2,
    rebuffer_mean=2.6,
    tickets_mean=0.35,
    failed_payment_shares=(0.825, 0.162, 0.013),
)
# A price rise and a strained network: the fee says more now, and loyal and heavy viewers leave before newcomers.
SHIFTED = replace(
    CALM,
    churn_rate=0.40,
    leaving=Leaving(
        tenure=0.5, fee=0.9, watch=0.6, contract=(0.0, 0.0, 0.0), failed_payment=0.5, ticket=0.5, rebuffer=0.2
    ),
    price_factor=1.10,
    watch_hours_mean=25.5,
    resolution_hours_mean=12.5,
    skips_mean=6.2,
    rebuffer_mean=3.5,
    tickets_mean=0.90,
    device_shares=(0.17, 0.28, 0.55),
    failed_payment_shares=(0.64, 0.29, 0.07),
)
SETTLED = replace(SHIFTED, churn_rate=0.39, watch_hours_mean=25.7, rebuffer_mean=3.45, tickets_mean=0.87)


def regime_of(month: int) -> Regime:
    """Regime of the month with this index: calm, nudged, then shifted and settled by turns (the new normal).

    >>> [regime_of(month).churn_rate for month in range(6)]
    [0.265, 0.24, 0.4, 0.39, 0.4, 0.39]
    """
    return (CALM, NUDGED)[month] if month < 2 else (SHIFTED, SETTLED)[month % 2]
