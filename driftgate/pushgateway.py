"""Metrics of finished flow runs, pushed to a Pushgateway, because a flow ends long before anything could scrape it.

A group of the Pushgateway is one flow of one monitor. A success replaces its group whole, so that a column that is gone
leaves no series behind; a failure adds to it, so that the time of the last success stays.
"""

import logging
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from http.client import HTTPException
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry, Gauge, push_to_gateway, pushadd_to_gateway

from driftgate.decision import HeldBack, Verdict
from driftgate.drift.result import ColumnResult, ColumnState, DriftResult
from driftgate.features.skew import Skew
from driftgate.run import Run

MONITOR_FLOW, TRAIN_FLOW, PREDICT_FLOW = "monitor_month", "train_month", "predict_month"
RETRAIN_FLOW, SKEW_FLOW = "train_and_compare", "check_skew"

METRICS = {
    "driftgate_drift_share": "Drifted columns over declared features.",
    "driftgate_drift_threshold": "Drift share from which to retrain.",
    "driftgate_target_drift": "How far the label's rate, mean or classes moved; absent where it is not computable.",
    "driftgate_target_threshold": "Target drift from which to retrain; absent where the monitor has none.",
    "driftgate_column_score": "Score of the column's drift test: a distance or a p-value, as the method says.",
    "driftgate_column_drifted": "1 where the column counts as drifted.",
    "driftgate_column_state": "1 for the state that the column is in, 0 for the others.",
    "driftgate_column_missing_share": "Share of missing values in the current month.",
    "driftgate_decision": "1 for the verdict that was reached, 0 for the others.",
    "driftgate_rows_compared": "Entities that were compared, of the reference (ref) and the current month (cur).",
    "driftgate_run_duration_seconds": "How long the run took.",
    "driftgate_last_success_timestamp_seconds": "When the last run that succeeded ended, as Unix time.",
    "driftgate_last_run_failed": "1 where the last run failed.",
    "driftgate_champion_metric": "Validation metrics of the champion.",
    "driftgate_performance_drop": "Loss of AUC since the model's own validation, or rise of the RMSE in parts of it.",
    "driftgate_performance_drop_low": "Lower end of the 95% interval of driftgate_performance_drop.",
    "driftgate_performance_threshold": "Drop beyond which to retrain, in the unit of driftgate_performance_drop.",
    "driftgate_retrain_gain": "What a model trained on the current month would bring: AUC, or part of the RMSE saved.",
    "driftgate_retrain_gain_low": "Lower end of the 95% interval of driftgate_retrain_gain.",
    "driftgate_held_back": "1 for the rule that keeps a signal from triggering, 0 for the others.",
    "driftgate_skew_share": "Entities whose served features differ from the offline join, over those compared.",
    "driftgate_skew_threshold": "Share above which there is skew.",
    "driftgate_skew_entities": "Entities whose served features were compared with the offline join.",
    "driftgate_skew_mismatches": "Entities of which this feature is served with another value.",
    "driftgate_promotion_warnings": "What is wrong with the version that was promoted: the number of warnings.",
}
"""Everything that is pushed, with its help text."""

_JOB = "driftgate"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sample:
    """One value of one series; `labels` are those beside the group's own."""

    name: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Champion:
    """The model version that serves, with its metrics on the validation entities, such as {"auc": 0.82}."""

    model_version: str
    metrics: Mapping[str, float]


def push_monitor_run(url: str | None, run: Run, duration_seconds: float) -> None:
    """Push what a run of `monitor_month` found.

    Args:
        url: of the Pushgateway; None pushes nothing.
        run: with a decision, already published.
        duration_seconds: of the whole run.
    """
    samples = [*monitor_samples(run), *_success(duration_seconds, run.decided_at)]
    _push(url, MONITOR_FLOW, run.monitor.name, samples, replace=True)


def push_training(
    url: str | None, monitor: str, duration_seconds: float, ended_at: datetime, champion: Champion | None = None
) -> None:
    """Push that `train_month` succeeded.

    Args:
        url: of the Pushgateway; None pushes nothing.
        monitor: its name.
        duration_seconds: of the whole run.
        ended_at: with a time zone.
        champion: the version that serves now, which need not be the one just trained. None leaves what is known of it.
    """
    samples = [*champion_samples(champion), *_success(duration_seconds, ended_at)]
    _push(url, TRAIN_FLOW, monitor, samples, replace=champion is not None)


def push_promotion(url: str | None, monitor: str, version: str, warnings: int) -> None:
    """Push how many warnings there were about a version that was promoted.

    Args:
        url: of the Pushgateway; None pushes nothing.
        monitor: its name.
        version: that was promoted.
        warnings: their number.
    """
    sample = Sample("driftgate_promotion_warnings", warnings, {"model_version": version})
    _push(url, RETRAIN_FLOW, monitor, [sample], replace=True)


def push_predictions(url: str | None, monitor: str, duration_seconds: float, ended_at: datetime) -> None:
    """Push that `predict_month` succeeded. What it scored is in the table `prediction_monitoring`."""
    _push(url, PREDICT_FLOW, monitor, _success(duration_seconds, ended_at), replace=True)


def push_skew(url: str | None, skew: Skew, duration_seconds: float, ended_at: datetime) -> None:
    """Push what a run of `check_skew` found.

    Args:
        url: of the Pushgateway; None pushes nothing.
        skew: of the month that is served.
        duration_seconds: of the whole run.
        ended_at: with a time zone.
    """
    samples = [*skew_samples(skew), *_success(duration_seconds, ended_at)]
    _push(url, SKEW_FLOW, skew.monitor, samples, replace=True)


def push_failure(
    url: str | None,
    flow: str,
    monitor: str,
    duration_seconds: float,
    column_states: Mapping[str, str] | None = None,
) -> None:
    """Push that a run failed; the time of the last success and what that run found stay as they are.

    Args:
        url: of the Pushgateway; None pushes nothing.
        flow: `MONITOR_FLOW`, `TRAIN_FLOW`, `PREDICT_FLOW` or `SKEW_FLOW`.
        monitor: its name.
        duration_seconds: until it failed.
        column_states: a `ColumnState` for every declared feature, where the run got so far. A run that fails because a
            column is gone is the only one that can say so.
    """
    samples = [
        Sample("driftgate_last_run_failed", 1),
        Sample("driftgate_run_duration_seconds", duration_seconds),
        *(sample for name, state in (column_states or {}).items() for sample in _states(name, state)),
    ]
    _push(url, flow, monitor, samples, replace=False)


def monitor_samples(run: Run) -> list[Sample]:
    """What a run found, as samples; what is not a finite number is left out."""
    drift, monitor = run.drift, run.monitor
    samples = [
        Sample("driftgate_drift_share", drift.drift_share),
        Sample("driftgate_drift_threshold", monitor.threshold),
        Sample("driftgate_target_drift", run.target.abs_diff),
        Sample(
            "driftgate_target_threshold", math.nan if monitor.target_threshold is None else monitor.target_threshold
        ),
        Sample("driftgate_performance_drop", run.performance.drop if run.performance.measured else math.nan),
        Sample(
            "driftgate_performance_drop_low", run.performance.drop_interval[0] if run.performance.measured else math.nan
        ),
        Sample("driftgate_performance_threshold", monitor.performance_drop),
        Sample("driftgate_retrain_gain", run.performance.gain.value),
        Sample("driftgate_retrain_gain_low", run.performance.gain.low),
        *_one_of("driftgate_held_back", "code", HeldBack, run.decision.held_back_code),
        *_rows(drift),
        *_one_of("driftgate_decision", "verdict", Verdict, run.decision.verdict),
        *(sample for column in drift.columns for sample in _column(column)),
    ]
    return _finite(samples)


def champion_samples(champion: Champion | None) -> list[Sample]:
    """The champion's metrics as samples; what is not a finite number is left out."""
    if champion is None:
        return []
    return _finite(
        Sample("driftgate_champion_metric", value, {"metric": name, "model_version": champion.model_version})
        for name, value in champion.metrics.items()
    )


def skew_samples(skew: Skew) -> list[Sample]:
    """What a check of served features found, as samples; a source without entities has no share."""
    samples = [Sample("driftgate_skew_threshold", skew.threshold)]
    for item in skew.sources:
        source = {"source": str(item.source)}
        samples.append(Sample("driftgate_skew_entities", item.compared, source))
        if item.share is not None:
            samples.append(Sample("driftgate_skew_share", item.share, source))
        samples += [
            Sample("driftgate_skew_mismatches", found.entities, {**source, "column": found.feature})
            for found in item.mismatches
        ]
    return samples


def _success(duration_seconds: float, ended_at: datetime) -> list[Sample]:
    return [
        Sample("driftgate_run_duration_seconds", duration_seconds),
        Sample("driftgate_last_success_timestamp_seconds", ended_at.astimezone(UTC).timestamp()),
        Sample("driftgate_last_run_failed", 0),
    ]


def _rows(drift: DriftResult) -> Iterator[Sample]:
    for month, rows in (("ref", drift.compared_rows_ref), ("cur", drift.compared_rows_cur)):
        yield Sample("driftgate_rows_compared", rows, {"month": month})


def _one_of(name: str, label: str, kinds: type[StrEnum], found: str | None, **others: str) -> Iterator[Sample]:
    """1 for the kind that was found, 0 for the others."""
    for each in kinds:
        yield Sample(name, each == found, {**others, label: str(each)})


def _column(column: ColumnResult) -> Iterator[Sample]:
    labels = {"column": column.name}
    yield Sample("driftgate_column_score", column.score, {**labels, "method": column.method})
    yield Sample("driftgate_column_drifted", column.drifted, labels)
    yield Sample("driftgate_column_missing_share", column.missing_cur, labels)
    yield from _states(column.name, column.state)


def _states(column: str, state: str) -> Iterator[Sample]:
    return _one_of("driftgate_column_state", "state", ColumnState, state, column=column)


def _finite(samples: Iterable[Sample]) -> list[Sample]:
    """An absent series says "not known"; a NaN would be stored, drawn and compared."""
    return [sample for sample in samples if math.isfinite(sample.value)]


def _registry(samples: Iterable[Sample]) -> CollectorRegistry:
    registry = CollectorRegistry()
    gauges: dict[str, Gauge] = {}
    for sample in samples:
        if sample.name not in gauges:
            gauges[sample.name] = Gauge(sample.name, METRICS[sample.name], tuple(sample.labels), registry=registry)
        gauge = gauges[sample.name]
        (gauge.labels(**sample.labels) if sample.labels else gauge).set(sample.value)
    return registry


def _push(
    url: str | None, flow: str, monitor: str, samples: Iterable[Sample], *, replace: bool, timeout_seconds: float = 5
) -> None:
    """Send the samples. Metrics are about a run and never its result, so whatever fails here is a warning."""
    if url is None:
        return
    push = push_to_gateway if replace else pushadd_to_gateway
    group = {"flow": flow, "monitor": monitor}
    try:
        push(url, job=_JOB, registry=_registry(samples), grouping_key=group, timeout=timeout_seconds)
    except (OSError, HTTPException, ValueError) as error:
        # The address may hold a password, which such an error repeats.
        reason = str(error) if isinstance(error, OSError) else "PUSHGATEWAY_URL is not an address"
        _log.warning(
            "the metrics of %s for %s did not reach the Pushgateway at %s: %s", flow, monitor, _host(url), reason
        )


def _host(url: str) -> str:
    """The address without what could be secret.

    >>> _host("http://user:secret@pushgateway:9091/x"), _host("pushgateway:9091")
    ('pushgateway:9091', 'pushgateway:9091')
    """
    try:
        netloc = urlsplit(url if "//" in url else f"//{url}").netloc
    except ValueError:
        return "PUSHGATEWAY_URL"
    return netloc.rpartition("@")[2]
