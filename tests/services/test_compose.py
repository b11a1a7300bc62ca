"""What docker-compose.yml promises, read from the file, and the scripts in the container; no Docker is needed."""

import doctest
import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ONE_SHOT = {
    name
    for service in SERVICES.values()
    for name, needed in service.get("depends_on", {}).items()
    if needed["condition"] == "service_completed_successfully"
}
LONG_RUNNING = sorted(set(SERVICES) - ONE_SHOT)
# Their entry points take the volume as root and then become a user of their own.
DROP_ROOT_THEMSELVES = {"postgres"}


def mounts(service: str) -> dict[str, str]:
    """Source and options by target."""
    parts = (entry.split(":") for entry in SERVICES[service].get("volumes", []))
    return {target: f"{source}:{':'.join(options)}" for source, target, *options in parts}


def plain(value: str) -> str:
    """The value with every `${NAME:-default}` replaced by its default."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)


def dockerfile_lines(keyword: str) -> list[str]:
    text = (ROOT / SERVICES["prefect"]["build"]["dockerfile"]).read_text(encoding="utf-8")
    return [line.removeprefix(keyword).strip() for line in text.splitlines() if line.startswith(f"{keyword} ")]


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_published_to_this_machine_only(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert str(port).startswith("127.0.0.1:"), port


def test_the_database_is_not_published() -> None:
    assert "ports" not in SERVICES["postgres"]


# ---- who reaches whom


def networks(service: str) -> set[str]:
    return set(SERVICES[service].get("networks", []))


def test_every_service_names_its_networks_and_none_is_in_a_common_one() -> None:
    used = set().union(*map(networks, SERVICES))
    assert used == set(COMPOSE["networks"])
    for name, service in SERVICES.items():
        assert networks(name) or service["network_mode"] == "none", name


@pytest.mark.parametrize("other", ["prefect", "mlflow", "pushgateway", "evidently", "grafana", "alertmanager"])
def test_the_prediction_service_reaches_neither_prefect_nor_mlflow(other: str) -> None:
    assert not networks("api") & networks(other)


def test_each_client_of_the_database_has_a_network_of_its_own_to_it() -> None:
    clients = {name: networks(name) & networks("postgres") for name in SERVICES if name != "postgres"}
    shared = [network for found in clients.values() for network in found]
    assert sorted(name for name, found in clients.items() if found) == ["api", "grafana", "mlflow", "prefect"]
    assert len(shared) == len(set(shared)) == 4
    assert all(COMPOSE["networks"][name] == {"internal": True} for name in networks("postgres"))


@pytest.mark.parametrize("name", SERVICES)
def test_a_published_port_is_on_a_network_that_can_be_published(name: str) -> None:
    if SERVICES[name].get("ports"):
        assert any(not (COMPOSE["networks"][network] or {}).get("internal") for network in networks(name))


# ---- bounds


@pytest.mark.parametrize("name", SERVICES)
def test_memory_processes_and_logs_are_bounded(name: str) -> None:
    service = SERVICES[name]
    assert re.fullmatch(r"[1-9]\d*[mg]", service["mem_limit"])
    assert 64 <= service["pids_limit"] <= 1024
    assert service["logging"] == {"driver": "json-file", "options": {"max-size": "10m", "max-file": "5"}}


@pytest.mark.parametrize("name", ["prefect", "api", "mlflow", "evidently"])
def test_what_imports_much_has_minutes_to_start(name: str) -> None:
    seconds = int(SERVICES[name]["healthcheck"]["start_period"].removesuffix("s"))
    assert seconds >= 600


def test_the_prediction_service_is_healthy_when_it_can_answer() -> None:
    assert "/ready" in SERVICES["api"]["healthcheck"]["test"][-1]


def test_answered_predictions_outlast_the_container() -> None:
    assert SERVICES["api"]["environment"]["API_LOG_MODE"] == "durable"
    home = SERVICES["api"]["environment"]["DRIFTGATE_HOME"]
    assert mounts("api")[f"{home}/spool"] == "spool:"


# ---- roles and secrets


def test_nothing_is_compiled_in_the_database() -> None:
    assert SERVICES["postgres"]["command"] == ["postgres", "-c", "jit=off"]


def test_each_service_has_its_own_role_and_sees_its_own_passwords_alone() -> None:
    from services.database.roles import ROLES
    from services.database.start import FOLDERS

    for name in ("prefect", "api", "mlflow"):
        environment = SERVICES[name]["environment"]
        role = environment["POSTGRES_USER"]
        assert FOLDERS[role] == name
        assert environment["POSTGRES_PASSWORD_FILE"] == f"/run/secrets/{role}"
    assert SERVICES["prefect"]["environment"]["PREFECT_DATABASE_PASSWORD_FILE"] == "/run/secrets/driftgate_prefect"
    for service in set(FOLDERS.values()):
        assert mounts(service)["/run/secrets"] == f"secrets-{service}:ro"
        assert mounts("roles-init")[f"/secrets/{service}"] == f"secrets-{service}:"
        holders = [name for name in SERVICES if f"secrets-{service}:" in " ".join(SERVICES[name].get("volumes", []))]
        assert sorted(holders) == sorted([service, "roles-init"])
        assert SERVICES[service]["depends_on"]["roles-init"] == {"condition": "service_completed_successfully"}
    assert set(FOLDERS) == set(ROLES)


def test_no_password_stands_in_the_file_but_the_first_one_of_grafana_on_this_machine() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    given = re.findall(r"^\s+(\w*PASSWORD\w*): (.+)$", text, re.M)
    assert {name for name, value in given if not value.startswith("/run/secrets/")} == {"GF_SECURITY_ADMIN_PASSWORD"}
    assert all(port.startswith("127.0.0.1:") for port in SERVICES["grafana"]["ports"])


def test_the_superusers_socket_is_shared_with_the_container_that_makes_the_roles_alone() -> None:
    holders = [name for name in SERVICES if "/var/run/postgresql" in mounts(name)]
    assert sorted(holders) == ["postgres", "roles-init"]
    assert "$$(head -c 32 /dev/urandom" in SERVICES["postgres"]["entrypoint"][2]


@pytest.mark.parametrize("name", SERVICES)
def test_no_service_is_privileged(name: str) -> None:
    service = SERVICES[name]
    assert not service.get("privileged", False)
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["cap_drop"] == ["ALL"]
    assert "SYS_ADMIN" not in service.get("cap_add", [])
    assert not any("docker.sock" in volume for volume in service.get("volumes", []))
    assert service.get("network_mode") != "host"


def test_hardening_and_the_shared_image_stand_once() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    for line in (
        "no-new-privileges:true",
        "cap_drop:",
        "read_only:",
        "max-size:",
        "driftgate-prefect:local",
        "services/prefect/Dockerfile",
    ):
        assert text.count(line) == 1, line


@pytest.mark.parametrize("name", LONG_RUNNING)
def test_no_long_running_service_is_root(name: str) -> None:
    if name in DROP_ROOT_THEMSELVES:
        assert {"SETUID", "SETGID"} <= set(SERVICES[name]["cap_add"])
    else:
        assert plain(SERVICES[name]["user"]).split(":")[0] not in ("0", "root")


@pytest.mark.parametrize("name", sorted(ONE_SHOT))
def test_what_runs_as_root_ends_at_once_and_reaches_nothing(name: str) -> None:
    service = SERVICES[name]
    assert service["network_mode"] == "none"
    assert "restart" not in service


def test_what_opens_folders_sees_no_other() -> None:
    assert list(mounts("reports-init")) == ["/reports", "/mlartifacts", "/pushgateway", "/spool"]
    assert "cap_add" not in SERVICES["roles-init"]


@pytest.mark.parametrize("name", LONG_RUNNING)
def test_long_running_services_restart_and_say_when_they_are_healthy(name: str) -> None:
    assert SERVICES[name]["restart"] == "unless-stopped"
    assert SERVICES[name]["healthcheck"]["test"]


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned_by_tag(name: str) -> None:
    image, _, tag = SERVICES[name]["image"].partition(":")
    assert image
    assert tag not in ("", "latest")


def test_the_base_image_is_pinned_and_the_user_is_not_root() -> None:
    assert {line.split()[0].partition("@")[0] for line in dockerfile_lines("FROM")} == {"python:3.11-slim"}
    assert dockerfile_lines("USER")[-1] not in ("0", "root")


def test_nothing_is_installed_without_its_hash() -> None:
    for command in dockerfile_lines("RUN"):
        if command.startswith("pip"):
            assert "--require-hashes" in command or "--no-index" in command or "--no-build-isolation" in command


def test_the_build_backend_is_locked_as_pyproject_asks() -> None:
    from packaging.requirements import Requirement

    wanted = Requirement(re.search(r'requires = \["(.+?)"\]', (ROOT / "pyproject.toml").read_text())[1])
    locked = re.findall(r"^([\w-]+)==(\S+)", (ROOT / "services/prefect/build.lock").read_text(), re.M)
    assert wanted.specifier.contains(dict(locked)[wanted.name])


def test_no_password_reaches_the_image() -> None:
    assert not [line for keyword in ("ENV", "ARG") for line in dockerfile_lines(keyword) if "PASSWORD" in line.upper()]
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in ignored
    assert not any(line.startswith("!.env") for line in ignored)


def test_the_flows_are_mounted_where_the_commands_expect_them() -> None:
    prefect = mounts("prefect")
    assert prefect["/reports"] == "./reports:"
    assert prefect["/opt/prefect/flows"] == "./flows:ro"
    assert prefect["/opt/prefect/feature_repo"] == "./feature_repo:ro"
    assert prefect["/data"] == "./data:ro"
    assert SERVICES["prefect"]["working_dir"] == "/opt/prefect/flows"


def test_the_settings_name_mounted_folders() -> None:
    environment = SERVICES["prefect"]["environment"]
    places = [*mounts("prefect"), *(entry.split(":")[0] for entry in SERVICES["prefect"]["tmpfs"])]
    for name in ("REPORT_DIR", "FEAST_REPO", "DRIFTGATE_HOME", "DRIFTGATE_DATA", "DRIFTGATE_MONITORS", "PREFECT_HOME"):
        assert any(Path(environment[name]).is_relative_to(place) for place in places), name


def test_models_are_where_flows_and_service_look_for_them() -> None:
    for name, options in (("prefect", ""), ("api", "ro"), ("mlflow", "ro")):
        assert mounts(name)["/mlartifacts"] == f"mlartifacts:{options}"
        assert SERVICES[name]["environment"]["MLFLOW_ARTIFACTS"] == "/mlartifacts"


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_has_a_read_only_root(name: str) -> None:
    assert SERVICES[name]["read_only"] is True


def test_every_volume_is_used_and_declared() -> None:
    named = {entry.split(":")[0] for service in SERVICES.values() for entry in service.get("volumes", [])}
    assert {name for name in named if not name.startswith((".", "$"))} == set(COMPOSE["volumes"])


def test_all_containers_get_the_same_database() -> None:
    for service in ("prefect", "api", "mlflow", "roles-init"):
        assert SERVICES["postgres"]["environment"]["POSTGRES_DB"] == SERVICES[service]["environment"]["POSTGRES_DB"]
    for name in ("POSTGRES_USER", "POSTGRES_DB"):
        assert SERVICES["postgres"]["environment"][name] == SERVICES["roles-init"]["environment"][name]
    assert mounts("postgres")["/var/lib/postgresql/data"] == "postgres:"


def test_every_variable_has_a_default_and_stands_in_the_example() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    used = re.findall(r"(?<!\$)\$\{(\w+)(:-[^}]+)?\}", text)
    assert all(default for _, default in used)
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    passed_on = re.findall(r"^ +([A-Z_]+):(?: #.*)?$", text, re.M)
    assert {*(name for name, _ in used), *passed_on} == set(re.findall(r"^#?([A-Z_]+)=", example, re.M))


def script(name: str) -> ModuleType:
    """A script of the container, which is in no package."""
    spec = spec_from_file_location(f"container_{name}", ROOT / "services" / "prefect" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["reports_init", "prefect_database"])
def test_the_examples_in_the_scripts_run(name: str) -> None:
    failed, tried = doctest.testmod(script(name))
    assert tried > 0
    assert failed == 0
