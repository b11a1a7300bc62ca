"""What the sources of a month hold: enough to say whether they are as they were, without a point-in-time join."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import reduce
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa

from driftgate.errors import ConfigurationError, FeastRepositoryError
from driftgate.features.description import ServiceDescription, ViewDescription
from driftgate.features.engines.engine import Engine, Rows
from driftgate.features.entities import MonthSize, in_days, measure_month, moment_of, month_entities
from driftgate.features.types import DeclaredFeature
from driftgate.monitors import Monitor

if TYPE_CHECKING:
    import ibis.expr.types as ir

_PRIME = 2**31 - 1


@dataclass(frozen=True)
class ViewState:
    """What the source of a feature view holds for a month.

    Attributes:
        rows: that the month can read.
        newest_event: timestamp of the newest of them; None where there is none.
        newest_created: the same of the column that says when a row was written, where the source has one.
        content: digest of these rows' values, in any order; empty for a month of more than `max_report_rows` entities.
    """

    rows: int
    newest_event: datetime | None = None
    newest_created: datetime | None = None
    content: str = ""


@dataclass(frozen=True)
class MeasuredFrom:
    """What a profile was measured from; it is used again while this holds.

    Attributes:
        entities: rows of the entity source in the month.
        views: by name.
        schema: type of each declared feature, and of its column in the source, by name.
        versions: whatever else the figures depend on: the monitor's settings, the feature service, this release.
        keys: digest of the entities' keys, in any order; empty for a month of more than `max_report_rows` entities.
    """

    entities: int
    views: Mapping[str, ViewState] = field(default_factory=dict)
    schema: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    keys: str = ""

    def differences(self, now: "MeasuredFrom") -> list[str]:
        """What is no longer as it was, in words; empty where the profile still holds."""
        found = [f"{now.entities} entities instead of {self.entities}"] if now.entities != self.entities else []
        found += ["there are other entities"] if not found and now.keys != self.keys else []
        for what, then, later in (
            ("view", self.views, now.views),
            ("feature", self.schema, now.schema),
            ("version of", self.versions, now.versions),
        ):
            names = sorted(name for name in then.keys() | later.keys() if then.get(name) != later.get(name))
            found += [f"{what} {name} has changed" for name in names]
        return found

    def to_dict(self) -> dict[str, Any]:
        """The same in JSON's types."""
        views = {
            name: {
                "rows": view.rows,
                "newest_event": view.newest_event and view.newest_event.isoformat(),
                "newest_created": view.newest_created and view.newest_created.isoformat(),
                "content": view.content,
            }
            for name, view in self.views.items()
        }
        return {
            "entities": self.entities,
            "views": views,
            "schema": dict(self.schema),
            "versions": dict(self.versions),
            "keys": self.keys,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_dict` gave."""
        views = {
            name: ViewState(
                view["rows"], _moment(view["newest_event"]), _moment(view["newest_created"]), view["content"]
            )
            for name, view in data["views"].items()
        }
        return cls(data["entities"], views, data["schema"], data["versions"], data["keys"])


def _moment(content: str | None) -> datetime | None:
    return datetime.fromisoformat(content) if content is not None else None


@dataclass(frozen=True)
class MonthState:
    """A month as its sources hold it now.

    Attributes:
        declared: every feature of the service, in its order.
        absent: declared features whose column the source does not have.
    """

    size: MonthSize
    declared: tuple[DeclaredFeature, ...]
    absent: tuple[str, ...]
    measured_from: MeasuredFrom

    def stale_views(self, previous: date | None) -> tuple[str, ...]:
        """Return the views without a row in the days (previous, as_of]; none where there is no month before."""
        if previous is None:
            return ()
        views = self.measured_from.views.items()
        return tuple(name for name, view in views if view.newest_event is None or view.newest_event.date() <= previous)


@dataclass(frozen=True)
class View:
    """A view of a service, and the rows of its source."""

    described: ViewDescription
    rows: Rows

    @property
    def name(self) -> str:
        """What the service calls it."""
        return self.described.name

    def month(self, as_of: date) -> "ir.Table":
        """Return the rows that the join of a month can read."""
        return self.rows.table.filter(in_days(moment_of(self.rows), as_of - self.described.life, as_of))


def open_views(engine: Engine, service: ServiceDescription) -> list[View]:
    """Return the views of a service that read a table, query or file.

    Raises:
        FeastRepositoryError: a source cannot be read.
    """
    views = []
    for view in service.views:
        try:
            views.append(View(view, engine.source_rows(view.source)))
        except ConfigurationError as error:
            raise FeastRepositoryError(
                f"the source of the feature view {view.name!r}: {error.received}",
                remedy="correct the sources of the Feast repository, then `driftgate apply`",
            ) from error
    return views


def absent_columns(views: Sequence[View], service: ServiceDescription) -> tuple[str, ...]:
    """Return the declared features whose column the source of their view does not have."""
    columns = {view.name: set(view.rows.table.columns) for view in views}
    return tuple(
        item.name for item in service.declared if item.view in columns and service.plain(item) not in columns[item.view]
    )


def read_states(
    engine: Engine, service: ServiceDescription, monitor: Monitor, months: Sequence[date]
) -> dict[date, MonthState]:
    """Say what the sources of some months hold now.

    Raises:
        UnknownMonthError: a month has no rows.
        DataError: a key is NULL or occurs twice in a month.
        FeastRepositoryError: the source of a view cannot be read.
        DatabaseError: a query fails.
    """
    with engine.errors("looking at the sources of the months"):
        views = open_views(engine, service)
        absent = absent_columns(views, service)
        schema, versions = _schema(views, service), _versions(service, monitor)
        states = {}
        for as_of in months:
            size = measure_month(engine, monitor, as_of)
            held = {view.name: _view_state(engine, service, view, size) for view in views}
            found = MeasuredFrom(size.entities, held, schema, versions, _keys(engine, monitor, size))
            states[as_of] = MonthState(size, service.declared, absent, found)
    return states


def _view_state(engine: Engine, service: ServiceDescription, view: View, size: MonthSize) -> ViewState:
    month, moment = view.month(size.as_of), moment_of(view.rows)
    names = [*view.described.keys, *(service.plain(item) for item in service.declared if item.view == view.name)]
    created = view.described.source.created
    created = created if created in month.columns else None
    read = {name: month[name] for name in names if name in month.columns}
    read |= {"_moment": moment} | ({"_created": month[created]} if created else {})
    rows = month.select(**read)
    found = {"rows": rows.count(), "event": rows["_moment"].max()}
    found |= {"created": rows["_created"].max()} if created else {}
    found |= {} if size.sampled else {"content": _content(engine, rows)}
    answer = engine.arrow(rows.aggregate(**found))
    values = {name: _utc(answer.column(name)) for name in found}
    return ViewState(
        values["rows"], values["event"], values.get("created"), "" if size.sampled else str(values["content"])
    )


def _utc(column: pa.ChunkedArray) -> Any:
    """Return the only value; a date or timestamp as a datetime in UTC."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
    value = column[0].as_py()
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return datetime(value.year, value.month, value.day, tzinfo=UTC) if isinstance(value, date) else value


def _keys(engine: Engine, monitor: Monitor, size: MonthSize) -> str:
    if size.sampled:
        return ""
    entities = month_entities(engine, monitor, size)
    return str(engine.arrow(entities.aggregate(content=_content(engine, entities)))["content"][0].as_py())


def _content(engine: Engine, rows: "ir.Table") -> "ir.Scalar":
    """Return a digest of rows in any order: the sum of a hash of each."""
    texts = [_as_text(rows[name]) for name in sorted(rows.columns)]
    whole = reduce(lambda before, after: before + "\x1f" + after, texts)
    return (engine.hashed(whole) % _PRIME).sum()


def _as_text(column: "ir.Column") -> Any:
    kind = column.type()
    if kind.is_binary() or kind.is_struct() or kind.is_map() or kind.is_json():
        # No feature is compared by it, except that it is there.
        column = column.notnull()
    return column.cast("string").fill_null("\x1e")


def _schema(views: Sequence[View], service: ServiceDescription) -> dict[str, str]:
    columns = {view.name: view.rows.table.schema() for view in views}
    schema = {}
    for item in service.declared:
        there = columns.get(item.view, {})
        schema[item.name] = f"{item.dtype} from {there.get(service.plain(item), 'nothing')}"
    return schema


def _versions(service: ServiceDescription, monitor: Monitor) -> dict[str, str]:
    settings = {
        "entity": monitor.entity.model_dump(mode="json"),
        "feature_service": monitor.feature_service,
        "max_report_rows": monitor.max_report_rows,
        "sample_seed": monitor.sample_seed,
    }
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    return {"the monitor's settings": digest, "the feature service": service.digest}
