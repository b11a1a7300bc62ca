"""Whether Spark can run here."""

import os
import shutil

import pytest

# Small: two cores, and no two hundred partitions for a handful of rows.
SPARK_CONF = {"spark.master": "local[2]", "spark.sql.shuffle.partitions": "2", "spark.driver.memory": "1g"}


def has_java() -> bool:
    """Whether a Java is at hand."""
    return bool(os.environ.get("JAVA_HOME") or shutil.which("java"))


def require_java() -> None:
    """Skip the test where there is no Java; fail it where DRIFTGATE_TEST_SPARK=required."""
    if has_java():
        return
    if os.environ.get("DRIFTGATE_TEST_SPARK") == "required":
        pytest.fail("DRIFTGATE_TEST_SPARK is 'required', and there is no Java")
    pytest.skip("Spark needs Java 17 or later; on Debian: apt-get install openjdk-17-jre-headless")
