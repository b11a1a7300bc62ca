"""Drift verdicts and a retraining gate for models on a Feast feature store."""

import os

__version__ = "0.1.0"

# The threads that fit trees wait for each other thousands of times. By default they do so at full speed, and beside any
# other busy process a fit takes many times as long; OpenMP reads this once, before scikit-learn is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def __getattr__(name: str) -> object:
    # Only who compares pays for pyarrow and numpy; `import driftgate` itself stays quick.
    if name == "compare":
        from driftgate.library import compare

        return compare
    raise AttributeError(f"module 'driftgate' has no attribute {name!r}")
