"""The whole service as an ASGI application.

>>> from hierattn.serve.app import create_app                    # doctest: +SKIP
>>> app = create_app(ServiceSettings("model.onnx"))              # doctest: +SKIP
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

import hierattn
from hierattn.deploy.predict.predictor import Predictor, find_bundle
from hierattn.serve.admission import ApiKeys, Places, RateLimit
from hierattn.serve.api import ServedModel, Service, api_router, problem_schema, problems
from hierattn.serve.drift import DriftWatch
from hierattn.serve.metrics import ServiceMetrics
from hierattn.serve.observation import Observation
from hierattn.serve.pages import STYLE, api_page, drift_page, hint_page
from hierattn.serve.problems import Refusal
from hierattn.serve.schemas import State
from hierattn.serve.settings import API_KEYS, ENVIRONMENT, ServiceSettings, read_api_keys
from hierattn.serve.uploads import drain
from hierattn.serve.web_app import WebApp, find_web_app
from hierattn.serve.work import WorkerPool

DESCRIPTION = (
    "A skin-lesion classifier: calibrated probabilities and plain advice for photographs. Photographs are never "
    "stored, on disk or in logs. Not a medical device: it can miss a melanoma."
)


def app_from_environment() -> FastAPI:
    """The application of one worker process, from what ``hierattn serve`` left in the environment."""
    settings = ServiceSettings.from_json(os.environ.get(ENVIRONMENT, ""))
    return create_app(settings, read_api_keys(os.environ.get(API_KEYS, "")))


def create_app(settings: ServiceSettings, keys: Sequence[str] = ()) -> FastAPI:
    """Load the bundle and put the service together.

    Parameters
    ----------
    settings
        All limits.
    keys
        Accepted API keys; without any, everyone who reaches the port may ask.

    Raises
    ------
    BundleError, UsageError
        Where the bundle cannot be loaded.
    """
    service = _build(settings, keys)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.pool.close()  # by now every request that was taken has its answer

    app = FastAPI(
        title="hierattn", version=hierattn.__version__, description=DESCRIPTION, docs_url=None, redoc_url=None,
        lifespan=lifespan,
    )  # fmt: skip
    app.state.service = service
    _handle_errors(app)
    app.include_router(api_router(service))
    _add_operations(app, service)
    _describe(app)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.origins),
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "X-API-Key"],
        )
    app.add_middleware(Observation, metrics=service.metrics)
    _add_web_app(app, service)
    return app


def _build(settings: ServiceSettings, keys: Sequence[str]) -> Service:
    # OpenVINO serves one caller at a time, so that one gets all threads; ONNX Runtime runs in each caller's own.
    threads = settings.threads if settings.runtime == "openvino" else 1
    models = {
        name: ServedModel(Predictor.load(model, threads=threads, runtime=settings.runtime), find_bundle(model))
        for name, model in settings.models.items()
    }
    predictors = {name: served.predictor for name, served in models.items()}
    metrics = ServiceMetrics()
    return Service(
        settings=settings,
        models=models,
        pool=WorkerPool(predictors, settings.threads, settings.batch, settings.max_pixels, metrics.observe_batch),
        metrics=metrics,
        keys=ApiKeys(keys),
        rate=RateLimit(settings.rate),
        places=Places(settings.queue),
        drift={name: DriftWatch(served.predictor.bundle) for name, served in models.items()},
    )


def _handle_errors(app: FastAPI) -> None:
    """Every error as a problem; a body that was not read to its end is thrown away first."""

    async def refuse(request: Request, error: Exception) -> Response:
        refusal = _as_refusal(error)
        app.state.service.metrics.refusals.labels(refusal.code).inc()
        if request.method == "POST" and not request.scope["state"].get("body_read", False):
            await drain(request)
        response = refusal.response()
        if isinstance(error, HTTPException):
            response.headers.update(error.headers or {})
        return response

    for family in (Refusal, RequestValidationError, HTTPException):
        app.add_exception_handler(family, refuse)


def _as_refusal(error: Exception) -> Refusal:
    if isinstance(error, Refusal):
        return error
    if isinstance(error, RequestValidationError):
        wrong = ", ".join(sorted({".".join(map(str, one["loc"])) for one in error.errors()}))
        return Refusal(422, "parameter", f"{wrong}: a value that is not allowed; /docs lists those that are")
    status = error.status_code if isinstance(error, HTTPException) else 500
    reasons = {404: "nothing is here: /docs lists the routes", 405: "not by this method: /docs lists them"}
    return Refusal(status, "route", reasons.get(status, "the request cannot be answered"))


def _add_operations(app: FastAPI, service: Service) -> None:
    """Health, metrics and the page about the interface."""

    @app.get("/healthz", summary="Liveness: the process runs", response_model=State)
    async def alive() -> dict[str, str]:
        return {"status": "alive"}

    @app.get(
        "/readyz",
        summary="Readiness: it can answer now",
        response_model=State,
        responses={503: {"description": "A worker thread has ended, or the service is stopping.", "model": State}},
    )
    async def ready() -> JSONResponse:
        if service.pool.alive:
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": "not ready"}, 503)

    @app.get(
        "/metrics",
        summary="Metrics for Prometheus",
        response_class=PlainTextResponse,
        responses=problems(401) if service.keys.required else {},
    )
    async def metrics(request: Request) -> PlainTextResponse:
        service.keys.check(request)
        for name, watch in service.drift.items():
            service.metrics.set_drift(name, watch.state())
        return PlainTextResponse(service.metrics.text(), media_type="text/plain; version=0.0.4")

    @app.get("/drift", include_in_schema=False)
    async def drift(request: Request) -> HTMLResponse:
        service.keys.check(request)
        return HTMLResponse(drift_page({name: watch.state() for name, watch in service.drift.items()}))

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(api_page(app.openapi()))

    @app.get("/docs.css", include_in_schema=False)
    async def style() -> PlainTextResponse:
        return PlainTextResponse(STYLE, media_type="text/css")


def _describe(app: FastAPI) -> None:
    """FastAPI's OpenAPI, with the problem that the refusals refer to."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        schema = plain()
        schema.setdefault("components", {}).setdefault("schemas", {})["Problem"] = problem_schema()
        return schema

    app.openapi = openapi  # type: ignore[method-assign]


def _add_web_app(app: FastAPI, service: Service) -> None:
    folder = find_web_app() if service.settings.app else None
    if folder is not None:
        app.mount("/", WebApp(folder, {name: served.path for name, served in service.models.items()}), name="web app")
        return

    @app.get("/", include_in_schema=False)
    async def hint() -> HTMLResponse:
        return HTMLResponse(hint_page())
