"""Refusals as ``application/problem+json`` (RFC 9457): one line for a person and one word for a program."""

from __future__ import annotations

from http import HTTPStatus

from fastapi.responses import JSONResponse

MEDIA_TYPE = "application/problem+json"


class Refusal(Exception):
    """A request that is answered with an error.

    Parameters
    ----------
    status
        Of HTTP, 400 or more.
    code
        One word for programs: ``too_large``, ``busy``, ...
    detail
        One line: what came, what is wanted, what to do.
    image
        Which photograph of the request, counted from 0; None where it is not about one.
    retry_after
        Seconds after which another try makes sense.
    """

    def __init__(
        self, status: int, code: str, detail: str, *, image: int | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.image, self.retry_after = image, retry_after

    def response(self) -> JSONResponse:
        """As an HTTP response."""
        content: dict[str, str | int] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
        }
        if self.image is not None:
            content["image"] = self.image
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        if self.status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = "Bearer"
        return JSONResponse(content, self.status, headers, MEDIA_TYPE)
