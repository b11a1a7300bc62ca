"""The direction of imports, and the rule that heavy packages stay out of what must start fast."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("prefect", "feast", "evidently", "pandas", "pandera", "pyarrow", "numpy", "sqlalchemy", "pydantic")


def test_import_contracts_hold() -> None:
    script = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([script, "--no-logo"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_the_command_line_starts_without_anything_heavy() -> None:
    code = f"import sys; import flows.cli.app; print([name for name in {HEAVY} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
