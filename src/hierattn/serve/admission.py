"""Who may come in: API keys, a rate for each client, and a bound on how many requests are inside at a time."""

from __future__ import annotations

import hashlib
import hmac
import math
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from starlette.requests import Request

from hierattn.serve.problems import Refusal

MOST_CLIENTS = 10_000
"""Clients whose rate is remembered; the one that was longest away is forgotten first."""


class ApiKeys:
    """The accepted keys, held as digests. Without any, everyone may come in.

    >>> ApiKeys(()).required
    False
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._digests = [_digest(key) for key in keys]

    @property
    def required(self) -> bool:
        """Whether a key is wanted at all."""
        return bool(self._digests)

    def check(self, request: Request) -> None:
        """Let the request pass, or refuse it.

        The comparison takes equally long for every key, right or wrong, first or last.

        Raises
        ------
        Refusal
            401.
        """
        if not self.required:
            return
        digest = _digest(_key_of(request))
        matches = [hmac.compare_digest(digest, valid) for valid in self._digests]
        if not any(matches):
            raise Refusal(401, "key", "no valid API key: send 'Authorization: Bearer KEY' or 'X-API-Key: KEY'")


def client_of(request: Request, *, keyed: bool) -> str:
    """Whom a rate is counted for: the key's digest, or the address where no keys are wanted; never shown or logged."""
    key = _key_of(request) if keyed else ""
    return _digest(key).hex() if key else (request.client.host if request.client else "")


def _key_of(request: Request) -> str:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


class RateLimit:
    """A bucket of tokens for each client: ``rate`` a minute, and as many at once after a minute's rest.

    >>> limit = RateLimit(1)
    >>> limit.take("a", now=0.0), limit.take("a", now=30.0), limit.take("a", now=60.0)
    (0.0, 30.0, 0.0)
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str, now: float | None = None) -> float:
        """Take a token: 0 where there was one, otherwise the seconds until there will be."""
        if self._rate == 0:
            return 0.0
        now = time.monotonic() if now is None else now
        tokens, then = self._buckets.pop(client, (float(self._rate), now))
        tokens = min(float(self._rate), tokens + (now - then) * self._rate / 60)
        wait = 0.0 if tokens >= 1 else (1 - tokens) * 60 / self._rate
        self._buckets[client] = (tokens - (1 if wait == 0 else 0), now)
        if len(self._buckets) > MOST_CLIENTS:
            self._buckets.popitem(last=False)
        return wait

    def check(self, client: str) -> None:
        """Take a token or refuse.

        Raises
        ------
        Refusal
            429, with the time to wait.
        """
        wait = self.take(client)
        if wait > 0:
            seconds = math.ceil(wait)
            raise Refusal(429, "rate", f"over {self._rate} requests a minute: wait {seconds} s", retry_after=seconds)


class Places:
    """How many requests are inside. Used from the event loop alone, so that it needs no lock."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.taken = 0

    @contextmanager
    def take(self) -> Iterator[None]:
        """A place for as long as the request lasts.

        Raises
        ------
        Refusal
            503 where all are taken.
        """
        if self.taken >= self._count:
            raise Refusal(503, "busy", f"{self._count} requests are being answered: try again", retry_after=1)
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1
