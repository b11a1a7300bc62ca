"""Settings from the environment: defaults, values, refusals, and secrets that stay secret."""

import os
import pickle
import traceback
from pathlib import Path

import pytest

from driftgate.errors import ConfigurationError
from driftgate.settings import DatabaseSettings, Settings, project_root

NAMES = (
    *(f"POSTGRES_{field.upper()}" for field in DatabaseSettings.model_fields),
    *(field.upper() for field in Settings.model_fields),
)


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project root with nothing set, as the current folder."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "monitors.toml").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_defaults(project: Path) -> None:
    settings = Settings.load()
    assert settings.report_dir == project / "reports" / "evidently"
    assert settings.feast_repo == project / "feature_repo"
    assert settings.driftgate_home == project / ".driftgate"
    assert settings.driftgate_data == project / "data"
    assert settings.driftgate_monitors == project / "flows" / "monitors.toml"
    database = settings.database
    assert (database.host, database.port, database.user, database.db) == (None, 5432, "driftgate", "driftgate")
    assert (database.password.get_secret_value(), database.sslmode) == ("", "prefer")


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"HOST": "db", "PORT": "6543", "USER": "ada", "PASSWORD": "p@ss", "DB": "features", "SSLMODE": "require"}
    for name, value in given.items():
        monkeypatch.setenv(f"POSTGRES_{name}", value)
    monkeypatch.setenv("REPORT_DIR", "/reports/evidently")
    settings = Settings.load()
    database = settings.database
    assert (database.host, database.port, database.user) == ("db", 6543, "ada")
    assert (database.db, database.sslmode) == ("features", "require")
    assert database.password.get_secret_value() == "p@ss"
    assert settings.report_dir == Path("/reports/evidently")


def test_the_password_may_be_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The line end that editors and `echo` leave is not a part of it."""
    (tmp_path / "password").write_text("p@ss word\n")
    monkeypatch.setenv("POSTGRES_PASSWORD_FILE", str(tmp_path / "password"))
    for beside in ("", "p@ss word"):
        monkeypatch.setenv("POSTGRES_PASSWORD", beside)
        assert Settings.load().database.password.get_secret_value() == "p@ss word"


@pytest.mark.parametrize(
    ("password", "file", "said"), [("", "absent", "cannot be read.*absent"), ("p@ss", "password", "differ")]
)
def test_a_password_that_is_given_twice_or_cannot_be_read_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, password: str, file: str, said: str
) -> None:
    (tmp_path / "password").write_text("other")
    monkeypatch.setenv("POSTGRES_PASSWORD", password)
    monkeypatch.setenv("POSTGRES_PASSWORD_FILE", str(tmp_path / file))
    with pytest.raises(ConfigurationError, match=f"POSTGRES_PASSWORD_FILE.*{said}") as raised:
        Settings.load()
    assert "p@ss" not in str(raised.value)


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch, project: Path) -> None:
    for name in NAMES:
        monkeypatch.setenv(name, "")
    settings = Settings.load()
    assert settings.database.host is None
    assert settings.database.port == 5432
    assert settings.report_dir == project / "reports" / "evidently"


@pytest.mark.parametrize("value", ["streamflow", "postgresql://u:hush@h/d", '{"host": "elsewhere"}', "["])
def test_a_variable_called_database_belongs_to_somebody_else(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE", value)
    monkeypatch.setenv("POSTGRES_HOST", "db")
    assert Settings.load().database.host == "db"


def test_bad_values_are_named_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTGRES_PORT", "many")
    monkeypatch.setenv("POSTGRES_SSLMODE", "maybe")
    with pytest.raises(ConfigurationError) as caught:
        Settings.load()
    assert "POSTGRES_PORT='many': " in str(caught.value)
    assert "POSTGRES_SSLMODE='maybe': " in str(caught.value)
    assert caught.value.exit_code == 3
    assert "`driftgate docs reference/settings`" in caught.value.remedy


@pytest.mark.parametrize("port", ["1", "65535"])
def test_the_ends_of_the_range_are_allowed(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTGRES_PORT", port)
    assert Settings.load().database.port == int(port)


def test_a_password_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTGRES_PASSWORD", "hush-hush")
    settings = Settings.load()
    shown = [settings, settings.database, settings.database.password]
    for thing in shown:
        assert "hush-hush" not in f"{thing!r} {thing}"
    assert "hush-hush" not in settings.model_dump_json() + settings.database.model_dump_json()
    assert pickle.loads(pickle.dumps(settings)).database.password.get_secret_value() == "hush-hush"
    monkeypatch.setenv("POSTGRES_PORT", "many")
    with pytest.raises(ConfigurationError) as caught:
        Settings.load()
    assert "hush-hush" not in "".join(traceback.format_exception(caught.value))


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings.load().report_dir = Path("elsewhere")


def test_relative_paths_are_taken_from_the_project_root(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    below = project / "flows" / "deep"
    below.mkdir()
    monkeypatch.chdir(below)
    monkeypatch.setenv("REPORT_DIR", "here/../there")
    monkeypatch.setenv("DRIFTGATE_HOME", "~/state")
    monkeypatch.setenv("HOME", "/home/ada")
    settings = Settings.load()
    assert settings.report_dir == project / "there"
    assert settings.driftgate_home == Path("/home/ada/state")
    assert settings.driftgate_monitors == project / "flows" / "monitors.toml"


def test_models_and_predictions_are_in_the_home_unless_they_are_set(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PREDICTION_DIR", "MLFLOW_ARTIFACTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DRIFTGATE_HOME", "/srv/home")
    settings = Settings.load()
    assert settings.prediction_dir == Path("/srv/home/predictions")
    assert settings.mlflow_artifacts == Path("/srv/home/mlartifacts")
    monkeypatch.setenv("PREDICTION_DIR", "predictions")
    assert Settings.load().prediction_dir == project / "predictions"


def test_the_project_root_is_the_nearest_with_a_monitors_file(project: Path, tmp_path: Path) -> None:
    inner = project / "a" / "b"
    (inner / "flows").mkdir(parents=True)
    assert project_root(inner) == project
    (inner / "flows" / "monitors.toml").touch()
    assert project_root(inner / "flows") == inner


def test_a_monitors_file_that_init_wrote_comes_before_that_of_the_flows(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "monitors.toml").touch()
    assert Settings.load().driftgate_monitors == project / "monitors.toml"
    monkeypatch.setenv("DRIFTGATE_MONITORS", "flows/monitors.toml")
    assert Settings.load().driftgate_monitors == project / "flows" / "monitors.toml"
    (project / "flows" / "monitors.toml").unlink()
    (project / "below").mkdir()
    assert project_root(project / "below") == project


def test_without_a_monitors_file_the_root_is_the_checkout(tmp_path_factory: pytest.TempPathFactory) -> None:
    nowhere = tmp_path_factory.mktemp("nowhere")
    assert project_root(nowhere) == Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("kind", [Settings, DatabaseSettings])
def test_every_setting_is_described(kind: type[Settings] | type[DatabaseSettings]) -> None:
    undescribed = [name for name, field in kind.model_fields.items() if not field.description and name != "database"]
    assert undescribed == []


@pytest.mark.parametrize("name", ["DRIFTGATE_HOME", "REPORT_DIR"])
@pytest.mark.parametrize(
    ("value", "said"), [("~nosuchuser/x", "no home folder"), (os.fsdecode(b"/srv/\xff"), "must be UTF-8")]
)
def test_a_path_that_is_none_is_refused_by_its_variable(
    name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=f"{name}='.*{said}") as caught:
        Settings.load()
    # It can be written anywhere.
    str(caught.value).encode()


@pytest.mark.parametrize("value", ["/dev/zero", "~nosuchuser/password"])
def test_a_password_file_that_never_ends_or_is_nowhere_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTGRES_PASSWORD_FILE", value)
    with pytest.raises(ConfigurationError, match="POSTGRES_PASSWORD_FILE cannot be read"):
        Settings.load()
