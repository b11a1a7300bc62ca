"""Settings from the environment. Only flows and services build them; library functions receive values."""

from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import Field, PrivateAttr, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from driftgate.errors import ConfigurationError
from driftgate.files import read_named

_MONITORS = (Path("monitors.toml"), Path("flows/monitors.toml"))
"""Where a project says what is monitored; the first that is there counts. `driftgate init` writes the first."""

_IN_HOME = {"mlflow_artifacts": "mlartifacts", "prediction_dir": "predictions"}
"""Folders that are in DRIFTGATE_HOME unless they are set, by their setting."""

_MOST_SHOWN_CHARS = 80

S = TypeVar("S", bound=BaseSettings)


class DatabaseSettings(BaseSettings):
    """The PostgreSQL server. Without POSTGRES_HOST an embedded one is started under DRIFTGATE_HOME."""

    model_config = SettingsConfigDict(env_prefix="POSTGRES_", frozen=True, env_ignore_empty=True)

    host: str | None = Field(None, description="PostgreSQL host; unset means the embedded server")
    port: int = Field(5432, ge=1, le=65535, description="PostgreSQL port")
    user: str = Field("driftgate", description="PostgreSQL role")
    password: SecretStr = Field(SecretStr(""), description="Password of that role")
    password_file: Path | None = Field(None, description="File that holds the password instead")
    db: str = Field("driftgate", description="Database that holds features, labels and results")
    sslmode: str = Field(
        "prefer",
        pattern="^(disable|allow|prefer|require|verify-ca|verify-full)$",
        description="TLS mode of the connection, as libpq understands it",
    )

    @model_validator(mode="before")
    @classmethod
    def _read_password(cls, values: Any) -> Any:
        """Take the password from its file. Feast's environment sets both, which then agree."""
        if not (file := values.get("password_file")):
            return values
        try:
            password = read_named(Path(file).expanduser()).strip()
        except (OSError, RuntimeError, UnicodeDecodeError) as error:
            raise ValueError(f"POSTGRES_PASSWORD_FILE cannot be read: {error}") from error
        if values.get("password") not in (None, "", password):
            raise ValueError("POSTGRES_PASSWORD and POSTGRES_PASSWORD_FILE differ; set one of them")
        return {**values, "password": password}


class PortSettings(BaseSettings):
    """Where the parts of `driftgate up` listen, all of them on 127.0.0.1 alone."""

    model_config = SettingsConfigDict(env_prefix="DRIFTGATE_", frozen=True, env_ignore_empty=True)

    pages_port: int = Field(8002, ge=1, le=65535, description="Port of Driftgate's own pages")
    ui_port: int = Field(4200, ge=1, le=65535, description="Port of Prefect")
    api_port: int = Field(8000, ge=1, le=65535, description="Port of the prediction service")
    evidently_port: int = Field(8001, ge=1, le=65535, description="Port of the Evidently UI")
    mlflow_port: int = Field(5000, ge=1, le=65535, description="Port of MLflow")

    @classmethod
    def load(cls) -> Self:
        """Read the environment.

        Raises:
            ConfigurationError: a variable has a value that is not allowed; every such variable is named.
        """
        return from_environment(cls, "ports from the environment")


class Settings(BaseSettings):
    """Where things are. Relative paths are taken from the project's root, see `project_root`."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True)

    report_dir: Path = Field(Path("reports/evidently"), description="Folder of the HTML and JSON reports")
    feast_repo: Path = Field(Path("feature_repo"), description="Folder of the Feast repository")
    driftgate_home: Path = Field(
        Path(".driftgate"), description="Embedded database, Prefect home and other state of this machine"
    )
    driftgate_data: Path = Field(Path("data"), description="Folder of the month folders that `driftgate load` loads")
    driftgate_monitors: Path = Field(
        Path("monitors.toml"), description="The file that says what is monitored; else flows/monitors.toml"
    )
    prediction_dir: Path = Field(
        Path(".driftgate/predictions"),
        description="Folder of the CSV files of batch predictions; by default in DRIFTGATE_HOME",
    )
    mlflow_artifacts: Path = Field(
        Path(".driftgate/mlartifacts"),
        description="Folder of the trained models, the same for all who train or serve; by default in DRIFTGATE_HOME",
    )
    evidently_workspace: Path = Field(
        Path("reports/workspace"), description="Folder of the Evidently workspace, which the Evidently UI shows"
    )
    driftgate_pages_url: str | None = Field(
        None, description="Where people reach the pages, for links; by default those of `driftgate up`, else the files"
    )
    driftgate_hosts: str = Field(
        "",
        pattern=r"^[A-Za-z0-9._:,\s-]*$",
        description="Names, with commas between them, that servers answer to beside localhost and any address",
    )
    pushgateway_url: str | None = Field(
        None, description="Pushgateway that gets the metrics of flows; unset means none"
    )

    @field_validator("*", mode="after")
    @classmethod
    def _expand(cls, value: Any) -> Any:
        """A path with the home folder of its user, and of characters that programs can hand on."""
        if not isinstance(value, Path):
            return value
        try:
            str(value).encode()
            return value.expanduser()
        except RuntimeError as error:
            raise ValueError("no home folder of that user is known; name the folder in full") from error
        except UnicodeEncodeError as error:
            raise ValueError("a path must be UTF-8") from error

    # A field would be filled from DATABASE, a variable that other programs set.
    _database: DatabaseSettings = PrivateAttr(default_factory=DatabaseSettings)

    @property
    def database(self) -> DatabaseSettings:
        """The PostgreSQL server."""
        return self._database

    def variables(self) -> dict[str, str]:
        """Environment variables that name the same places from any working directory."""
        return {name.upper(): str(value) for name, value in self if isinstance(value, Path)}

    @classmethod
    def load(cls) -> Self:
        """Read the environment.

        Raises:
            ConfigurationError: a variable has a value that is not allowed; every such variable is named.
        """
        settings = from_environment(cls, "settings from the environment")
        root = project_root(Path.cwd())
        paths = {
            name: (root / getattr(settings, name)).resolve()
            for name, field in cls.model_fields.items()
            if field.annotation is Path
        }
        if "driftgate_monitors" not in settings.model_fields_set:
            paths["driftgate_monitors"] = _monitors_below(root) or paths["driftgate_monitors"]
        for name, folder in _IN_HOME.items():
            if name not in settings.model_fields_set:
                paths[name] = paths["driftgate_home"] / folder
        return settings.model_copy(update=paths)


def from_environment(kind: type[S], what: str) -> S:
    """Read settings of one kind from the environment.

    Args:
        kind: class of the settings.
        what: they are called in the error.

    Raises:
        ConfigurationError: a variable has a value that is not allowed; every such variable is named.
    """
    try:
        return kind()
    except ValidationError as error:
        raise ConfigurationError(
            f"{what} are not usable: {_explain(kind, error)}",
            remedy="correct or unset these environment variables; `driftgate docs reference/settings` lists them",
        ) from error


def project_root(start: Path) -> Path:
    """The nearest folder at or above `start` that holds monitors.toml or flows/monitors.toml, else the checkout.

    Where this code is in no checkout, `start` itself.
    """
    for folder in (start, *start.parents):
        # That of a folder `flows` belongs to the folder above.
        if folder.name != "flows" and _monitors_below(folder):
            return folder
    checkout = Path(__file__).resolve().parents[1]
    return checkout if (checkout / "pyproject.toml").is_file() else start


def _monitors_below(root: Path) -> Path | None:
    return next((root / name for name in _MONITORS if (root / name).is_file()), None)


def _explain(kind: type[BaseSettings], error: ValidationError) -> str:
    # What is wrong with several variables together has no place of its own, and its text names them.
    return "; ".join(
        f"{_variable(kind, str(item['loc'][0]), item['input'])}: {item['msg']}" if item["loc"] else item["msg"]
        for item in error.errors()
    )


def _variable(kind: type[BaseSettings], field: str, value: object) -> str:
    # `Settings` make those of the database, and are told of their faults.
    owner = kind if field in kind.model_fields else DatabaseSettings
    name = f"{owner.model_config.get('env_prefix', '')}{field}".upper()
    secret = "Secret" in str(owner.model_fields[field].annotation)
    return name if secret or not isinstance(value, str) else f"{name}={value[:_MOST_SHOWN_CHARS]!r}"
