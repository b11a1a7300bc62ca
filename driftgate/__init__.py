"""Drift verdicts and a retraining gate for models on a Feast feature store."""

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    # Only who compares pays for pyarrow and numpy; `import driftgate` itself stays quick.
    if name == "compare":
        from driftgate.drift.library import compare

        return compare
    raise AttributeError(f"module 'driftgate' has no attribute {name!r}")
