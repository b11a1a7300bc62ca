"""Whom the load generator asks for. Apart from locustfile.py, because importing locust changes the standard library."""

import csv
from collections.abc import Mapping
from pathlib import Path

MAX_USERS = 10_000
_NO_USERS = """\
no known users to predict for: {problem}
  Allowed: LOCUST_USER_IDS=id,id,...; LOCUST_USERS_FILE=a CSV file with the column user_id; a month folder with
           users.csv in LOCUST_DATA (now {data})
  Next: driftgate sample --out data writes months of made-up users; load the same ones into the API's database"""


class NoUsersError(Exception):
    """There is nobody to ask for."""


def read_known_users(environment: Mapping[str, str]) -> list[str]:
    """At most `MAX_USERS` ids of users that the API knows.

    Raises:
        NoUsersError: there are none; the message says where they may come from.
    """
    given = [part.strip() for part in environment.get("LOCUST_USER_IDS", "").split(",") if part.strip()]
    if given:
        return given[:MAX_USERS]
    data = Path(environment.get("LOCUST_DATA") or "data")
    try:
        ids = _column(Path(environment.get("LOCUST_USERS_FILE") or _newest_users_file(data)))
    except (OSError, UnicodeDecodeError, csv.Error, KeyError) as error:
        raise NoUsersError(_NO_USERS.format(problem=f"{type(error).__name__}: {error}", data=data)) from error
    if not ids:
        raise NoUsersError(_NO_USERS.format(problem="the file has no row", data=data))
    return ids


def _newest_users_file(data: Path) -> Path:
    # Folders are named for their day or numbered, so the last by name is the newest of its kind.
    files = sorted(data.glob("*/users.csv"))
    if not files:
        raise FileNotFoundError(f"no */users.csv in {data}")
    return files[-1]


def _column(path: Path) -> list[str]:
    with path.open(newline="", encoding="utf-8") as handle:
        rows = csv.DictReader(handle)
        return [row["user_id"] for row, _ in zip(rows, range(MAX_USERS), strict=False) if row["user_id"]]
