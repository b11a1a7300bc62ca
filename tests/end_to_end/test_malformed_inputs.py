"""What is malformed, from a table: each input with the class of its error and words that its message must have.

The words are what was received, what is allowed, and what to do. Nothing stands in for a value that is missing.
"""

import asyncio
import hashlib
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
import pandas as pd
import pytest
import sklearn
from sqlalchemy import create_engine

import driftgate
from driftgate.errors import (
    ConfigurationError,
    DataError,
    DriftgateError,
    FeastRepositoryError,
    InvalidMonthError,
    UnknownMonthError,
    UsageError,
)
from driftgate.features.repository import offline_store
from driftgate.monitors import read_monitor
from driftgate.notification import require_addresses
from driftgate.pairs import Reference, chosen_pair, history_pairs, parse_as_of, parse_reference
from driftgate.profiles.encoding import profile_from_bytes
from driftgate.profiles.grid import Grid
from driftgate.settings import PortSettings, Settings
from driftgate.snapshots.folders import month_folders
from driftgate.snapshots.read import read_month
from driftgate.snapshots.validate import validate_month
from driftgate.store import history
from driftgate.training.registry.artifacts import read_pipeline
from driftgate.training.registry.versions import VersionInfo
from flows.cli import app as cli
from services.api.app import create_app
from services.api.schemas import EntitySchemas
from services.api.service import Service
from services.api.settings import ApiSettings
from streamflow.source_tables import SOURCE_TABLES
from tests.services.api.conftest import Versions
from tests.snapshots.months import csv, write_month_folder
from tests.store.examples import GOLDEN


class Row(NamedTuple):
    """One malformed input.

    Attributes:
        kind: of input, a key of READERS.
        error: class of the error; of a command its exit status, of a request the status of the answer.
        given: the input.
        words: parts of the message.
    """

    kind: str
    error: Any
    given: Any
    words: tuple[str, ...]


def rows(kind: str, error: Any, *cases: tuple[Any, ...]) -> list[Row]:
    """Rows of one kind and one error; a case is an input and its words."""
    return [Row(kind, error, given, words) for given, *words in cases]  # type: ignore[arg-type]


# Keys of a monitor, sections after them; {source} stands for a section that is right.
ENTITY = '[m.entity]\ntable = "t"\nkey = "id"\ntimestamp = "at"\n'
MONITORS = [
    *rows(
        "monitor",
        ConfigurationError,
        ("treshold = 0.3", "treshold: there is no such key; did you mean 'threshold'?"),
        (f"{ENTITY}colour = 'red'", "entity.colour: there is no such key"),
        (f"{ENTITY}joinkey = 'id'", "entity.joinkey: there is no such key; did you mean 'join_key'?"),
        (f"{ENTITY}[m.label]\ntable = 't'\ncolumn = 'c'\nperiod = 'p'", "label.period: there is no such key"),
        (f"{ENTITY}[m.label]\ntable = 't'\ncolum = 'c'", "label.colum: there is no such key; did you mean 'column'?"),
        (f"{ENTITY}[m.columns.fee]\nmethods = 'ks'", "columns.fee.methods: ", "did you mean 'method'?"),
        ("name = 'other'", "name: a monitor is named by its heading", "rename the heading"),
        ("threshold = 1.1", "threshold: ", "less than or equal to 1, not 1.1"),
        ("threshold = -0.01", "threshold: ", "greater than or equal to 0, not -0.01"),
        ("threshold = nan", "threshold: ", "finite number, not nan"),
        ("threshold = inf", "threshold: ", "finite number, not inf"),
        ("threshold = 'high'", "threshold: ", "valid number, not 'high'"),
        ("threshold = '0.3'", "threshold: ", "valid number, not '0.3'"),
        ("threshold = true", "threshold: ", "valid number, not True"),
        ("threshold = [0.3]", "threshold: ", "valid number, not [0.3]"),
        ("threshold = 2024-01-31", "threshold: ", "valid number, not datetime.date(2024, 1, 31)"),
        ("target_threshold = 0.0", "target_threshold: ", "greater than 0, not 0.0"),
        ("target_threshold = inf", "target_threshold: ", "finite number, not inf"),
        ("target_threshold = nan", "target_threshold: ", "finite number, not nan"),
        ("missing_threshold = 0.0", "missing_threshold: ", "greater than 0, not 0.0"),
        ("missing_threshold = 1.5", "missing_threshold: ", "less than or equal to 1, not 1.5"),
        ("on_incomparable = 'ignore'", "on_incomparable: ", "'fail' or 'count_as_drift', not 'ignore'"),
        ("performance = true", "performance: ", "'auto' or 'off', not True"),
        ("min_rows = 1", "min_rows: ", "greater than or equal to 2, not 1"),
        ("min_rows = 10.5", "min_rows: ", "valid integer, not 10.5"),
        ("min_rows = '200'", "min_rows: ", "valid integer, not '200'"),
        ("max_report_rows = 999", "max_report_rows: ", "greater than or equal to 1000, not 999"),
        ("sample_seed = -1", "sample_seed: ", "greater than or equal to 0, not -1"),
        ("false_alarm_rate = 0.5", "false_alarm_rate: ", "less than or equal to 0.2, not 0.5"),
        ("cooldown_days = -1", "cooldown_days: ", "greater than or equal to 0, not -1"),
        ("confirmations = 3", "confirmations 3 of confirmation_window 1 never come true"),
        ("retrain = 'deployment'", "needs a key `model`"),
        ("retrain_cost = 5.0", "retrain_cost is given without error_cost"),
        ("error_cost = 5.0", "error_cost is given without retrain_cost"),
        ("model = 'a b'", "model: ", "not 'a b'"),
        ("segments = 'plan'", "segments: ", "valid list, not 'plan'"),
        ("segments = ['']", "segments.0: ", "at least 1 character, not ''"),
        ("report_folder = 3", "report_folder: ", "valid string, not 3"),
        ("report_folder = '..'", "report_folder '..' must stay below REPORT_DIR"),
        ("report_folder = '/tmp/elsewhere'", "'/tmp/elsewhere' must stay below REPORT_DIR"),
        ("feast_repo = 3", "feast_repo: "),
        ("notify = 'mailto://a'", "notify: ", "valid list"),
        ("columns = 3", "columns: ", "valid dictionary, not 3"),
        (f"{ENTITY}[m.columns.fee]\nmethod = 'chisquare'", "columns.fee.method: ", "'wasserstein'", "not 'chisquare'"),
        (f"{ENTITY}[m.columns.fee]\nmethod = 3", "columns.fee.method: ", "'ks'", "not 3"),
        (
            f"{ENTITY}[m.columns.fee]\nthreshold = -0.1",
            "columns.fee.threshold: ",
            "greater than or equal to 0, not -0.1",
        ),
        ("[m.entity]\nkey = 'id'\ntimestamp = 'at'", "neither `table` nor `source` is given"),
        ("[m.entity]\ntable = 't'\nsource = 's'\nkey = 'k'", "both `table` and `source` are given"),
        (f"{ENTITY}[m.label]\nkey = 'id'\ncolumn = 'c'", "label: ", "exactly one is needed: source = a data source"),
        (f"{ENTITY}[m.label]\ntable = 't'\nsource = 's'\ncolumn = 'c'", "label: ", "both `table` and `source`"),
        (f"{ENTITY}[m.columns.fee]\nthreshold = '0.1'", "columns.fee.threshold: ", "valid number, not '0.1'"),
        ("[m.entity]\ntable = 't'\nkey = 'id'", "entity: ", "a table needs `timestamp`"),
        ("[m.entity]\ntable = 'a.b.c'\nkey = 'k'\ntimestamp = 't'", "entity.table: ", "not 'a.b.c'"),
        ("[m.entity]\nsource = 's'\nkey = 'a\"b'", "entity.key: ", "not 'a\"b'"),
        ("entity = 'users'", "entity: ", "not 'users'"),
        ("= 3", "cannot be read", "line 3", "correct the file"),
        ("threshold = 0.3\nthreshold = 0.4", "cannot be read", "Cannot overwrite a value"),
    ),
    *rows(
        "monitors file",
        ConfigurationError,
        (None, "there is no monitors file", "`driftgate init`", "DRIFTGATE_MONITORS"),
        (b"", "there is no monitor in", "describe one there"),
        (b"threshold = 0.3\n", "threshold is not a table", "begin it with [threshold]"),
        (b"[m]\n", "feature_service: Field required", "entity: Field required"),
        (b'["../up"]\nfeature_service = "s"\n', "name: ", "not '../up'"),
        (b"\xff\xfe", "cannot be read", "utf-8", "correct the file"),
    ),
    *rows("monitor name", UsageError, ("chrun", "no monitor 'chrun'", "Allowed: m"), ("mm", "did you mean 'm'?")),
    *rows(
        "address",
        ConfigurationError,
        (
            "${NO_SUCH_VARIABLE}",
            "needs environment variables that are not set: NO_SUCH_VARIABLE",
            "take those addresses",
        ),
        ("nothing://hush-hush", "notify", "number 1"),
    ),
]
ENVIRONMENT = [
    *rows(
        "environment",
        ConfigurationError,
        ({"POSTGRES_PORT": "many"}, "POSTGRES_PORT='many': ", "valid integer", "`driftgate docs reference/settings`"),
        ({"POSTGRES_PORT": "0"}, "POSTGRES_PORT='0': ", "greater than or equal to 1"),
        ({"POSTGRES_PORT": "65536"}, "POSTGRES_PORT='65536': ", "less than or equal to 65535"),
        ({"POSTGRES_PORT": "-1"}, "POSTGRES_PORT='-1': ", "greater than or equal to 1"),
        ({"POSTGRES_PORT": "5432.5"}, "POSTGRES_PORT='5432.5': ", "valid integer"),
        ({"POSTGRES_PORT": "5432; DROP"}, "POSTGRES_PORT='5432; DROP': ", "valid integer"),
        ({"POSTGRES_SSLMODE": "maybe"}, "POSTGRES_SSLMODE='maybe': ", "verify-full"),
        ({"POSTGRES_PASSWORD_FILE": "/nowhere"}, "POSTGRES_PASSWORD_FILE cannot be read", "/nowhere"),
    ),
    *rows(
        "ports",
        ConfigurationError,
        ({"DRIFTGATE_UI_PORT": "http"}, "DRIFTGATE_UI_PORT='http': ", "valid integer", "correct or unset"),
        ({"DRIFTGATE_PAGES_PORT": "-1"}, "DRIFTGATE_PAGES_PORT='-1': ", "greater than or equal to 1"),
    ),
    *rows(
        "api environment",
        ConfigurationError,
        ({"API_LOG_MODE": "careful"}, "API_LOG_MODE='careful': ", "'fast' or 'durable'"),
        ({"API_POLL_SECONDS": "0"}, "API_POLL_SECONDS='0': ", "greater than 0"),
        ({"API_POLL_SECONDS": "nan"}, "API_POLL_SECONDS='nan': "),
        ({"API_MAX_BODY_BYTES": "1 MB"}, "API_MAX_BODY_BYTES='1 MB': ", "valid integer"),
        ({"API_MAX_WAITING_KEYS": "999"}, "API_MAX_WAITING_KEYS='999': ", "greater than or equal to 1000"),
        ({"API_ACCESS_LOG": "perhaps"}, "API_ACCESS_LOG='perhaps': ", "valid boolean"),
    ),
]
MONTHS = [
    *rows(
        "date",
        UsageError,
        ("2023-02-29", "'2023-02-29' is not a date", "YYYY-MM-DD"),
        ("31.01.2024", "'31.01.2024' is not a date", "for example 2024-01-31"),
        ("2024-1-31", "'2024-1-31' is not a date", "YYYY-MM-DD"),
        ("", "'' is not a date", "YYYY-MM-DD"),
        ("2024-01-31T00:00", "is not a date", "YYYY-MM-DD"),
        ("\u0662\u0660\u0662\u0664-01-31", "is not a date", "YYYY-MM-DD"),
    ),
    *rows(
        "reference",
        UsageError,
        ("rolling:0", "reference 'rolling:0' is not understood", "rolling:N"),
        ("rolling:-1", "reference 'rolling:-1' is not understood", "rolling:N"),
        ("fixed:2023-02-29", "'fixed:2023-02-29' is not understood", "fixed:YYYY-MM-DD"),
        ("last", "reference 'last' is not understood", "previous"),
    ),
    *rows(
        "pair",
        UsageError,
        (("2024-01-31", "2024-01-31"), "are both 2024-01-31", "two different months"),
        (("2024-02-29", "2024-01-31"), "later than", "swap them: as_of_ref=2024-01-31 as_of_cur=2024-02-29"),
    ),
    *rows(
        "pair",
        UnknownMonthError,
        (("2020-01-31", "2024-01-31"), "no month is loaded for as_of 2020-01-31", "2024-02-29, 2024-01-31", "ingest"),
        ((None, "2024-01-31"), "no older month to compare with", "2024-02-29, 2024-01-31", "ingest"),
    ),
    *rows(
        "history", UsageError, (("2024-02-29", "2024-01-31"), "--from 2024-02-29 is later than --to 2024-01-31", "swap")
    ),
    *rows(
        "history",
        UnknownMonthError,
        (("2025-01-31", None), "no loaded month from 2025-01-31", "once its rows are in the source"),
    ),
    *rows(
        "folders",
        DataError,
        ((), "no month folder below", "named like 2024-01-31 or month_000", "driftgate sample"),
        (("notes", "month_1", "2024-02-30"), "no month folder below", "named like 2024-01-31"),
        (("2024-01-31", "month_000"), "are both of 2024-01-31", "keep one of them"),
    ),
]
KEYS = "user_id,failed_payments_90d"
FILES = rows(
    "month",
    InvalidMonthError,
    ({"users": None}, "users.csv: is missing", "nothing was written", "load the month again"),
    ({"labels": ""}, "labels.csv: is empty: there is no header"),
    ({"labels": "user_id,churn_label"}, "labels.csv: has a header and no rows"),
    ({"payments_agg_90d": f"{KEYS}\nu1,1\n".encode("utf-16")}, "is not UTF-8: byte 0xff at offset 0, line 1"),
    ({"payments_agg_90d": f'{KEYS}\n"u1,1\n'}, "has a double quote that is never closed"),
    ({"payments_agg_90d": f"{KEYS}\nu1,1,2\n"}, "payments_agg_90d.csv: ", "line 2"),
    ({"payments_agg_90d": "user_id,payments\nu1,1\n"}, "failed_payments_90d", "payments"),
    ({"payments_agg_90d": f"{KEYS},failed_payments_90d\nu1,1,1\n"}, "payments_agg_90d.csv: ", "failed_payments_90d"),
    ({"payments_agg_90d": csv("payments_agg_90d", "u1,3.5")}, "are not an integer, first at line 2: '3.5'"),
    ({"payments_agg_90d": csv("payments_agg_90d", "u1,2147483648")}, "are outside -2147483648 to 2147483647"),
    ({"payments_agg_90d": csv("payments_agg_90d", "u1,-1")}, "are negative, first at line 2: -1"),
    ({"payments_agg_90d": csv("payments_agg_90d", "u9,1")}, "are not in users.csv, first at line 2: 'u9'"),
    ({"payments_agg_90d": csv("payments_agg_90d", "u1,1", "u1,2")}, "repeat an earlier row, first at line 3: 'u1'"),
    ({"payments_agg_90d": csv("payments_agg_90d", ",1")}, "column user_id: 1 value(s) are blank, first at line 2"),
    ({"support_agg_90d": csv("support_agg_90d", "u1,1,nan")}, "are not a number, first at line 2: 'nan'"),
    ({"users": csv("users", "u1,2024-02-30,x,,,")}, "are not a date (YYYY-MM-DD), first at line 2: '2024-02-30'"),
    ({"users": csv("users", "u1,,x,yes,,")}, "are not a boolean, first at line 2: 'yes'"),
    ({"users": csv("users", "u1,,a\0b,,,")}, "are not text (a NUL character)"),
    ({"labels": csv("labels", "u1,")}, "column churn_label: 1 value(s) are blank, first at line 2"),
)
TABLE = pd.DataFrame(
    {"id": range(300), "fee": np.arange(300.0), "plan": ["a", "b", "c"] * 100, "churned": [True, False] * 150}
)
COMPARISONS = [
    *rows(
        "comparison",
        UsageError,
        (({"fee": [1]}, TABLE, {}), "reference is of type dict"),
        ((TABLE, None, {}), "current is of type NoneType"),
        ((TABLE, TABLE.drop(columns="id"), {"key": "id"}), "key is 'id'", "both tables"),
        (
            (TABLE, TABLE, {"label": "when"}),
            "label is 'when', which is not a column of the reference",
            "one of id, fee",
        ),
        (
            (TABLE, TABLE.assign(id=7), {"key": "id", "label": "churned"}),
            "does not tell the rows of current from each other",
        ),
        ((TABLE, TABLE, {"threshold": 1.5}), "threshold 1.5 is not a share", "0 to 1", "write 0.3"),
        ((TABLE, TABLE, {"threshold": float("nan")}), "threshold nan is not a share"),
        ((TABLE, TABLE, {"label": "churned", "model": object()}), "model has no predict_proba"),
    ),
    *rows(
        "comparison",
        DataError,
        ((TABLE, TABLE.iloc[:0], {}), "current has no rows"),
        ((TABLE[["id"]], TABLE[["id"]], {"key": "id"}), "no feature"),
        (("/nowhere.parquet", TABLE, {}), "reference cannot be read from /nowhere.parquet"),
        ((TABLE, __file__, {}), "current cannot be read from", "malformed_inputs.py"),
        ((TABLE, TABLE.assign(churned=np.inf), {"label": "churned"}), "churned"),
    ),
    *rows(
        "comparison",
        ConfigurationError,
        ((TABLE, TABLE, {"false_alarm_rate": 0.0}), "false_alarm_rate: ", "greater than 0, not 0.0"),
        ((TABLE, TABLE, {"min_rows": 0}), "min_rows: ", "greater than or equal to 2, not 0"),
        ((TABLE, TABLE, {"performance": "on"}), "performance: ", "not 'on'"),
        ((TABLE, TABLE, {"rules": {"fee": {"treshold": 1}}}), "columns.fee.treshold: ", "did you mean 'threshold'"),
        ((TABLE, TABLE, {"rules": {"fee": {"method": "magic"}}}), "columns.fee.method: ", "not 'magic'"),
        ((TABLE, TABLE, {"rules": {"fees": {"threshold": 0.1}}}), "fees"),
        ((TABLE, TABLE, {"rules": {"plan": {"method": "wasserstein"}}}), "plan", "wasserstein"),
        ((TABLE, TABLE, {"segments": ["place"], "label": "churned"}), "place"),
    ),
]
REPOSITORIES = rows(
    "repository",
    FeastRepositoryError,
    (None, "no feature_store.yaml", "set FEAST_REPO, or feast_repo in monitors.toml"),
    (b"", "cannot be read", "the YAML of Feast, with an offline_store", "driftgate feast plan"),
    (b"- a\n- b\n", "cannot be read", "correct the file"),
    (b"project: [hush\n", "cannot be read: ParserError", "correct the file"),
    (b"\xff\xfe", "cannot be read: UnicodeDecodeError"),
    (b"offline_store: 3\n", "cannot be read: TypeError"),
    (b"offline_store: [postgres]\n", "cannot be read", "an offline_store and its type"),
    (b"offline_store: !!python/object/apply:os.system [id]\n", "cannot be read: ConstructorError"),
)
VERSION = {
    "monitor": "churn", "as_of": "2024-01-31", "seed": 42, "validation_share": 0.2, "fingerprint": "f",
    "features": [{"name": "fee", "view": "v", "dtype": "FLOAT", "kind": "number"}], "metrics": {},
    "parameters": {}, "train_rows": 1, "validation_rows": 1, "unlabelled_rows": 0, "sklearn": sklearn.__version__,
    "run_id": "r", "model_file": "m.pkl", "model_sha256": "0" * 64,
}  # fmt: skip
AGAIN = "driftgate promote VERSION"
MODELS = [
    *rows(
        "tag",
        ConfigurationError,
        ("", "driftgate.training of churn version 3 cannot be read", "train again", AGAIN),
        ("null", "cannot be read: ", AGAIN),
        ("[]", "cannot be read: ", AGAIN),
        ("{}", "cannot be read: KeyError: 'features'", AGAIN),
        ({"as_of": "soon"}, "cannot be read: ValueError", "'soon'"),
        ({"as_of": 3}, "cannot be read: TypeError"),
        ({"label_kind": "colour"}, "'colour' is not a valid LabelKind"),
        ({"features": ["fee"]}, "cannot be read: "),
        ({"from_the_future": 1}, "from_the_future"),
    ),
    *rows(
        "model file",
        ConfigurationError,
        ({"model_file": "/etc/passwd"}, "names a file outside", "'/etc/passwd'", "without `..`", AGAIN),
        ({"model_file": "../up.pkl"}, "names a file outside", "'../up.pkl'", "who changed the tag"),
        ({"model_file": "a\0b"}, "names a file outside", "without `..`"),
        ({"model_file": "nowhere.pkl"}, "has no file", "nowhere.pkl", "set MLFLOW_ARTIFACTS"),
        ({"model_sha256": "1" * 64}, "is not the file that was registered as churn version 3", "restore the folder"),
        ({"sklearn": "0.1"}, "was trained with scikit-learn 0.1", "driftgate train --as-of 2024-01-31"),
        ({}, "cannot be read by this version of Driftgate", "driftgate train --as-of 2024-01-31"),
    ),
]
MARK = b"driftgate profile\n"
RECORDS = [
    *rows(
        "profile",
        DataError,
        (b"", "a stored profile has the format None", "measure the month again"),
        (b"PAR1", "a stored profile has the format None", "driftgate profile AS_OF --again"),
        (MARK + b"{", "a stored profile of 19 bytes cannot be read", "measure the month again"),
        (MARK + b"[]\n", "cannot be read: AttributeError", "measure the month again"),
        (MARK + b'{"format": 2}\n', "has the format 2", "Allowed: 1"),
        (MARK + b'{"format": 1}\n', "cannot be read: KeyError: 'grid'"),
        (MARK + b'{"format": 1, "grid": "f"}\n', "counted on another grid", "measure the month again"),
        (
            MARK + b'{"format":1,"grid":"","rows":1,"unmeasured":{},"columns":[{"name":"p","form":"category",'
            b'"names":["a"],"other":0,"nulls":0}]}\n',
            "cannot be read: ValueError",
            "measure the month again",
        ),
    ),
    *rows(
        "grid",
        DataError,
        ("", "a stored grid of 0 characters cannot be read", "driftgate profile --all --again"),
        ("[]", "cannot be read: AttributeError"),
        ('{"format": 2}', "the grid has the format 2", "Allowed: 1"),
        ('{"format": 1, "version": 1, "columns": {"a": {"form": "colour"}}}', "cannot be read: KeyError: 'colour'"),
    ),
    *rows(
        "record",
        DataError,
        ({"verdict": "MAYBE"}, "monitor_runs cannot be read: verdict: ", "driftgate monitor"),
        ({"inputs": {}}, "the run None vs None", "inputs.", "Field required", "driftgate monitor"),
        ({"columns": 3}, "columns", "use the release that wrote it"),
    ),
]
COMMANDS = [
    *rows(
        "command",
        2,
        (("nonsense",), "No such command", "nonsense"),
        (("monitor", "--treshold", "0.5"), "No such option", "--treshold"),
        (("monitor", "--threshold", "much"), "'--threshold'", "a valid number"),
        (("monitor", "--as-of-ref", "yesterday"), "'yesterday' is not a date", "YYYY-MM-DD"),
        (("ingest", "data"), "Missing option", "--as-of"),
        (("ingest", "--as-of", "2024-01-31"), "Missing argument", "folder"),
        (("ingest", "data", "--as-of", "soon"), "'soon' is not a date", "YYYY-MM-DD"),
        (("train", "--seed", "lucky"), "'--seed'", "a valid integer"),
        (("train", "--as-of", "2024-02-30"), "'2024-02-30' is not a date", "YYYY-MM-DD"),
        (("retrain", "--delta", "2"), "delta 2.0 is no gain", "from 0 to 1"),
        (("retrain", "--delta", "nan"), "delta nan is no gain", "from 0 to 1"),
        (("backfill", "--reference", "always"), "reference 'always' is not understood", "rolling:N"),
        (("backfill", "--reports", "some"), "--reports", "'some' is not one of"),
        (("backtest", "--from", "2024"), "'2024' is not a date", "YYYY-MM-DD"),
        (("profile", "2024-01-31", "--all"), "both a month and --all are given", "one of them"),
        (("runs", "--last", "0"), "'--last'", "greater than or equal to 1"),
        (("serve", "--port", "70000"), "'--port'", "less than or equal to 65535"),
        (("serve", "--workers", "0"), "'--workers'", "greater than or equal to 1"),
        (("up", "--only", "kafka"), "there is no part kafka", "prefect", "with commas between them"),
        (("up", "--only", ""), "no part is named", "prefect"),
        (("sample", "--out", "{folder}", "--months", "0"), "months is 0", "1 to 999"),
        (("sample", "--out", "{folder}", "--users", "0"), "users is 0"),
        (("sample", "--out", "{folder}", "--seed", "-1"), "seed is -1"),
        (("init", "--feast-repo", "{folder}", "--out", "{folder}"), "is there already", "name another file by --out"),
    ),
    *rows("command", 3, (("init", "--feast-repo", "{folder}", "--out", "{folder}/m.toml"), "no Feast repository at")),
]
JSON = "application/json"
REQUESTS = [
    *rows(
        "request",
        422,
        *[(("/predict", JSON, body), *words) for body, *words in (
            (b"", "body", "Field required"),
            (b"{", "body", "JSON"),
            (b"[]", "body", "valid dictionary"),
            (b"null", "body", "Field required"),
            (b"{}", "body.user_id", "Field required"),
            (b'{"user_id": 5}', "body.user_id", "valid string"),
            (b'{"user_id": ""}', "body.user_id", "at least 1 character"),
            (b'{"user_id": null}', "body.user_id", "valid string"),
            (b'{"user_id": "a\\u0000b"}', "body.user_id", "match pattern"),
            (b'{"user_id": "\\ud800"}', "body"),
            (b'{"user_id": "a", "other": 1}', "body.other", "Extra inputs are not permitted"),
            (json.dumps({"user_id": "x" * 129}).encode(), "body.user_id", "at most 128 characters"),
            (b"[" * 5000, "body"),
            (b'\xff\xfe{"user_id": "a"}', "body"),
        )],
        (("/predict", "text/plain", b'{"user_id": "a"}'), "body", "valid dictionary"),
        (("/predict/batch", JSON, b'{"user_ids": []}'), "body.user_ids", "at least 1 item"),
        (("/predict/batch", JSON, b'{"user_ids": "a"}'), "body.user_ids", "valid list"),
        (("/predict/batch", JSON, b'{"user_ids": ["a", 7]}'), "body.user_ids.1", "valid string"),
        (("/predict/batch", JSON, json.dumps({"user_ids": ["a"] * 1001}).encode()), "body.user_ids", "at most 1000"),
    ),
    *rows("request", 404, (("/nothing", JSON, b"{}"), "/docs"), (("/predict/", JSON, b"{}"), "/docs")),
    *rows("request", 405, (("/health", JSON, b"{}"), "method")),
    *rows("request", 413, (("/predict", JSON, b'{"user_id": "' + b"x" * 300_000 + b'"}'), "262144")),
    *rows("request", 401, (("/predict", JSON, b'{"user_id": "a"}', "wrong"), "X-API-Key")),
]  # fmt: skip
JOIN_KEYS = rows("join key", ConfigurationError, ("prediction", "the join key 'prediction'", "another join key"))
ROWS = [
    *MONITORS, *ENVIRONMENT, *MONTHS, *FILES, *COMPARISONS, *REPOSITORIES, *MODELS, *RECORDS, *COMMANDS, *REQUESTS,
    *JOIN_KEYS,
]  # fmt: skip


def _monitor(given: str, folder: Path) -> None:
    entity = "" if "entity" in given else ENTITY
    _monitors_file(f'[m]\nfeature_service = "s"\n{given}\n{entity}'.encode(), folder)


def _monitors_file(given: bytes | None, folder: Path, name: str | None = None) -> Any:
    path = folder / "monitors.toml"
    if given is not None:
        path.write_bytes(given)
    return read_monitor(path, name)


def _monitor_name(given: str, folder: Path) -> None:
    _monitors_file(f'[m]\nfeature_service = "s"\n{ENTITY}'.encode(), folder, given)


def _address(given: str, folder: Path) -> None:
    content = f'[m]\nfeature_service = "s"\nnotify = ["{given}"]\n{ENTITY}'
    require_addresses(_monitors_file(content.encode(), folder), {})


def _pair(given: tuple[str | None, str | None], _folder: Path) -> None:
    chosen_pair(LOADED, *(parse_as_of(text) if text else None for text in given))


def _history(given: tuple[str | None, str | None], _folder: Path) -> None:
    history_pairs(LOADED, Reference(), *(parse_as_of(text) if text else None for text in given))


def _folders(given: tuple[str, ...], folder: Path) -> None:
    for name in given:
        (folder / name).mkdir()
    month_folders(folder)


def _month(given: dict[str, Any], folder: Path) -> None:
    write_month_folder(folder, files=given)
    validate_month(SOURCE_TABLES, folder, read_month(SOURCE_TABLES, folder))


def _repository(given: bytes | None, folder: Path) -> None:
    if given is not None:
        (folder / "feature_store.yaml").write_bytes(given)
    offline_store(folder)


def _model_file(given: dict[str, Any], folder: Path) -> None:
    (folder / "m.pkl").write_bytes(content := b"no pickle")
    values = {**VERSION, "model_sha256": hashlib.sha256(content).hexdigest(), **given}
    read_pipeline(folder, VersionInfo.read("churn", "3", json.dumps(values)))


def _tag(given: Any, _folder: Path) -> None:
    VersionInfo.read("churn", "3", given if isinstance(given, str) else json.dumps({**VERSION, **given}))


def _record(given: dict[str, Any], _folder: Path) -> None:
    golden = json.loads((GOLDEN / "calm.json").read_text(encoding="utf-8"))
    codes = {column.name: None for column in history._CODES}
    history._record({"record": {**golden, **given}, **codes})


LOADED = [date(2024, 1, 31), date(2024, 2, 29)]
READERS: dict[str, Callable[[Any, Path], Any]] = {
    "monitor": _monitor,
    "monitors file": _monitors_file,
    "monitor name": _monitor_name,
    "address": _address,
    "environment": lambda _given, _folder: Settings.load(),
    "ports": lambda _given, _folder: PortSettings.load(),
    "api environment": lambda _given, _folder: ApiSettings.load(),
    "date": lambda given, _folder: parse_as_of(given),
    "reference": lambda given, _folder: parse_reference(given),
    "pair": _pair,
    "history": _history,
    "folders": _folders,
    "month": _month,
    "comparison": lambda given, _folder: driftgate.compare(*given[:2], **given[2]),
    "repository": _repository,
    "tag": _tag,
    "model file": _model_file,
    "profile": lambda given, _folder: profile_from_bytes(given),
    "grid": lambda given, _folder: Grid.from_json(given),
    "record": _record,
    "join key": lambda given, _folder: EntitySchemas.of(given),
}


def of(*kinds: str) -> pytest.MarkDecorator:
    """The rows of these kinds as cases of a test."""
    chosen = [(f"{row.kind} {number}", row) for number, row in enumerate(ROWS) if row.kind in kinds]
    return pytest.mark.parametrize("row", [row for _, row in chosen], ids=[name for name, _ in chosen])


@of(*READERS)
def test_the_error_has_its_class_and_its_words(row: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "environment" in row.kind or row.kind == "ports":
        for name, value in row.given.items():
            monkeypatch.setenv(name, value)
    with pytest.raises(DriftgateError) as caught:
        READERS[row.kind](row.given, tmp_path)
    said = str(caught.value)
    assert (type(caught.value), [word for word in row.words if word not in said]) == (row.error, []), said
    assert "hush" not in said
    assert caught.value.allowed or caught.value.remedy, said


@of("command")
def test_a_command_ends_with_its_status_and_its_words(
    row: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    # Where an error is wide, Typer breaks its lines.
    monkeypatch.setenv("COLUMNS", "300")
    with pytest.raises(SystemExit) as ended:
        cli.main([argument.format(folder=tmp_path) for argument in row.given])
    out, said = capfd.readouterr()
    assert (ended.value.code, out, [word for word in row.words if word not in said]) == (row.error, "", []), said
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


@of("request")
def test_an_answer_has_its_status_and_its_words(row: Row) -> None:
    path, kind, body, *key = row.given
    settings = ApiSettings(key="right" if key else None)
    service = Service(settings, Versions(), lambda: None, create_engine("postgresql://"), "user_id")  # type: ignore[arg-type,return-value]
    headers = {"content-type": kind, **({"X-API-Key": key[0]} if key else {})}

    async def ask() -> httpx.Response:
        # Nothing of the service is started: what is malformed is refused before anything is asked of it.
        transport = httpx.ASGITransport(create_app(service))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.post(path, content=body, headers=headers)

    answer = asyncio.run(ask())
    assert (answer.status_code, answer.headers["content-type"]) == (row.error, "application/problem+json")
    assert [word for word in row.words if word not in answer.text] == [], answer.text
    assert answer.json()["request_id"] == answer.headers["x-request-id"] and "Traceback" not in answer.text


def test_there_are_enough_of_every_kind() -> None:
    assert len(ROWS) > 200
    assert {row.kind for row in ROWS} == {*READERS, "command", "request"}
