"""The dashboard of a monitor's project in the Evidently UI."""

import hashlib
import uuid
from typing import Any

from driftgate.measures import Measure

METRIC = "evidently:metric_v2:"
"""What Evidently's names of metrics begin with."""

_PanelText = tuple[str, str, str, str, dict[str, str]]
# Title, subtitle, size, kind, and the legend of each metric. No counters: the UI shows a zero there as "no value".
_PANELS: tuple[_PanelText, ...] = (
    (
        "Drift share by month",
        "Drifted features over declared features. Retraining is due from the threshold on.",
        "full",
        "line",
        {"DriftgateDriftShare": "drift share", "DriftgateThreshold": "threshold"},
    ),
    (
        "Drift score by feature and month",
        "Each by its own method: a distance drifts from its threshold on, a p-value below it. See the reports.",
        "full",
        "line",
        {"ValueDrift": "{{column}}"},
    ),
    (
        "Target drift by month",
        "Difference of the label's rates, where the labels allow it.",
        "half",
        "bar",
        {"DriftgateTargetDrift": "target drift"},
    ),
    (
        "Drifted features by month",
        "Of the declared features.",
        "half",
        "bar",
        {"DriftgateDriftedFeatures": "drifted features"},
    ),
)


def measure_titles(rule: Measure) -> tuple[tuple[str, str], ...]:
    """Name and title of the metrics of the model: then, now, its drop, and the threshold of that."""
    stem, word = f"Driftgate{''.join(part.title() for part in rule.name.split('_'))}", rule.drop_word
    return (
        (f"{stem}Reference", f"{rule.short} then"),
        (f"{stem}Current", f"{rule.short} now"),
        (f"{stem}Drop", f"{word.title()} of the {rule.short}"),
        (f"{stem}DropThreshold", f"Threshold of that {word}"),
    )


def _performance_panels(rule: Measure) -> tuple[_PanelText, ...]:
    """In a project with a month that was measured: an empty plot would only raise questions."""
    ref, cur, drop, threshold = (name for name, _ in measure_titles(rule))
    word = rule.drop_word
    how = "Now minus then, in parts of then" if rule.lower_is_better else "Then minus now"
    return (
        (
            f"{rule.short[:1].upper()}{rule.short[1:]} by month",
            f"{rule.description}. Then: on entities kept apart in its own training.",
            "half",
            "line",
            {cur: f"{rule.short} now", ref: f"{rule.short} then"},
        ),
        (
            f"{word.title()} of the {rule.short} by month",
            f"{how}. Retraining is due above the threshold, if the 95% interval lies above zero.",
            "half",
            "line",
            {drop: word, threshold: "threshold"},
        ),
    )


def id_of(name: str) -> uuid.UUID:
    """An id that follows from the name alone, and that SQL can make: `md5(name)::uuid`."""
    return uuid.UUID(hashlib.md5(name.encode(), usedforsecurity=False).hexdigest())


def dashboard(monitor: str, *, measured: Measure | None) -> dict[str, Any]:
    """The dashboard as Evidently stores it; with panels on the measure where a month was measured by one."""
    # Second: below the share that most decisions rest on, above the many features.
    texts = (_PANELS[0], *(_performance_panels(measured) if measured else ()), *_PANELS[1:])
    panels = [_panel(monitor, *item) for item in texts]
    return {
        "tabs": [{"id": str(id_of(f"{monitor}/tab")), "title": "Drift", "panels": [item["id"] for item in panels]}],
        "panels": panels,
    }


def _panel(monitor: str, title: str, subtitle: str, size: str, kind: str, metrics: dict[str, str]) -> dict[str, Any]:
    values = [
        {
            "legend": legend,
            "tags": [],
            "metadata": {},
            "metric": METRIC + metric,
            "metric_labels": {},
            "view_params": {},
        }
        for metric, legend in metrics.items()
    ]
    return {
        "id": str(id_of(f"{monitor}/{title}")),
        "title": title,
        "subtitle": subtitle,
        "size": size,
        "values": values,
        "plot_params": {"plot_type": kind},
    }
