"""``hierattn serve``."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from hierattn.cli.console import completing
from hierattn.cli.which_model import DomainOption, ModelOption, RuntimeOption


def run(
    model: ModelOption = None,
    domain: DomainOption = None,
    also: Annotated[
        list[str] | None, typer.Option(metavar="NAME=BUNDLE", help="One more bundle to choose from; may be repeated.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on. 0.0.0.0: all networks of this machine.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that share the port.")] = 1,
    threads: Annotated[
        int, typer.Option(help="Predictions at a time in a process; 0 divides the cores among the processes.")
    ] = 0,
    runtime: RuntimeOption = "onnxruntime",
    queue: Annotated[int, typer.Option(help="Requests in a process at a time; more get 503.")] = 32,
    batch: Annotated[int, typer.Option(help="Waiting photographs that a thread predicts together.")] = 8,
    max_body: Annotated[int, typer.Option(help="Largest request in bytes; larger ones get 413.")] = 16 * 1024 * 1024,
    max_images: Annotated[int, typer.Option(help="Photographs in one request; more get 413.")] = 8,
    max_pixels: Annotated[
        int, typer.Option(help="Largest width x height of a photograph; larger ones get 422.")
    ] = 50_000_000,
    receive_seconds: Annotated[float, typer.Option(help="Time for a request to arrive; slower ones get 408.")] = 30,
    answer_seconds: Annotated[float, typer.Option(help="Time from request to answer; later ones get 503.")] = 30,
    rate: Annotated[int, typer.Option(help="Requests per minute and client; more get 429. 0: no limit.")] = 0,
    origin: Annotated[
        list[str] | None, typer.Option(help="A web origin whose pages may call the service; may be repeated.")
    ] = None,
    app: Annotated[bool, typer.Option(help="Serve the web app, and the bundle with it.")] = True,
    log_level: Annotated[
        str,
        typer.Option(
            help="debug, info, warning or error.", autocompletion=completing("debug", "info", "warning", "error")
        ),
    ] = "info",
) -> None:
    """Serve the web app, and predictions for other programs, from a bundle.

    The web app predicts on the visitor's own device: its photographs are never sent here. Programs send theirs to
    /v1/predictions; nothing of them is written to a disk or a log. Needs no torch: pip install 'hierattn[serve]'

        hierattn serve --model model.onnx

        hierattn serve --model dermoscope.onnx --also phone=phone.onnx

        curl -F images=@photo.jpg http://127.0.0.1:8000/v1/predictions

    Without --model the released bundle of each domain is served, that of --domain first; with --model
    dermoscopy-large --also phone=phone, the larger dermoscopy model in place of the usual one. The web app asks its
    visitor which of several bundles to use; a program says ?model=NAME, or gets the first.

    Pages: / the web app, /docs the interface, /v1/models the bundles' descriptions, /healthz, /readyz, /metrics.

    HIERATTN_API_KEYS=KEY,KEY in the environment makes a key necessary. Beyond this machine put a proxy with TLS in
    front: docs/service.md. SIGTERM finishes the requests that were accepted, then stops. Not a medical device.
    """
    from hierattn.cli.which_model import say_which
    from hierattn.deploy.predict.predictor import Predictor
    from hierattn.errors import UsageError, require
    from hierattn.files import cores

    for package in ("fastapi", "uvicorn", "prometheus_client"):
        require(package, "serve")
    from hierattn.serve.run import check_address, run_service
    from hierattn.serve.settings import API_KEYS, ServiceSettings, read_api_keys

    if log_level not in ("debug", "info", "warning", "error"):
        raise UsageError(f"--log-level {log_level!r}: wanted debug, info, warning or error")
    (name, bundle), *more = served_models(model, domain, also or [])
    settings = ServiceSettings(
        model=bundle,
        name=name,
        more=tuple(more),
        threads=threads or max(1, cores() // workers),
        runtime=runtime,
        queue=queue,
        batch=batch,
        max_body=max_body,
        max_images=max_images,
        max_pixels=max_pixels,
        receive_seconds=receive_seconds,
        answer_seconds=answer_seconds,
        rate=rate,
        origins=tuple(origin or ()),
        app=app,
    )
    keys = read_api_keys(os.environ.get(API_KEYS, ""))
    check_address(host, port)
    for name, bundle in settings.models.items():  # a bad bundle is refused here, and not by each worker
        typer.echo(f"{name}: {Predictor.load(bundle, threads=1, runtime=runtime).description}", err=True)
        say_which(bundle)
    typer.echo("API key required" if keys else "No API key required", err=True)
    typer.echo(f"Open http://{host}:{port}/ (Ctrl-C stops)", err=True)
    run_service(settings, host, port, workers=workers, level=log_level)


def served_models(model: str | None, domain: str | None, also: list[str]) -> list[tuple[str, str]]:
    """Name and bundle of everything to serve, the default one first.

    Raises
    ------
    UsageError
        For ``--also`` without a name, or ``--model`` together with ``--domain``.

    >>> served_models("mine.onnx", None, ["phone=camera.onnx"])
    [('model', 'mine.onnx'), ('phone', 'camera.onnx')]
    """
    from hierattn.cli.which_model import choose_model
    from hierattn.deploy.predict.released import DOMAINS, NAMES, is_released
    from hierattn.errors import UsageError

    first = choose_model(model, domain)
    served: list[tuple[str, str]] = [(first if first in NAMES else "model", first)]
    if model is None:
        served += [(other, other) for other in DOMAINS if other != first and is_released(other)]
    for entry in also:
        name, separator, bundle = entry.partition("=")
        if not (separator and name and bundle):
            raise UsageError(f"--also {entry!r}: wanted NAME=BUNDLE, such as phone=phone.onnx")
        served.append((name, bundle))
    return served
