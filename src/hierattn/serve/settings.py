"""ServiceSettings: every limit of the service as one record, checked once, handed to each worker process as JSON."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, fields
from typing import Any

from hierattn.deploy.predict.predictor import RUNTIMES
from hierattn.errors import UsageError

ENVIRONMENT = "HIERATTN_SERVICE"
"""The variable that carries the settings, as JSON, to worker processes; never API keys, see ``API_KEYS``."""

API_KEYS = "HIERATTN_API_KEYS"
"""The variable with the accepted API keys, separated by commas. A command line would show them to every user."""

MIB = 1024 * 1024
SHORTEST_KEY = 16
MODEL_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
"""Names of served bundles: they stand in addresses and file names."""


@dataclass(frozen=True)
class ServiceSettings:
    """What the service allows.

    Attributes
    ----------
    model
        Path of a bundle, or a released name.
    threads
        Predictions at a time in one worker process; each uses one thread.
    queue
        Requests that are being received, waiting or computed at a time in one worker process; above it: 503.
    batch
        Waiting photographs that one thread takes together.
    max_body
        Bytes of a request's body; above it: 413.
    max_images
        Photographs in one request; above it: 413.
    max_pixels
        Width x height of one photograph, read from its header before anything is decoded; above it: 422.
    receive_seconds
        For a body to arrive; after it: 408.
    answer_seconds
        From the whole body to the answer; after it: 503.
    rate
        Requests a minute from one API key, or from one address where there are no keys; above it: 429. 0: no limit.
    origins
        Web origins that browsers may call from (CORS); none by default.
    app
        Whether the web app, and with it the bundles, is served.
    name
        What ``model`` is called in the interface.
    more
        Further bundles that are served, as (name, path or released name); ``?model=NAME`` asks for one.
    runtime
        One of :data:`~hierattn.deploy.predict.predictor.RUNTIMES`.

    Examples
    --------
    >>> ServiceSettings.from_json(ServiceSettings("model.onnx", queue=4).to_json()).queue
    4
    """

    model: str
    threads: int = 2
    queue: int = 32
    batch: int = 8
    max_body: int = 16 * MIB
    max_images: int = 8
    max_pixels: int = 50_000_000
    receive_seconds: float = 30.0
    answer_seconds: float = 30.0
    rate: int = 0
    origins: tuple[str, ...] = ()
    app: bool = True
    name: str = "model"
    more: tuple[tuple[str, str], ...] = ()
    runtime: str = RUNTIMES[0]

    @property
    def models(self) -> dict[str, str]:
        """Name -> path or released name of every bundle, the default one first."""
        return {self.name: self.model, **dict(self.more)}

    def __post_init__(self) -> None:
        for name in ("threads", "queue", "batch", "max_body", "max_images", "max_pixels"):
            if getattr(self, name) < 1:
                raise UsageError(f"{_option(name)} {getattr(self, name)}: wanted 1 or more")
        for name in ("receive_seconds", "answer_seconds"):
            if not 0 < getattr(self, name) < 3600:
                raise UsageError(f"{_option(name)} {getattr(self, name):g}: wanted more than 0 and less than 3600")
        if self.runtime not in RUNTIMES:
            raise UsageError(f"--runtime {self.runtime!r}: wanted {' or '.join(RUNTIMES)}")
        names = [self.name, *(name for name, _ in self.more)]
        for name in names:
            if not MODEL_NAME.fullmatch(name):
                raise UsageError(f"model name {name!r}: wanted up to 32 of a-z, 0-9 and -, a letter or digit first")
        if len(set(names)) < len(names):
            raise UsageError(f"models named {', '.join(names)}: wanted a different name for each")
        if self.rate < 0:
            raise UsageError(f"--rate {self.rate}: wanted 0 (no limit) or more requests a minute")
        for origin in self.origins:
            if not origin.startswith(("http://", "https://")) or origin.count("/") != 2:
                raise UsageError(f"--origin {origin!r}: wanted a scheme and host, such as https://clinic.example")

    def to_json(self) -> str:
        """For :data:`ENVIRONMENT`."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> ServiceSettings:
        """The inverse of :meth:`to_json`.

        Raises
        ------
        UsageError
            Where the text is not what :meth:`to_json` writes.
        """
        try:
            values: dict[str, Any] = json.loads(text)
            values["origins"] = tuple(values.get("origins", ()))
            values["more"] = tuple((str(name), str(path)) for name, path in values.get("more", ()))
            unknown = set(values) - {field.name for field in fields(cls)}
            if unknown:
                raise TypeError(f"unknown {', '.join(sorted(unknown))}")
            return cls(**values)
        except (TypeError, ValueError, AttributeError) as error:
            raise UsageError(f"{ENVIRONMENT} is no service settings ({error}): start with 'hierattn serve'") from None


def read_api_keys(text: str) -> tuple[str, ...]:
    """The keys in the value of :data:`API_KEYS`; none where it is empty.

    Raises
    ------
    UsageError
        For a key under 16 characters: those can be guessed. The key itself is not repeated. And for none among
        commas and spaces: whoever wrote these wanted one.

    >>> read_api_keys("")
    ()
    """
    keys = tuple(key.strip() for key in text.split(",") if key.strip())
    if text and not keys:
        raise UsageError(f"{API_KEYS} is set and holds no key: wanted KEY,KEY, or leave it unset to serve anybody")
    for number, key in enumerate(keys, 1):
        if len(key) < SHORTEST_KEY or not key.isascii():
            raise UsageError(
                f"{API_KEYS}: key {number} has {len(key)} characters: wanted {SHORTEST_KEY} or more, ASCII; "
                "make one with: python -c 'import secrets; print(secrets.token_urlsafe(32))'"
            )
    return keys


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
