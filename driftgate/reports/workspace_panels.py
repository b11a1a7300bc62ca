"""The dashboard of a monitor's project in the Evidently UI."""

import hashlib
import uuid
from typing import Any

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
# In a project with a month that was measured: an empty plot would only raise questions.
_PERFORMANCE_PANELS: tuple[_PanelText, ...] = (
    (
        "AUC by month",
        "How well the model ranks: 1 is perfect, 0.5 is chance. Then: on entities kept apart in its own training.",
        "half",
        "line",
        {"DriftgateAucCurrent": "AUC now", "DriftgateAucReference": "AUC then"},
    ),
    (
        "Fall of the AUC by month",
        "Then minus now. Retraining is due above the threshold, if the 95% interval lies above zero.",
        "half",
        "line",
        {"DriftgateAucDrop": "fall", "DriftgateAucDropThreshold": "threshold"},
    ),
)


def id_of(name: str) -> uuid.UUID:
    """An id that follows from the name alone, and that SQL can make: `md5(name)::uuid`."""
    return uuid.UUID(hashlib.md5(name.encode(), usedforsecurity=False).hexdigest())


def dashboard(monitor: str, *, measured: bool) -> dict[str, Any]:
    """The dashboard as Evidently stores it; with the panels on performance where a month was measured."""
    # Second: below the share that most decisions rest on, above the many features.
    texts = (_PANELS[0], *(_PERFORMANCE_PANELS if measured else ()), *_PANELS[1:])
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
