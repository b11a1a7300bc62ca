"""What is monitored: the typed content of monitors.toml."""

import tomllib
from collections.abc import Mapping
from datetime import date, time
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticKnownError

from driftgate.conditions import parse_condition
from driftgate.errors import ConfigurationError, UsageError, bounded
from driftgate.files import read_named
from driftgate.methods import METHODS


def _known_method(name: object) -> object:
    if not isinstance(name, str) or name not in METHODS:
        *names, last = (repr(known) for known in METHODS)
        raise PydanticKnownError("literal_error", {"expected": f"{', '.join(names)} or {last}"})
    return name


def _readable_condition(text: str) -> str:
    parse_condition(text)
    return text


Share = Annotated[float, Field(ge=0.0, le=1.0)]
# A table may be qualified by its schema; both parts are quoted before they reach SQL.
TableName = Annotated[str, Field(pattern=r"^[^.\"\x00-\x1f]+(\.[^.\"\x00-\x1f]+)?\z")]
ColumnName = Annotated[str, Field(min_length=1, pattern=r"^[^\"\x00-\x1f]+\z")]
MethodName = Annotated[str, BeforeValidator(_known_method)]
ConditionText = Annotated[str, AfterValidator(_readable_condition)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class _Rows(_Section):
    """Rows somewhere: a table of the offline store, or a data source of the Feast repository."""

    table: TableName | None = Field(None, description="Table or view of an SQL store, optionally schema.table")
    source: str | None = Field(None, min_length=1, description="Data source of the Feast repository, by its name")

    @property
    def place(self) -> str:
        """The table or source, for messages."""
        return self.table or self.source or ""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.table is None) == (self.source is None):
            given = "both `table` and `source` are" if self.table else "neither `table` nor `source` is"
            raise ValueError(
                f"{given} given, and exactly one is needed: source = a data source of the Feast repository, or "
                "table = a table of its SQL store"
            )
        return self


class EntitySource(_Rows):
    """The rows that say which entities exist at which time."""

    key: ColumnName = Field(description="Column that identifies the entity")
    timestamp: ColumnName | None = Field(
        None, description="Column of the snapshot time, a date or a timestamp; by default that of the data source"
    )
    join_key: ColumnName | None = Field(None, description="Feast join key, where it is not called like the column")
    group: ColumnName | None = Field(
        None, description="Column that says which entities depend on each other, such as the day of a flight"
    )

    @model_validator(mode="after")
    def _a_table_needs_its_timestamp(self) -> Self:
        if self.table is not None and self.timestamp is None:
            raise ValueError("a table needs `timestamp`, the column of the snapshot time; a `source` says it itself")
        return self

    @property
    def feast_key(self) -> str:
        """The name under which Feast expects the key."""
        return self.join_key or self.key


class Label(_Rows):
    """What the model predicts. Without a time, target drift is not computable."""

    column: ColumnName = Field(description="The label: boolean, numeric, or text for classes")
    key: ColumnName | None = Field(None, description="Column of the entity key; by default that of the entity")
    timestamp: ColumnName | None = Field(
        None, description="Column of the period, equals the snapshot's date; by default that of the data source"
    )
    expected: ConditionText | None = Field(
        None,
        description="Which entities get a label at all: a boolean column of theirs, a condition on one column, or "
        "`learnt` from past months; by default every one",
    )

    @property
    def keyed_by_period(self) -> bool:
        """Whether something says which period a label is of."""
        return self.timestamp is not None or self.source is not None


class ColumnRule(_Section):
    """Overrides for one feature."""

    method: MethodName | None = Field(None, description="Drift method, instead of the one chosen by type and size")
    threshold: float | None = Field(None, ge=0.0, description="Drift from this score on; for a p-value, below it")


class Monitor(_Section):
    """One monitor: where its entities, features and labels are, and when to retrain."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", description="The table's heading in monitors.toml")
    entity: EntitySource
    feature_service: str = Field(min_length=1, description="Feast feature service; its features are the denominator")
    label: Label | None = None
    model: str | None = Field(
        None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="Registered model that reads these features"
    )
    threshold: Share = Field(0.3, description="Retrain when at least this share of the features drifts")
    false_alarm_rate: float = Field(
        0.01, gt=0.0, le=0.2, description="A month without change triggers at most this often, whatever is compared"
    )
    target_threshold: float | None = Field(None, gt=0.0, description="Retrain when the target drifts at least this far")
    performance: Literal["auto", "off"] = Field(
        "auto", description="Whether the model is held against the current month's labels"
    )
    performance_drop: float = Field(
        0.05,
        gt=0.0,
        le=1.0,
        description="Retrain when the AUC falls, or the RMSE rises in parts of itself, by more and surely so",
    )
    min_label_share: Share = Field(
        0.9, gt=0.0, description="Below this share of labelled entities what needs labels is pending"
    )
    min_auc: Share | None = Field(None, description="A challenger with a lower AUC, or macro AUC, is not promoted")
    max_error: float | None = Field(
        None, gt=0.0, description="A challenger of a numeric label with a greater RMSE is not promoted"
    )
    require_gain: bool = Field(
        False, description="Whether a trigger needs a gain of retraining that is surely positive, where one is measured"
    )
    retrain_cost: float | None = Field(None, gt=0.0, description="What one retraining costs, in any money")
    error_cost: float | None = Field(
        None,
        gt=0.0,
        description="In the same money: cost of an AUC lower by 1, or an RMSE twice as high, for one entity and month",
    )
    payback_months: int = Field(
        12, ge=1, description="With both costs and `require_gain`: a gain must be able to pay for a retraining in these"
    )
    retrain: Literal["simulated", "deployment", "off"] = Field(
        "simulated", description="What a trigger does: a message, a run of train_and_compare, or nothing but an event"
    )
    confirmations: int = Field(1, ge=1, description="So many of the last `confirmation_window` runs must signal")
    confirmation_window: int = Field(1, ge=1, description="How many runs are looked at, this one included")
    own_past: bool = Field(
        True, description="Whether a change of the data that the monitor's own past explains triggers nothing"
    )
    cooldown_days: int = Field(0, ge=0, description="Days of data after a trigger in which there is no other")
    missing_threshold: Share = Field(
        0.1, gt=0.0, description="A feature drifts when its share of missing values moves by this much"
    )
    on_incomparable: Literal["fail", "count_as_drift"] = Field(
        "fail", description="What a feature that cannot be compared does to the run"
    )
    min_rows: int = Field(100, ge=2, description="Values a feature needs in each month to be compared")
    max_report_rows: int = Field(
        100_000, ge=1000, description="Above this many entities a side, a seeded sample of this size is compared"
    )
    sample_seed: int = Field(0, ge=0, description="Seed of that sample")
    skew_threshold: Share = Field(
        0.0, description="Skew where more than this share of the entities is served other features than are learnt"
    )
    feast_repo: Path | None = Field(
        None, strict=False, description="Feast repository of this monitor, instead of FEAST_REPO"
    )
    report_folder: str | None = Field(None, description="Folder below REPORT_DIR; by default the monitor's name")
    segments: list[ColumnName] = Field(
        default_factory=list,
        description="Features whose values are the segments in which a drop is looked for; by default all",
    )
    columns: dict[str, ColumnRule] = Field(default_factory=dict, description="Overrides by feature")
    notify: list[SecretStr] = Field(
        default_factory=list, description="Addresses, as Apprise has them, that are told; ${NAME} is a variable's value"
    )

    @model_validator(mode="after")
    def _report_folder_stays_inside(self) -> Self:
        folder = Path(self.report_folder or self.name)
        if folder.is_absolute() or ".." in folder.parts or not str(folder).isprintable():
            raise ValueError(f"report_folder {str(folder)!r} must stay below REPORT_DIR")
        return self

    @model_validator(mode="after")
    def _retraining_has_a_model(self) -> Self:
        if self.retrain == "deployment" and self.model is None:
            raise ValueError('retrain = "deployment" needs a key `model` that says which model to train')
        return self

    @model_validator(mode="after")
    def _groups_have_distances(self) -> Self:
        wrong = [name for name, rule in self.columns.items() if rule.method and METHODS[rule.method].p_value]
        if self.entity.group and wrong:
            raise ValueError(
                f"columns.{wrong[0]}.method is {self.columns[wrong[0]].method}, whose p-value is of entities that "
                "stand alone, and entity.group says that they do not; choose a distance"
            )
        return self

    @model_validator(mode="after")
    def _confirmations_fit(self) -> Self:
        if self.confirmations > self.confirmation_window:
            raise ValueError(
                f"confirmations {self.confirmations} of confirmation_window {self.confirmation_window} never come true"
            )
        return self

    @model_validator(mode="after")
    def _costs_come_together(self) -> Self:
        if (self.retrain_cost is None) != (self.error_cost is None):
            given, other = ("retrain_cost", "error_cost") if self.error_cost is None else ("error_cost", "retrain_cost")
            raise ValueError(f"{given} is given without {other}, and the two are weighed against each other")
        return self

    @property
    def signal_level(self) -> float:
        """The share of `false_alarm_rate` for each signal that is on: drift share, performance, target drift."""
        signals = 1 + (self.performance != "off") + (self.target_threshold is not None)
        return self.false_alarm_rate / signals

    def with_threshold(self, threshold: float | None) -> "Monitor":
        """The same monitor with another drift-share threshold; None keeps the configured one.

        Raises:
            UsageError: the threshold is not a number in [0, 1].
        """
        if threshold is None:
            return self
        require_share(threshold)
        return self.model_copy(update={"threshold": threshold})


def require_share(threshold: float) -> None:
    """Check that a threshold given by a caller is a share.

    Raises:
        UsageError: it is not a number in [0, 1].
    """
    if not 0.0 <= threshold <= 1.0:
        raise UsageError(
            f"threshold {threshold} is not a share",
            allowed="a number from 0 to 1",
            remedy="for 30 percent of the features write 0.3",
        )


def usable_monitor(content: Mapping[str, Any], otherwise: str) -> Monitor:
    """Return the monitor that these keys describe.

    Args:
        content: keys of monitors.toml, and the name.
        otherwise: what the error begins with.

    Raises:
        ConfigurationError: a key or value is not allowed; each is named.
    """
    try:
        return Monitor.model_validate(content)
    except ValidationError as error:
        lines = [_line(item["loc"], item["type"], item["msg"], item["input"]) for item in error.errors()]
        raise ConfigurationError(
            f"{otherwise}\n  - " + "\n  - ".join(lines[:20]),
            remedy="correct these keys; `driftgate docs reference/monitors` explains each",
        ) from error


_MOST_SHOWN_CHARS = 80
_SECTIONS: dict[str, type[BaseModel]] = {"entity": EntitySource, "label": Label, "columns": ColumnRule}


def _line(place: tuple[int | str, ...], kind: str, message: str, value: object) -> str:
    """What is wrong with a key; of one that does not exist, which it may have been meant to be."""
    name = ".".join(str(part) for part in place)
    if kind != "extra_forbidden":
        # An address of notify holds a secret, and what is wrong within a section has lines of its own.
        shown = name and place[0] != "notify" and isinstance(value, str | int | float | date | time | list)
        return f"{name}: {message}" + (f", not {repr(value)[:_MOST_SHOWN_CHARS]}" if shown else "")
    section = Monitor if len(place) == 1 else _SECTIONS.get(str(place[0]), Monitor)
    keys = [key for key in section.model_fields if key != "name"]
    meant = get_close_matches(str(place[-1]), keys, n=1)
    return f"{name}: there is no such key" + (f"; did you mean {meant[0]!r}?" if meant else f" but {', '.join(keys)}")


def read_monitors(path: Path) -> dict[str, Monitor]:
    """All monitors of a file, by name. A relative `feast_repo` is taken from the file's folder.

    Raises:
        ConfigurationError: the file is missing, is not TOML, or holds a key or value that is not allowed.
    """
    try:
        tables = tomllib.loads(read_named(path))
    except FileNotFoundError as error:
        raise ConfigurationError(
            f"there is no monitors file at {path}",
            remedy="`driftgate init` writes one, or set DRIFTGATE_MONITORS to where it is",
        ) from error
    except RecursionError as error:
        raise ConfigurationError(
            f"{path} cannot be read: its brackets are nested too deep", remedy="correct the file"
        ) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}", remedy="correct the file") from error
    monitors = {name: _monitor(path, name, table) for name, table in tables.items()}
    folders: dict[Path, str] = {}
    for name, monitor in monitors.items():
        folder = Path(monitor.report_folder or name)
        if folder in folders:
            raise ConfigurationError(
                f"{path}: the monitors {folders[folder]!r} and {name!r} both write to report_folder {str(folder)!r}",
                allowed="a folder of its own for each monitor, as their files are named alike",
                remedy="remove report_folder from one of them",
            )
        folders[folder] = name
    return monitors


def read_monitor(path: Path, name: str | None) -> Monitor:
    """The monitor called `name`; without a name the only one of the file.

    Raises:
        ConfigurationError: the file is unusable, or holds no monitor where none is named.
        UsageError: the file has no such monitor, or several where none is named; the message names those it has.
    """
    monitors = read_monitors(path)
    known = bounded(sorted(monitors))
    if name is not None:
        if name not in monitors:
            meant = get_close_matches(name, monitors, n=1)
            remedy = f"did you mean {meant[0]!r}?" if meant else ""
            raise UsageError(f"there is no monitor {name!r} in {path}", allowed=known, remedy=remedy)
        return monitors[name]
    if not monitors:
        raise ConfigurationError(f"there is no monitor in {path}", remedy="describe one there; the README says how")
    if len(monitors) > 1:
        raise UsageError(
            f"no monitor is named, and {path} holds {len(monitors)}",
            allowed=known,
            remedy="name one: --monitor of a command, the parameter `monitor` of a flow, API_MONITOR of the service",
        )
    return next(iter(monitors.values()))


def monitor_name(path: Path, name: str | None) -> str:
    """The name itself, or that of the only monitor in the file; a name that is given is not looked up.

    Raises:
        as `read_monitor` without a name.
    """
    return read_monitor(path, None).name if name is None else name


def _monitor(path: Path, name: str, table: object) -> Monitor:
    if not isinstance(table, dict):
        raise ConfigurationError(f"{path}: {name} is not a table", remedy=f"begin it with [{name}]")
    if "name" in table:
        raise ConfigurationError(
            f"{path}: monitor {name!r} is not usable\n  - name: a monitor is named by its heading",
            remedy="remove the key, or rename the heading",
        )
    monitor = usable_monitor({**table, "name": name}, f"{path}: monitor {name!r} is not usable")
    if monitor.feast_repo is not None and not monitor.feast_repo.is_absolute():
        monitor = monitor.model_copy(update={"feast_repo": (path.parent / monitor.feast_repo).resolve()})
    return monitor
