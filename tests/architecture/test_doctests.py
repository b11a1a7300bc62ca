"""Examples in docstrings run."""

import doctest
import importlib
import pkgutil

import pytest

import driftgate

MODULES = [module.name for module in pkgutil.walk_packages(driftgate.__path__, "driftgate.")]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0
