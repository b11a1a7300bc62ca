"""What is disturbed: each command, the state that it begins with, and what it is killed under."""

from dataclasses import dataclass

from tests.chaos.contents import change_database
from tests.chaos.place import Place

MONTHS, USERS = 4, 700
_LOADED, _SERVED = "loaded", "served"
_EMPTY_ONLINE = tuple(
    f"TRUNCATE streamflow_{view}"
    for view in ("subs_profile_fv", "usage_agg_30d_fv", "payments_agg_90d_fv", "support_agg_90d_fv")
)


@dataclass(frozen=True)
class Operation:
    """A command that may be killed.

    Attributes:
        template: state that it begins with.
        before: statements that take the template back to where the command has something to do.
        answers: whether standard output is the same each time, as a verdict is.
        beside: further commands that run at the same time; nothing is killed then.
    """

    name: str
    arguments: tuple[str, ...]
    template: str = _SERVED
    before: tuple[str, ...] = ()
    answers: bool = False
    beside: tuple[tuple[str, ...], ...] = ()


OPERATIONS = {
    operation.name: operation
    for operation in (
        Operation("ingest", ("ingest", "data/month_003", "--as-of", "2024-04-30")),
        Operation("profile", ("profile", "--all"), _LOADED, ("TRUNCATE month_profiles, profile_grids",)),
        Operation("monitor", ("monitor",), answers=True),
        Operation("train", ("train",), _LOADED),
        Operation("retrain", ("retrain",)),
        Operation("predict", ("predict",)),
        Operation("materialize", ("materialize",), _LOADED, ("TRUNCATE online_views", *_EMPTY_ONLINE)),
        Operation("backfill", ("backfill", "--reports", "none"), _LOADED),
        Operation("serve", ("serve", "--workers", "2")),
        Operation(
            "six",
            ("monitor",),
            beside=(
                ("monitor",),
                ("predict",),
                ("profile", "--all", "--again"),
                ("materialize",),
                ("ingest", "data/month_002", "--as-of", "2024-03-31"),
            ),
        ),
    )
}


def make_templates(place: Place, wanted: list[Operation], prefect_api: str) -> None:
    """Make the state that each operation begins with: months loaded, and a champion trained where one is needed."""
    wanted = [operation for operation in wanted if not (place.templates / operation.name).exists()]
    if not (place.templates / _LOADED).exists():
        _load_months(place, prefect_api)
    if any(operation.template == _SERVED for operation in wanted) and not (place.templates / _SERVED).exists():
        place.restore(_LOADED)
        place.run(("train", "--as-of", "2024-01-31"), "train", PREFECT_API_URL=prefect_api)
        place.save(_SERVED)
    for operation in wanted:
        place.restore(operation.template)
        if operation.before:
            change_database(place.home, operation.before)
            place.end_all()
        place.save(operation.name)


def _load_months(place: Place, prefect_api: str) -> None:
    from streamflow.sample import write_sample_months

    write_sample_months(place.data, months=MONTHS, users=USERS, seed=1)
    last, aside = place.data / f"month_{MONTHS - 1:03d}", place.base / "last"
    last.rename(aside)
    place.clear()
    place.run(("load",), "load", PREFECT_API_URL=prefect_api)
    place.save(_LOADED)
    aside.rename(last)
