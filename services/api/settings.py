"""Settings of the API from the environment, all with the prefix API_."""

from typing import Literal, Self

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from driftgate.settings import from_environment

MAX_BATCH = 1000
"""User ids in one request, and keys that are read and scored at once."""


class ApiSettings(BaseSettings):
    """Bounds and intervals of one API process."""

    model_config = SettingsConfigDict(env_prefix="API_", frozen=True, env_ignore_empty=True)

    monitor: str | None = Field(
        None, description="Heading in monitors.toml whose model is served; by default the only one"
    )
    key: SecretStr | None = Field(None, description="Key that callers send as X-API-Key; unset means none is asked for")
    poll_seconds: float = Field(5.0, gt=0, le=30, description="How often to ask which version is the champion")
    request_timeout_seconds: float = Field(5.0, gt=0, le=60, description="After which a request is given up with 503")
    connect_timeout_seconds: int = Field(2, ge=2, le=60, description="Longest wait for a connection to PostgreSQL")
    statement_timeout_seconds: float = Field(2.0, gt=0, le=60, description="After which PostgreSQL gives a read up")
    max_body_bytes: int = Field(262_144, ge=1024, description="Largest request body")
    max_header_bytes: int = Field(32_768, ge=4096, description="Largest request line and headers together; 431 above")
    max_headers: int = Field(100, ge=20, description="Most headers of a request; 431 above")
    header_seconds: float = Field(10.0, gt=0, le=60, description="In which a request's headers must be there, else 408")
    max_waiting_keys: int = Field(4096, ge=MAX_BATCH, description="User ids that may wait for scoring; 503 above")
    log_mode: Literal["fast", "durable"] = Field(
        "fast", description="durable: answered once the prediction is on this machine's disk, below DRIFTGATE_HOME"
    )
    log_queue_rows: int = Field(20_000, ge=1, description="Predictions that may wait for the log; dropped above")
    log_flush_seconds: float = Field(0.5, gt=0, le=60, description="Longest time that a prediction waits to be written")
    shutdown_seconds: float = Field(10.0, gt=0, le=300, description="Longest time to flush the log before the exit")
    access_log: bool = Field(True, description="One log line for each request")

    @classmethod
    def load(cls) -> Self:
        """Read the environment.

        Raises:
            ConfigurationError: a variable has a value that is not allowed; every such variable is named.
        """
        return from_environment(cls, "settings of the API")
