"""The made-up subscribers behind the sample months: who they are, how they change, who leaves.

A population is a dict of arrays of shape (users,), one row a subscriber: traits that stay (contract, base fee),
counters that grow (months_active, total_paid) and latent draws. A month's figures are those latent draws seen through
the month's `Regime`, so a subscriber stays recognisable from month to month while the month shifts everybody.

Every draw is a plain uniform from a stream of its own, named by seed, month and concern: another column leaves the
others as they were, and nothing rests on how a release of numpy draws its normal or Poisson numbers.
"""

import math
import zlib
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamflow.sample_regimes import CALM, Regime, regime_of

Array = NDArray[Any]
Columns = dict[str, Array]

# Text of the coded columns, by code; code -1 is a blank.
CATEGORIES: dict[str, tuple[str, ...]] = {
    "user_gender": ("Female", "Male"),
    "plan_stream_tv": ("False", "True"),
    "plan_stream_movies": ("False", "True"),
    "contract_type": ("Month-to-month", "One year", "Two year"),
    "net_service": ("DSL", "Fiber optic", "No"),
}
NO_INTERNET = CATEGORIES["net_service"].index("No")
SESSION_MINUTES = 29.141045  # the source reports one constant for everybody
MAX_MONTHS_ACTIVE = 72
TURNOVER_SHARE = 0.01
DAYS_PER_MONTH = 30.44

CONTRACT_SHARES = (0.550, 0.209, 0.241)
# By contract: shares of DSL, Fiber optic and No; share with streaming; quantiles of months_active at TENURE_LEVELS.
SERVICE_SHARES = ((0.316, 0.549, 0.135), (0.387, 0.366, 0.247), (0.370, 0.253, 0.377))
STREAMING_SHARES = (0.39, 0.59, 0.72)
TENURE_LEVELS = (0.0, 0.10, 0.25, 0.50, 0.75, 0.90, 1.0)
TENURE_QUANTILES = ((0, 1, 3, 12, 29, 46, 73), (0, 15, 27, 44, 58, 67, 73), (0, 27, 48, 64, 71.5, 72.5, 73))
# By service: share with paperless billing, base fee, share with a telephone line and its fee, add-ons of 5 on average.
PAPERLESS_SHARES = (0.55, 0.77, 0.29)
BASE_FEE = (25.0, 70.0, 20.0)
LINE_SHARE, LINE_FEE = (0.70, 0.0, 0.0), 20.0
ADD_ON_MEAN, ADD_ON_FEE = (1.75, 1.40, 0.22), 5.0
STREAMING_FEE = 10.5

UNIFORM_LATENTS = ("unique_devices", "skips", "rebuffer_events", "failed_payments", "support_tickets")
NORMAL_LATENTS = ("watch_hours", "resolution_hours")


@dataclass(frozen=True)
class Streams:
    """Independent streams of uniform draws in [0, 1), one per concern of a month."""

    seed: int
    month: int

    def uniform(self, concern: str, count: int) -> Array:
        """Uniform draws of this concern, float64 of shape (count,)."""
        return self._generator(concern).random(count)

    def normal(self, concern: str, count: int) -> Array:
        """Nearly standard normal draws of shape (count,): twelve uniforms summed, so never beyond 6."""
        generator = self._generator(concern)
        total = np.full(count, -6.0)
        for _ in range(12):
            total += generator.random(count)
        return total

    def _generator(self, concern: str) -> np.random.Generator:
        key = (self.month, zlib.crc32(concern.encode()))
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence(self.seed, spawn_key=key)))


def first_subscribers(users: int, seed: int, as_of: date) -> Columns:
    """The population of the first month: `users` rows, some of them subscribed for years."""
    return _subscribers(users, 0, Streams(seed, 0), as_of, CALM)


def next_month(people: Columns, churned: Array, month: int, seed: int, as_of: date) -> Columns:
    """The population a month on: a hundredth leaves, the rest ages a month and pays, as many join.

    Args:
        people: last month's population.
        churned: last month's labels, bool of shape (users,); those who leave are taken from these first.
        month: index of the month to come, from 1.
        seed: seed of the whole sample.
        as_of: end of the month to come, the latest possible signup date.
    """
    streams, regime = Streams(seed, month), regime_of(month)
    users = len(churned)
    leavers = round(users * TURNOVER_SHARE)
    queue = np.argsort(streams.uniform("leaving", users) + ~churned, kind="stable")
    stays = np.ones(users, dtype=bool)
    stays[queue[:leavers]] = False
    kept = {name: values[stays] for name, values in people.items()}
    kept["months_active"] = np.minimum(kept["months_active"] + 1, MAX_MONTHS_ACTIVE)
    kept["total_paid"] = np.round(kept["total_paid"] + _fee(kept, regime), 2)
    for name, fresh in _latents(len(kept["number"]), streams).items():
        redrawn = streams.uniform(f"redraw {name}", len(fresh)) < regime.redrawn_share
        kept[name] = np.where(redrawn, fresh, kept[name])
    joiners = _subscribers(leavers, int(people["number"].max()) + 1, streams, as_of, regime)
    return {name: np.concatenate([values, joiners[name]]) for name, values in kept.items()}


def month_columns(people: Columns, month: int, seed: int) -> Columns:
    """All source columns of a month by name except user_id, each of shape (users,); text columns as int8 codes."""
    streams, regime = Streams(seed, month), regime_of(month)
    kept = ("signup_date", "user_is_senior", "has_family", "has_dependents", "months_active", "paperless_billing")
    columns = {name: people[name] for name in (*kept, *CATEGORIES, "total_paid")}
    columns["monthly_fee"] = _fee(people, regime)
    watch = np.clip(people["watch_hours"] * 6.75 + regime.watch_hours_mean, 0, None)
    columns["watch_hours_30d"] = np.round(watch, 4)
    columns["avg_session_mins_7d"] = np.full(len(watch), SESSION_MINUTES)
    columns["unique_devices_30d"] = _pick(people["unique_devices"], regime.device_shares) + 1
    columns["skips_7d"] = _poisson(people["skips"], regime.skips_mean, most=20)
    columns["rebuffer_events_7d"] = _poisson(people["rebuffer_events"], regime.rebuffer_mean, most=15)
    columns["failed_payments_90d"] = _pick(people["failed_payments"], regime.failed_payment_shares)
    columns["support_tickets_90d"] = _poisson(people["support_tickets"], regime.tickets_mean, most=4)
    hours = np.clip(people["resolution_hours"] * 3.9 + regime.resolution_hours_mean, 1, None)
    columns["ticket_avg_resolution_hrs_90d"] = np.round(hours, 1)
    columns["churn_label"] = _churned(columns, regime, streams.uniform("churn", len(watch)))
    return columns


def _subscribers(count: int, first_number: int, streams: Streams, as_of: date, regime: Regime) -> Columns:
    """`count` new rows; in the first month (number 0) with a past, later with 0 or 1 months."""

    def uniform(concern: str) -> Array:
        return streams.uniform(f"new {concern}", count)

    contract = _pick(uniform("contract"), CONTRACT_SHARES)
    service = _pick_by(contract, uniform("service"), SERVICE_SHARES)
    tenure = uniform("tenure")
    months = _tenure(contract, tenure) if first_number == 0 else (tenure * 2).astype(np.int64)
    television = uniform("television") < np.take(STREAMING_SHARES, contract)
    own_taste = uniform("movies") < np.take(STREAMING_SHARES, contract)
    movies = np.where(uniform("same taste") < 0.435, television, own_taste)
    days = (months * DAYS_PER_MONTH + uniform("signup") * 30).astype("timedelta64[D]")
    people = {
        "number": np.arange(first_number, first_number + count, dtype=np.int64),
        "signup_date": np.datetime64(as_of) - days,
        "user_gender": (uniform("gender") < 0.505).astype(np.int8),
        "user_is_senior": uniform("senior") < 0.162,
        "has_family": uniform("family") < 0.483,
        "has_dependents": uniform("dependents") < 0.300,
        "months_active": months,
        "contract_type": contract,
        "net_service": service,
        "paperless_billing": uniform("paperless") < np.take(PAPERLESS_SHARES, service),
        "plan_stream_tv": np.where(service == NO_INTERNET, -1, television).astype(np.int8),
        "plan_stream_movies": np.where(service == NO_INTERNET, -1, movies).astype(np.int8),
        **_latents(count, streams, prefix="new "),
    }
    people["base_fee"] = _base_fee(people, streams)
    drift = streams.normal("new paid", count) * np.minimum(months / 12, 1.1)
    people["total_paid"] = np.round(np.clip(months + drift, 0, None) * _fee(people, regime) * (months > 0), 2)
    return people


def _latents(count: int, streams: Streams, prefix: str = "") -> Columns:
    """The latent draws behind a month's figures, each of shape (count,)."""
    latents = {name: streams.uniform(prefix + name, count) for name in UNIFORM_LATENTS}
    return latents | {name: streams.normal(prefix + name, count) for name in NORMAL_LATENTS}


def _tenure(contract: Array, draws: Array) -> Array:
    """Months subscribed, 0 to 72, of shape (users,): many new by the month, many old by two years."""
    months = np.select(
        [contract == code for code in range(len(TENURE_QUANTILES))],
        [np.interp(draws, TENURE_LEVELS, quantiles) for quantiles in TENURE_QUANTILES],
    )
    return np.minimum(np.floor(months), MAX_MONTHS_ACTIVE).astype(np.int64)


def _base_fee(people: Columns, streams: Streams) -> Array:
    """Fee a month before any price rise, 18.25 to 118.75, of shape (users,): a mode per bundle of services."""
    service, count = people["net_service"], len(people["number"])
    line = streams.uniform("new line", count) < np.take(LINE_SHARE, service)
    draws = streams.uniform("new add-ons", count)
    add_ons = np.select(
        [service == code for code in range(len(ADD_ON_MEAN))], [_poisson(draws, mean, most=5) for mean in ADD_ON_MEAN]
    )
    streaming = (people["plan_stream_tv"] == 1).astype(np.int64) + (people["plan_stream_movies"] == 1)
    fee: Array = np.take(BASE_FEE, service) + LINE_FEE * line + ADD_ON_FEE * add_ons + STREAMING_FEE * streaming
    fee += 0.6 * streams.normal("new fee", count)
    return np.clip(fee, 18.25, 118.75)


def _fee(people: Columns, regime: Regime) -> Array:
    """Fee of the month in steps of 0.05, of shape (users,)."""
    return np.round(people["base_fee"] * regime.price_factor * 20) / 20


def _churned(columns: Columns, regime: Regime, draws: Array) -> Array:
    """Labels by the logistic relation of the month, bool of shape (users,).

    Logistic noise on the logit and a cut at the wanted rate: a logistic model whose intercept is always the right one.
    """
    weights = regime.leaving
    logit = (
        weights.tenure * (columns["months_active"] - 32.4) / 24.6
        + weights.fee * (columns["monthly_fee"] - 64.8) / 30.1
        + weights.watch * (columns["watch_hours_30d"] - 29.6) / 6.75
        + np.take(weights.contract, columns["contract_type"])
        + weights.failed_payment * columns["failed_payments_90d"]
        + weights.ticket * columns["support_tickets_90d"]
        + weights.rebuffer * columns["rebuffer_events_7d"]
    )
    draws = np.clip(draws, 1e-12, 1 - 1e-12)
    order = np.argsort(logit + np.log(draws / (1 - draws)), kind="stable")
    churned = np.zeros(len(order), dtype=bool)
    churned[order[len(order) - round(len(order) * regime.churn_rate) :]] = True
    return churned


def _pick(draws: Array, shares: tuple[float, ...]) -> Array:
    """Codes 0, 1, ... with these shares, int64 of shape (users,); more of a draw never means a lower code."""
    return np.searchsorted(np.cumsum(shares)[:-1], draws, side="right")


def _pick_by(group: Array, draws: Array, shares: tuple[tuple[float, ...], ...]) -> Array:
    """Codes with the shares of each row's group, int64 of shape (users,)."""
    codes: Array = np.select([group == code for code in range(len(shares))], [_pick(draws, row) for row in shares])
    return codes


def _poisson(draws: Array, mean: float, most: int) -> Array:
    """Poisson counts by inverse distribution function, 0 to `most`, int64 of shape (users,)."""
    return _pick(draws, tuple(math.exp(-mean) * mean**count / math.factorial(count) for count in range(most + 1)))
