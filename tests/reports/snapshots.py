"""What Evidently gives for two small months."""

from functools import cache

import numpy as np
import pandas as pd

# First, because it silences what Evidently warns about at its import.
import driftgate.drift.evidently_adapter  # noqa: F401


@cache
def snapshot_text() -> str:
    """The snapshot of a real report on two columns, as `Snapshot.dumps` gives it."""
    import warnings

    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    rng = np.random.default_rng(0)
    frames = [
        pd.DataFrame({"hours": rng.normal(mean, 1, 300), "plan": rng.choice(["a", "b"], 300).astype(object)})
        for mean in (0.0, 1.0)
    ]
    definition = DataDefinition(numerical_columns=["hours"], categorical_columns=["plan"])
    ref, cur = (Dataset.from_pandas(frame, data_definition=definition) for frame in frames)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return str(Report([DataDriftPreset()]).run(cur, ref).dumps())
