"""Run the service with uvicorn: one process, or several that share a port."""

from __future__ import annotations

import errno
import os
import socket
import tempfile
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from hierattn.errors import UsageError
from hierattn.serve.problems import Refusal
from hierattn.serve.settings import ENVIRONMENT, ServiceSettings

FINISH_SECONDS = 30
"""After a signal to stop: how long requests that were taken may go on. Later ones are refused by the closed port."""

SHARED_METRICS = "PROMETHEUS_MULTIPROC_DIR"
"""Where several worker processes put their counts together; prometheus_client reads the variable when imported."""


def log_config(level: str) -> dict[str, Any]:
    """Everything as JSON lines on standard error; uvicorn's own access log, which has addresses and paths, is off."""
    loggers: dict[str, dict[str, Any]] = {
        name: {"handlers": ["lines"], "level": level.upper(), "propagate": False}
        for name in ("hierattn.serve", "uvicorn", "uvicorn.error")
    }
    # Pillow reports damaged files to a logger of its own, in lines that are no JSON; the refusal says it better.
    loggers["PIL"] = {"handlers": [], "level": "CRITICAL", "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "hierattn.serve.observation.JsonLines"}},
        "handlers": {"lines": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}},
        "loggers": loggers,
    }


class ProblemProtocol(H11Protocol):
    """HTTP/1.1 by h11, whose errors are problems in JSON; uvicorn's are plain text."""

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002
        """Refuse what h11 cannot read, and close: nobody knows where the next request would begin."""
        answer = Refusal(400, "http", "the request is no valid HTTP/1.1: send it again").response()
        headers = [*answer.raw_headers, (b"connection", b"close")]
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):  # else an answer has begun already
            for event in (
                h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
                h11.Data(data=bytes(answer.body)),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


def check_address(host: str, port: int) -> None:
    """Refuse an address that cannot be listened on before anybody is told to open it.

    Raises
    ------
    UsageError
        Where the port is taken, or the host is none of this machine's.
    """
    try:
        (family, *_, address), *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        with socket.socket(family) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(address)
    except (OSError, UnicodeError) as error:  # UnicodeError: a host that no name can be
        reason = getattr(error, "strerror", None) or error
        why = "is in use" if getattr(error, "errno", None) == errno.EADDRINUSE else f"cannot be had ({reason})"
        raise UsageError(
            f"port {port} of {host} {why}: choose another --port, or as --host an address of this machine"
        ) from None


def run_service(settings: ServiceSettings, host: str, port: int, *, workers: int = 1, level: str = "info") -> None:
    """Serve until SIGINT or SIGTERM; requests that were taken get their answer first.

    Parameters
    ----------
    settings
        See :class:`~hierattn.serve.settings.ServiceSettings`.
    host, port
        To listen on.
    workers
        Processes. Each loads the bundle and has its own queue.
    level
        Of the log: ``debug``, ``info``, ``warning`` or ``error``.
    """
    os.environ[ENVIRONMENT] = settings.to_json()
    with tempfile.TemporaryDirectory(prefix="hierattn-metrics-") as shared:
        if workers > 1:
            os.environ[SHARED_METRICS] = shared  # counts and times, nothing else
        uvicorn.run(
            "hierattn.serve.app:app_from_environment",
            factory=True,
            host=host,
            port=port,
            workers=workers,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            http=ProblemProtocol,
            ws="none",
            log_config=log_config(level),
            timeout_keep_alive=10,
            timeout_graceful_shutdown=FINISH_SECONDS,
        )
