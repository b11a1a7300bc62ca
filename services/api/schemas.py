"""What goes in and what comes out, with examples; the OpenAPI description is made from this."""

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.api.settings import MAX_BATCH

# Control characters are in no key, and PostgreSQL takes no NUL in a text.
UserId = Annotated[
    str,
    StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$"),
    Field(description="As in the month that is served", examples=["7590-VHVEG"]),
]
FeatureValue = bool | int | float | str | None
Features = Annotated[
    dict[str, FeatureValue],
    Field(
        description="Every declared feature by name; null where it is missing",
        examples=[{"months_active": 24, "monthly_fee": 45.0, "paperless_billing": True, "net_service": None}],
    ),
]


class PredictRequest(BaseModel):
    """Whom to score."""

    model_config = ConfigDict(extra="forbid")

    user_id: UserId


class BatchRequest(BaseModel):
    """Whom to score, all at once."""

    model_config = ConfigDict(extra="forbid")

    user_ids: Annotated[
        list[UserId], Field(min_length=1, max_length=MAX_BATCH, examples=[["7590-VHVEG", "5575-GNVDE"]])
    ]


class PredictionAnswer(BaseModel):
    """One user's score."""

    # Pydantic reserves names that start with model_.
    model_config = ConfigDict(protected_namespaces=())

    user_id: UserId
    prediction: Literal[0, 1] = Field(description="1 from a probability of 0.5 on", examples=[1])
    probability: float = Field(ge=0, le=1, description="Of the positive class", examples=[0.71])
    model_version: str = Field(description="Registered version that scored", examples=["1"])
    features_used: Features


class BatchAnswer(BaseModel):
    """Scores in the order of the request."""

    predictions: list[PredictionAnswer]


class FeaturesAnswer(BaseModel):
    """What the online store holds for a user."""

    user_id: UserId
    as_of: date = Field(description="Month of the features", examples=["2024-02-29"])
    features: Features


class HealthAnswer(BaseModel):
    """The process lives."""

    status: Literal["alive"]


class ReadyAnswer(BaseModel):
    """Requests will be answered."""

    model_config = ConfigDict(protected_namespaces=())

    status: Literal["ready"]
    model: str = Field(examples=["streamflow_churn"])
    model_version: str = Field(examples=["1"])
    as_of: date = Field(description="Month of the features that are served", examples=["2024-02-29"])
