"""Pin the public images of the stack by digest, or renew the digests: `python -m services.pin_images [--check]`.

It asks the registry, through Docker, for the digest that each tag has now, and writes it behind the tag in
docker-compose.yml and the Dockerfiles. With --check it asks nobody and fails where an image has no digest.
"""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from driftgate.errors import ConfigurationError, DriftgateError, UsageError
from driftgate.files import write_atomic

ROOT = Path(__file__).resolve().parents[1]

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
# An image's own tag is `local`: it is built from these files and has no registry.
_IMAGE = re.compile(
    r"(?P<lead>^\s*(?:image:|FROM)\s+)(?P<tag>[a-z0-9][\w./-]*:(?!local\b)[\w.-]+)(?P<digest>@[\w:]+)?(?=\s|$)", re.M
)
_SECONDS = 60


def main(arguments: list[str]) -> None:
    """Renew, or check.

    Raises:
        UsageError: an argument is not known.
        ConfigurationError: an image has no digest, or the registry gives none; then no file was changed.
    """
    if arguments not in ([], ["--check"]):
        raise UsageError(f"{' '.join(arguments)!r} is no option", allowed="nothing, or --check")
    texts = {path: path.read_text(encoding="utf-8") for path in files(ROOT)}
    if arguments:
        _check(texts)
        return
    digests = {tag: registry_digest(tag) for tag in sorted({tag for text in texts.values() for tag, _ in images(text)})}
    for path, text in texts.items():
        write_atomic(path, pinned(text, digests.__getitem__))
    for tag, digest in digests.items():
        print(f"[Images] {tag}@{digest}")


def files(root: Path) -> list[Path]:
    """The files that name images."""
    return [root / "docker-compose.yml", *sorted((root / "services").glob("*/Dockerfile"))]


def images(text: str) -> Iterator[tuple[str, str]]:
    r"""Tag and digest of each public image that a file names; the digest is empty where it names none.

    >>> list(images("FROM python:3.11-slim AS wheel\n    image: driftgate-api:local\n"))
    [('python:3.11-slim', '')]
    """
    for found in _IMAGE.finditer(text):
        yield found["tag"], (found["digest"] or "").removeprefix("@")


def pinned(text: str, digest_of: Callable[[str], str]) -> str:
    """The text with the digest of each public image behind its tag, in place of an earlier one."""
    return _IMAGE.sub(lambda found: f"{found['lead']}{found['tag']}@{digest_of(found['tag'])}", text)


def registry_digest(tag: str) -> str:
    """The digest that a tag has in its registry now.

    Raises:
        ConfigurationError: Docker is not there, or the registry cannot be reached or does not know the tag.
    """
    command = ["docker", "buildx", "imagetools", "inspect", tag, "--format", "{{.Manifest.Digest}}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
        said = done.stdout.strip() if done.returncode == 0 else ""
        reason = (done.stderr.strip().splitlines() or ["it gave no digest"])[-1]
    except (OSError, subprocess.TimeoutExpired) as error:
        said, reason = "", str(error)
    if not DIGEST.fullmatch(said):
        raise ConfigurationError(
            f"no digest of {tag} can be had: {reason}",
            remedy="run this where Docker with buildx reaches the registry; no file was changed",
        )
    return said


def _check(texts: dict[Path, str]) -> None:
    without = sorted({tag for text in texts.values() for tag, digest in images(text) if not DIGEST.fullmatch(digest)})
    if without:
        raise ConfigurationError(
            f"without a digest: {', '.join(without)}", remedy="`python -m services.pin_images` writes them"
        )


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except DriftgateError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
