"""Make the pictures of the README from the pages of sample months: `make pictures`. Chromium is needed."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

DOCS = Path(__file__).resolve().parents[1]
# Each as wide as a desk shows it, and cut where the page has said the most.
PICTURES = {"verdict.png": ("verdict_2024-02-29_vs_2024-03-31.html", 1400), "months.png": ("monitor.html", 1640)}
WIDTH = 1280


def main() -> None:
    """Judge sample months in a folder of their own, and photograph the pages."""
    if shutil.which("chromium") is None:
        sys.exit("chromium is not installed; on Debian: apt-get install chromium")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # For root the embedded server runs as another user, who must get there.
        folder.chmod(0o711)
        reports = folder / "reports"
        own = {
            "DRIFTGATE_HOME": str(folder / "home"),
            "REPORT_DIR": str(reports),
            "EVIDENTLY_WORKSPACE": str(folder / "workspace"),
            "MLFLOW_ARTIFACTS": str(folder / "models"),
            "DRIFTGATE_DATA": str(folder / "months"),
        }
        for command in (
            ("sample", "--out", own["DRIFTGATE_DATA"]),
            ("load",),
            ("train", "--as-of", "2024-01-31"),
            ("backfill",),
        ):
            subprocess.run([sys.executable, "-m", "flows.cli", *command], env={**os.environ, **own}, check=True)
        for picture, (page, height) in PICTURES.items():
            photograph(reports / page, DOCS / picture, height)


def photograph(page: Path, picture: Path, height: int) -> None:
    """Write a picture of the top of a page, in the light colours."""
    command = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    size = [f"--window-size={WIDTH},{height}", f"--screenshot={picture}"]
    subprocess.run([*command, *size, page.as_uri()], check=True, capture_output=True)
    with Image.open(picture) as image:
        image.convert("RGB").quantize(64).save(picture, optimize=True)


if __name__ == "__main__":
    main()
