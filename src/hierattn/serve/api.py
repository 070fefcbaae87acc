"""The interface for programs: predictions and the model's description, under ``/v1``."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.security import APIKeyHeader, HTTPBearer

from hierattn.bundle.bundle import Bundle
from hierattn.deploy.predict.predictor import Diagnosis, Predictor
from hierattn.errors import ImageError, UsageError
from hierattn.serve.admission import ApiKeys, Places, RateLimit, client_of
from hierattn.serve.drift import DriftWatch
from hierattn.serve.metrics import ServiceMetrics
from hierattn.serve.problems import MEDIA_TYPE, Refusal
from hierattn.serve.schemas import Model, Models, Predictions, Problem
from hierattn.serve.settings import ServiceSettings
from hierattn.serve.uploads import ANSWERS, FIELD, read_form
from hierattn.serve.work import Question, WorkerPool
from hierattn.taxonomy.questions import read_answers

_FORM: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": [FIELD],
                "additionalProperties": False,
                "properties": {
                    FIELD: {
                        "type": "array",
                        "minItems": 1,
                        "items": {"type": "string", "format": "binary"},
                        "description": "Photographs: JPEG, PNG, WebP, BMP, TIFF or GIF.",
                    },
                    ANSWERS: {
                        "type": "object",
                        "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
                        "description": "Answers to the bundle's questions, for every photograph of the request: "
                        "question -> answer, as JSON. The questions are in the taxonomy that /v1/model gives. Answers "
                        "never lower the advice.",
                    },
                },
            }
        }
    },
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's description of refusals."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": _MEANINGS[status], "content": content} for status in statuses}


_MEANINGS = {
    400: "The request is malformed, or the client disconnected.",
    401: "An API key is required.",
    408: "The body took too long to arrive.",
    413: "Too many bytes or too many photographs.",
    415: "Not multipart/form-data, or not an image format that can be read.",
    422: "A wrong parameter or form, or a photograph that cannot be used: damaged, too small, too many pixels.",
    429: "Too many requests from this client; Retry-After says when.",
    503: "Too many requests at a time, or no answer in time; Retry-After says when.",
}


@dataclass(frozen=True, eq=False)
class ServedModel:
    """A bundle that is served.

    Attributes
    ----------
    predictor, path
        The loaded bundle, and its file.
    """

    predictor: Predictor
    path: Path


@dataclass(frozen=True, eq=False)
class Service:
    """What the routes share; ``models`` by name, the default one first."""

    settings: ServiceSettings
    models: Mapping[str, ServedModel]
    pool: WorkerPool
    metrics: ServiceMetrics
    keys: ApiKeys
    rate: RateLimit
    places: Places
    drift: Mapping[str, DriftWatch]

    @property
    def predictor(self) -> Predictor:
        """Of the default bundle."""
        return self.models[self.settings.name].predictor

    def model(self, name: str | None) -> tuple[str, ServedModel]:
        """A bundle by its name, None for the default one: (its name, the bundle).

        Raises
        ------
        Refusal
            422 for another name.
        """
        name = name or self.settings.name
        if name not in self.models:
            raise Refusal(422, "model", f"no such model is served: wanted one of {', '.join(self.models)}")
        return name, self.models[name]


ModelQuery = Annotated[
    str | None, Query(description="A bundle's name from /v1/models; by default the first.", max_length=32)
]


def api_router(service: Service) -> APIRouter:
    """The routes under ``/v1``."""

    def admit(request: Request) -> None:
        service.keys.check(request)
        service.rate.check(client_of(request, keyed=service.keys.required))

    guards = [Depends(admit)]
    if service.keys.required:  # these two only describe the keys; ``admit`` checks them
        guards += [Depends(HTTPBearer(auto_error=False)), Depends(APIKeyHeader(name="X-API-Key", auto_error=False))]
    router = APIRouter(prefix="/v1", dependencies=guards)
    keyed = (401,) if service.keys.required else ()

    @router.post(
        "/predictions",
        summary="Predict one or more photographs",
        response_model=Predictions,
        responses=problems(400, 408, 413, 415, 422, 429, 503, *keyed),
        openapi_extra={"requestBody": _FORM},
    )
    async def predict(
        request: Request,
        model: ModelQuery = None,
        heatmap: Annotated[bool, Query(description="Add the heat map: evidence by place.")] = False,
        language: Annotated[Literal["en", "pt", "zh"], Query(description="Language of the advice.")] = "en",
        rule: Annotated[Literal["risk", "paper"], Query(description="Triage rule; see docs/bundle.md.")] = "risk",
    ) -> dict[str, Any]:
        """Each photograph gets its own answer. If one cannot be used, none is answered, and `image` says which it was.

        Photographs are not stored. Not a medical device.
        """
        name, served = service.model(model)
        if heatmap and not served.predictor.has_heatmap:
            raise Refusal(422, "heatmap", "the bundle draws no heat map: ask without heatmap")
        with service.places.take(), service.metrics.inside.track_inprogress():
            contents, given = await read_form(request, service.settings)
            try:
                answers = read_answers(served.predictor.bundle.questions, given)
            except UsageError as error:
                raise Refusal(422, "answers", str(error)) from None
            request.state.noted = {"images": len(contents), "bytes": sum(map(len, contents))}
            question = Question(name, heatmap, rule, language, tuple(answers.items()))
            return {"predictions": [one.to_dict() for one in await _answer(service, contents, question)]}

    descriptions = {
        name: {"name": name, **describe_model(served.predictor.bundle, served.path)}
        for name, served in service.models.items()
    }

    @router.get(
        "/model",
        summary="Describe a bundle",
        response_model=Model,
        responses=problems(422, 429, *keyed),
    )
    async def describe(model: ModelQuery = None) -> dict[str, Any]:
        """Classes, calibration, licence, training data, metrics and provenance: the bundle's metadata."""
        return descriptions[service.model(model)[0]]

    @router.get(
        "/models",
        summary="List the served bundles",
        response_model=Models,
        responses=problems(429, *keyed),
    )
    async def models() -> dict[str, Any]:
        """Each as `/v1/model` describes it; the first is the default."""
        return {"models": list(descriptions.values())}

    return router


async def _answer(service: Service, contents: list[bytes], question: Question) -> list[Diagnosis]:
    try:
        diagnoses = await service.pool.answer(contents, question, service.settings.answer_seconds)
    except TimeoutError:
        raise Refusal(
            503, "late", f"no answer within {service.settings.answer_seconds:g} s: try again later", retry_after=5
        ) from None
    except ImageError as error:
        number = str(error).removeprefix("photograph ").split(" ", 1)[0]
        raise Refusal(422, "image", str(error), image=int(number) if number.isdecimal() else None) from None
    for diagnosis in diagnoses:
        service.metrics.predictions.labels(diagnosis.advice.level if diagnosis.advice else "no_advice").inc()
        service.drift[question.model].note(diagnosis)
    return diagnoses


def describe_model(bundle: Bundle, path: Path) -> dict[str, Any]:
    """The bundle's metadata as plain values, with the file's digest and size.

    Raises
    ------
    UsageError
        Where the file is gone.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}): check the path") from None
    return {**bundle.to_values(), "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def problem_schema() -> dict[str, Any]:
    """Of :class:`~hierattn.serve.schemas.Problem`, for OpenAPI's components."""
    return Problem.model_json_schema(ref_template="#/components/schemas/{model}")
