"""What the service answers, as OpenAPI describes it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Answer(BaseModel):
    """The base of all answers: what is named here is promised, later versions may add to it."""

    model_config = ConfigDict(extra="allow")


class Advice(Answer):
    """What to do next, in a patient's words."""

    level: Literal["see_soon", "have_checked", "watch", "retake"]
    rule: Literal["risk", "paper"]
    calibrated: bool = Field(description="Whether the rule's threshold came from a calibration.")
    language: Literal["en", "pt", "zh"]
    title: str
    why: str
    next_steps: list[str]
    limits: list[str]


class Quality(Answer):
    """Whether the photograph is good enough for a prediction."""

    ok: bool
    problems: list[str]
    values: dict[str, float]


class Prediction(Answer):
    """The answer for one photograph."""

    label: str | None = Field(description="Code of the most probable class; null for an unfit photograph.")
    probabilities: dict[str, float] | None = Field(
        description="Class code -> calibrated probability; they add up to 1. Null for an unfit photograph."
    )
    risk: float | None = Field(
        ge=0,
        le=1,
        description="Summed probability of the classes that need a doctor; null for an unfit photograph, and where "
        "nothing is said of which do.",
    )
    prediction_sets: list[dict[str, Any]] = Field(
        default_factory=list, description="The classes that cannot be excluded, at each coverage; often none."
    )
    advice: Advice | None = Field(
        description="Null where nothing is said of which classes need a doctor; `note` then says so."
    )
    note: str = Field(default="", description="Why there is no advice; not there where there is one.")
    quality: Quality
    heatmap: list[list[list[float]]] | None = Field(
        description="Evidence by class, row and column; positive speaks for the class. Null unless asked for, and for "
        "an unfit photograph."
    )
    seconds: float = Field(ge=0, description="From the decoded photograph to the answer.")
    model: str = Field(description="The model in one line.")


class Predictions(Answer):
    """The answers for the photographs of one request, in their order."""

    predictions: list[Prediction]


class Problem(Answer):
    """Why there is no answer (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str = Field(description="One word for programs.")
    detail: str = Field(description="One line: what came, what is wanted, what to do.")
    image: int | None = Field(default=None, description="The photograph that it is about, counted from 0.")


class Model(Answer):
    """What the bundle says of itself; docs/bundle.md explains each part."""

    name: str = Field(description="Under which it is served.")
    format_version: int
    model: dict[str, Any]
    classes: list[dict[str, str]]
    taxonomy: dict[str, Any] = Field(description="What the classes are: names, malignancy, referral, words, colours.")
    image_spec: dict[str, Any]
    temperature: float
    triage: dict[str, Any]
    calibration: dict[str, Any]
    training_data: dict[str, Any]
    metrics: dict[str, Any]
    provenance: dict[str, Any]
    recipe: dict[str, Any]
    heatmap: str
    intended_use: str
    sha256: str = Field(description="Of the bundle's file.")
    bytes: int


class Models(Answer):
    """The bundles that are served."""

    models: list[Model]


class State(Answer):
    """Of the process."""

    status: Literal["alive", "ready", "not ready"]
