"""Around every request: an identifier, security headers, a line of log, two metrics; no stack trace for strangers."""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hierattn.serve.metrics import ServiceMetrics
from hierattn.serve.problems import Refusal

LOGGER = logging.getLogger("hierattn.serve")

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""Nothing from other origins, nothing inline. ``wasm-unsafe-eval`` lets WebAssembly be compiled, and only that."""

SECURITY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class JsonLines(logging.Formatter):
    """One JSON object a line. Only fields that are named in ``record.fields`` are added to the message."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class Observation:
    """ASGI middleware. The log has the route and not the path, so that nothing a client wrote gets into it."""

    def __init__(self, app: ASGIApp, metrics: ServiceMetrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, identifier, status = time.perf_counter(), uuid.uuid4().hex, 0
        state = scope.setdefault("state", {})

        async def observed_receive() -> Message:
            message = await receive()
            if not message.get("more_body", False):
                state["body_read"] = True
            return message

        async def observed_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _add_headers(MutableHeaders(scope=message), identifier)
            await send(message)

        try:
            await self.app(scope, observed_receive, observed_send)
        except Exception:
            LOGGER.exception("failed", extra={"fields": {"request": identifier}})
            if status:
                raise
            refusal = Refusal(500, "internal", f"the service failed; its log has more under request {identifier}")
            await refusal.response()(scope, receive, observed_send)
        finally:
            self._note(scope, identifier, status, time.perf_counter() - start)

    def _note(self, scope: Scope, identifier: str, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "") or "other"
        method = scope["method"] if scope["method"] in ("GET", "HEAD", "POST", "OPTIONS") else "other"
        self.metrics.requests.labels(method, route, status).inc()
        self.metrics.request_seconds.labels(route).observe(seconds)
        fields = {
            "request": identifier,
            "method": method,
            "route": route,
            "status": status,
            "ms": round(seconds * 1000, 1),
        }
        LOGGER.info("request", extra={"fields": fields | scope.get("state", {}).get("noted", {})})


def _add_headers(headers: MutableHeaders, identifier: str) -> None:
    headers["X-Request-Id"] = identifier
    for name, value in SECURITY_HEADERS.items():
        headers.setdefault(name, value)
    headers.setdefault("Cache-Control", "no-store")
