"""One engine for each offline store: months are listed, counted, sampled and joined to labels where the data live.

Feast makes the point-in-time join, Ibis expressions do the rest. An engine says how its store reads a source, what it
gives Feast as entities, and how it runs the join. No engine imports feast before it needs it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import cast

from driftgate.errors import ConfigurationError
from driftgate.features.engines.engine import Engine
from driftgate.features.repository import offline_store

__all__ = ["ENGINES", "Engine", "open_engine"]

# A repository of the type `file`, which is Feast's `dask`, is joined by Feast's DuckDB store: both read FileSources.
ENGINES = {"postgres": "postgres", "duckdb": "duckdb", "file": "duckdb", "dask": "duckdb", "spark": "spark"}


@contextmanager
def open_engine(repo: Path) -> Iterator[Engine]:
    """Open the engine of a repository's offline store, connected within the block.

    Raises:
        ConfigurationError: Driftgate has no engine for it, or a package that it needs is not installed.
        FeastRepositoryError: feature_store.yaml is missing or unreadable.
        DatabaseError: PostgreSQL refuses or cannot be reached.
    """
    store = offline_store(repo)
    if store.kind not in ENGINES:
        raise ConfigurationError(
            f"{repo / 'feature_store.yaml'} names the offline store {store.kind!r}, which Driftgate has no engine for",
            allowed=", ".join(name for name in ENGINES if name != "dask"),
            remedy="keep them in one of these, or add an engine: see `driftgate docs how-to/add-an-offline-store`",
        )
    name = ENGINES[store.kind]
    try:
        module = import_module(f"driftgate.features.engines.{name}")
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"the offline store {store.kind!r} needs the package {error.name}, which is not installed",
            remedy=f"pip install 'driftgate[{name}]'",
        ) from error
    with module.open_engine(store) as engine:
        yield cast(Engine, engine)
