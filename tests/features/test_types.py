"""The environment that fills feature_store.yaml, whatever characters a password has."""

import yaml
from hypothesis import given
from hypothesis import strategies as st

from driftgate.database import ConnectionParameters
from driftgate.features.types import feast_environment

PASSWORDS = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_categories=("Cc",)), min_size=1)


@given(PASSWORDS)
def test_a_password_is_the_same_after_yaml(password: str) -> None:
    found = feast_environment(ConnectionParameters("h", 5432, "u", password, "d"))
    assert yaml.safe_load(f"password: {found['FEAST_PASSWORD_YAML']}") == {"password": password}
    assert (found["POSTGRES_PASSWORD"], found["PGTZ"], found["FEAST_USAGE"]) == (password, "UTC", "False")
