"""What goes in and what comes out, with examples; the OpenAPI description is made from this.

`entity_key` and `entity_keys` are called otherwise outside: by the monitor's join key, see `EntitySchemas`.
"""

from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, create_model
from pydantic.json_schema import SkipJsonSchema

from driftgate.errors import ConfigurationError
from services.api.settings import MAX_BATCH

# Control characters are in no key, and PostgreSQL takes no NUL in a text.
EntityKey = Annotated[
    str,
    StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$"),
    Field(description="As in the month that is served", examples=["4152-PCIPT"]),
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

    entity_key: EntityKey


class BatchRequest(BaseModel):
    """Whom to score, all at once."""

    model_config = ConfigDict(extra="forbid")

    entity_keys: Annotated[
        list[EntityKey], Field(min_length=1, max_length=MAX_BATCH, examples=[["4152-PCIPT", "6217-VGXZQ"]])
    ]


def _without_default(schema: dict[str, Any]) -> None:
    # What an answer lacks is not there, and not null.
    del schema["default"]


class PredictionAnswer(BaseModel):
    """One user's score."""

    # Pydantic reserves names that start with model_.
    model_config = ConfigDict(protected_namespaces=())

    entity_key: EntityKey
    prediction: Literal[0, 1] | float | str = Field(
        description="1 from the threshold of that version on, which /ready tells; of a numeric label the number, of a "
        "categorical one the class",
        examples=[1],
    )
    probability: Annotated[float, Field(ge=0, le=1)] | SkipJsonSchema[None] = Field(
        default=None,
        description="Of the positive class, or of the predicted one; a number that is predicted has none",
        examples=[0.71],
        json_schema_extra=_without_default,
    )
    model_version: str = Field(description="Registered version that scored", examples=["1"])
    features_used: Features


class BatchAnswer(BaseModel):
    """Scores in the order of the request."""

    predictions: list[PredictionAnswer]


class FeaturesAnswer(BaseModel):
    """What the online store holds for a user."""

    entity_key: EntityKey
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
    threshold: Annotated[float, Field(ge=0, le=1)] | SkipJsonSchema[None] = Field(
        default=None,
        description="Probability from which that version predicts 1; absent where its label is not boolean",
        examples=[0.27],
        json_schema_extra=_without_default,
    )


@dataclass(frozen=True)
class EntitySchemas:
    """The schemas that name an entity, with the names that callers know.

    Attributes:
        one: what the key of one entity is called: the join key.
        many: what a list of keys is called.
    """

    one: str
    many: str
    request: type[BaseModel]
    batch_request: type[BaseModel]
    answer: type[BaseModel]
    batch_answer: type[BaseModel]
    features_answer: type[BaseModel]

    @classmethod
    def of(cls, join_key: str) -> Self:
        """The schemas of a monitor with this join key.

        Raises:
            ConfigurationError: an answer has another field of that name.
        """
        taken = (set(PredictionAnswer.model_fields) | set(FeaturesAnswer.model_fields)) - {"entity_key"}
        if join_key in taken:
            raise ConfigurationError(
                f"the join key {join_key!r} is the name of another field of the answers",
                allowed=f"any name but {', '.join(sorted(taken))}",
                remedy="give the entity another join key in the Feast repository, and join_key in monitors.toml",
            )
        one, many = join_key, f"{join_key}s"
        answer = _renamed(PredictionAnswer, entity_key=one)
        return cls(
            one=one,
            many=many,
            request=_renamed(PredictRequest, entity_key=one),
            batch_request=_renamed(BatchRequest, entity_keys=many),
            answer=answer,
            batch_answer=create_model(
                BatchAnswer.__name__, __base__=BatchAnswer, __doc__=BatchAnswer.__doc__, predictions=list[answer]
            ),
            features_answer=_renamed(FeaturesAnswer, entity_key=one),
        )


def _renamed(model: type[BaseModel], **names: str) -> type[BaseModel]:
    """The same model with other names of fields in JSON."""
    fields: dict[str, Any] = {field: (model.__annotations__[field], Field(alias=name)) for field, name in names.items()}
    return create_model(model.__name__, __base__=model, __doc__=model.__doc__, **fields)
