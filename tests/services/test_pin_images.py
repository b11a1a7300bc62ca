"""Images by digest: every public image is found, a digest takes the place of an earlier one, and none is made up."""

import os
import stat
from pathlib import Path

import pytest
import yaml

from driftgate.errors import ConfigurationError, UsageError
from services import pin_images
from services.pin_images import DIGEST, files, images, main, pinned, registry_digest
from tests.conftest import ROOT

ONE, OTHER = f"sha256:{'1a' * 32}", f"sha256:{'2b' * 32}"


def test_every_public_image_of_the_stack_is_found() -> None:
    found = {tag for path in files(ROOT) for tag, _ in images(path.read_text(encoding="utf-8"))}
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"].values()
    public = {item["image"].partition("@")[0] for item in services if not item["image"].endswith(":local")}
    assert public <= found
    assert found - public <= {"python:3.11-slim", "debian:bookworm-slim"}


def test_what_is_pinned_has_the_form_of_a_digest() -> None:
    for path in files(ROOT):
        for tag, digest in images(path.read_text(encoding="utf-8")):
            assert not digest or DIGEST.fullmatch(digest), tag


def test_pinning_changes_the_digest_and_nothing_else() -> None:
    text = "FROM python:3.11-slim AS wheel\n  image: postgres:17\n  image: driftgate-api:local\n  # image: of old\n"
    first = pinned(text, lambda _: ONE)
    assert first == text.replace("slim AS", f"slim@{ONE} AS").replace("postgres:17", f"postgres:17@{ONE}")
    assert pinned(first, lambda _: ONE) == first
    renewed = pinned(first, {"python:3.11-slim": ONE, "postgres:17": OTHER}.__getitem__)
    assert list(images(renewed)) == [("python:3.11-slim", ONE), ("postgres:17", OTHER)]


def docker(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A docker that answers as the script says."""
    program = folder / "docker"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


@pytest.mark.parametrize("script", ["echo 'no such host' >&2; exit 1", "echo latest", "exit 0"])
def test_a_registry_that_gives_no_digest_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    docker(tmp_path, script, monkeypatch)
    with pytest.raises(ConfigurationError, match="no digest of postgres:17"):
        registry_digest("postgres:17")


def test_all_files_are_renewed_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "services" / "api").mkdir(parents=True)
    compose, dockerfile = tmp_path / "docker-compose.yml", tmp_path / "services" / "api" / "Dockerfile"
    compose.write_text("  image: postgres:17\n")
    dockerfile.write_text("FROM python:3.11-slim\n")
    monkeypatch.setattr(pin_images, "ROOT", tmp_path)
    docker(tmp_path, f'[ "$4" = postgres:17 ] && echo {ONE}', monkeypatch)
    with pytest.raises(ConfigurationError, match="python"):
        main([])
    assert compose.read_text() == "  image: postgres:17\n"
    with pytest.raises(ConfigurationError, match=r"without a digest: postgres:17, python:3\.11-slim"):
        main(["--check"])
    docker(tmp_path, f"echo {ONE}", monkeypatch)
    main([])
    main(["--check"])
    assert compose.read_text() == f"  image: postgres:17@{ONE}\n"
    assert dockerfile.read_text() == f"FROM python:3.11-slim@{ONE}\n"
    with pytest.raises(UsageError):
        main(["--chekc"])
