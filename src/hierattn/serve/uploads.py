"""A request's photographs, read into memory as they stream in: bounded in bytes, parts and time, never on a disk.

A form is answered as it was sent, or not at all. It is whole when it begins with its boundary, ends with its closing
boundary, and holds nothing before, between and after its parts (RFC 2046, section 5.1.1; RFC 7578). Parsers for the web
are more forgiving than that: they drop a last part that never ended.
"""

from __future__ import annotations

import asyncio
import json
import re
from email.message import Message
from email.parser import HeaderParser
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request

from hierattn.serve.problems import Refusal
from hierattn.serve.settings import ServiceSettings

FIELD = "images"
"""The form's field with the photographs; it may be repeated."""

ANSWERS = "answers"
"""The form's field with answers to the bundle's questions: a JSON object, for every photograph of the request."""
_MOST_ANSWERS = 4096
"""Bytes of that field."""

DRAIN_SECONDS, DRAIN_BYTES = 2.0, 32 * 1024 * 1024
"""How long and how much of a refused body is read and thrown away, so that the client comes to read the refusal."""

_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"II*\0", b"MM\0*", b"GIF8")


_MOST_HEADERS = 8 * 1024
"""Bytes of a part's headers."""

_OTHER_PART = re.compile(rb"content-disposition:\s*form-data")
"""What no photograph holds: a part's headers, in lower case."""


async def read_form(request: Request, settings: ServiceSettings) -> tuple[list[bytes], dict[str, Any]]:
    """The files of the form's field ``images``, in their order, and the answers of its field ``answers``.

    Raises
    ------
    Refusal
        408, 413, 415 or 422.
    """
    boundary = _check_headers(request.headers, settings)
    try:
        async with asyncio.timeout(settings.receive_seconds):
            body = await _receive(request, settings)
    except TimeoutError:
        raise Refusal(
            408, "slow", f"the body took over {settings.receive_seconds:g} s to arrive: send it again, or smaller"
        ) from None
    except ClientDisconnect:
        raise Refusal(400, "disconnected", "the client left before the whole body had arrived") from None
    answers: dict[str, Any] | None = None
    photographs: list[bytes] = []
    for part in _split(body, boundary, settings.max_images):
        said = _answers_of(part)
        if said is None:
            number = len(photographs)
            photographs.append(_recognised(_content(part, number), number))
        elif answers is not None:
            raise _broken(f"the field '{ANSWERS}' comes twice")
        else:
            answers = said
    if len(photographs) > settings.max_images:
        raise _too_many(settings.max_images)
    if not photographs:
        raise _broken(f"no photograph came: wanted files in the field '{FIELD}'")
    return photographs, answers or {}


def _answers_of(part: bytes) -> dict[str, Any] | None:
    """The answers in a part; None for a part of another field."""
    head, _, content = part[: _MOST_HEADERS + _MOST_ANSWERS].lstrip(b" \t\r\n").partition(b"\r\n\r\n")
    _, name, file = _read_headers(head)
    if name != ANSWERS or file:
        return None
    try:
        said = json.loads(content) if len(part) < _MOST_HEADERS + _MOST_ANSWERS else None
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise Refusal(422, "answers", f"the field '{ANSWERS}' is no JSON object: wanted one, question -> answer")
    return said


def _check_headers(headers: Headers, settings: ServiceSettings) -> bytes:
    """The form's boundary. Refuse by what is announced; what comes is counted all the same."""
    kind = headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise Refusal(
            415, "media_type", f"content type {kind or 'missing'}: wanted multipart/form-data with the field '{FIELD}'"
        )
    coding = headers.get("content-encoding", "identity").strip().lower()
    if coding != "identity":
        raise Refusal(415, "media_type", "the body is compressed (content-encoding): send the form as it is")
    announced = headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > settings.max_body:
        raise _too_large(settings)
    form = Message()
    form["Content-Type"] = headers["content-type"]
    try:
        return str(form.get_boundary("")).encode("ascii", "replace")
    except (TypeError, ValueError):
        raise _broken("the content type cannot be read") from None


async def _receive(request: Request, settings: ServiceSettings) -> bytes:
    """The body, with the line break before it that its first boundary may lack, unless it is too long."""
    pieces, received = [b"\r\n"], 0
    async for piece in request.stream():
        received += len(piece)
        if received > settings.max_body:
            raise _too_large(settings)
        pieces.append(piece)
    return b"".join(pieces)


def _split(body: bytes, boundary: bytes, most: int) -> list[bytes]:
    """The parts of a whole form, each with its headers."""
    if not boundary:
        raise _broken("the content type names no boundary")
    before, *parts = body.split(b"\r\n--" + boundary, most + 3)  # the answers are one part more
    if before.strip() or not parts:
        raise _broken("the form does not begin with the boundary that the content type names")
    after = parts.pop()
    if len(parts) > most + 1:
        raise _too_many(most)
    if any(part[:2] == b"--" for part in parts) or (after[:2] == b"--" and after[2:].strip()):
        raise _broken("more follows the closing boundary")
    if after[:2] != b"--":
        raise _broken(f"the form breaks off in part {len(parts)}: wanted the closing boundary after it")
    if not parts:
        raise _broken(f"no photograph came: wanted files in the field '{FIELD}'")
    return parts


def _read_headers(head: bytes) -> tuple[Message, Any, Any]:
    """A part's headers, and the name of its field and of its file."""
    headers = HeaderParser().parsestr(head.decode("latin-1"))
    try:  # the parser stumbles over encoded options that contradict one another
        name, file = (headers.get_param(option, header="content-disposition") for option in ("name", "filename"))
    except (TypeError, ValueError):
        raise _broken("the headers of a part cannot be read") from None
    return headers, name, file


def _content(part: bytes, number: int) -> bytes:
    """The file in a part."""
    line, _, rest = part[:_MOST_HEADERS].partition(b"\r\n")
    head, end, _ = rest.partition(b"\r\n\r\n")
    headers, name, file = _read_headers(head)
    if line.strip(b" \t") or not end or headers.get_content_disposition() != "form-data":
        raise _broken(f"part {number} begins without the headers of a form's part", number)
    if name != FIELD or file is None:
        raise _broken(f"part {number} is no file in the field '{FIELD}': wanted such files only", number)
    if headers.get("content-transfer-encoding", "binary").strip().lower() not in ("binary", "8bit", "7bit"):
        raise _broken(f"part {number} is encoded: wanted the file's own bytes", number)
    content = part[len(line) + 2 + len(head) + 4 :]
    if _OTHER_PART.search(content.lower()):
        raise _broken(f"part {number} runs on into another: the boundary between them is missing", number)
    return content


def _too_many(most: int) -> Refusal:
    return Refusal(413, "too_many", f"over {most} photographs in one request: send them in several")


def _broken(why: str, number: int | None = None) -> Refusal:
    return Refusal(422, "form", f"{why}; send the form again", image=number)


def _recognised(content: bytes, number: int) -> bytes:
    """By its first bytes; the announced type and the name are the sender's guess and are not looked at."""
    webp = content[:4] == b"RIFF" and content[8:12] == b"WEBP"
    if webp or content.startswith(_SIGNATURES):
        return content
    if not content:
        raise Refusal(422, "image", f"photograph {number} is empty: send the file itself", image=number)
    hint = "HEIC or AVIF came, convert it" if content[4:8] == b"ftyp" else "send another file"
    raise Refusal(
        415, "media_type", f"photograph {number} is no JPEG, PNG, WebP, BMP, TIFF or GIF: {hint}", image=number
    )


def _too_large(settings: ServiceSettings) -> Refusal:
    return Refusal(
        413, "too_large", f"body over {settings.max_body:,} bytes: send smaller photographs, or fewer at a time"
    )


async def drain(request: Request) -> None:
    """Read on and throw away for a moment: a client that is still sending would otherwise see a broken connection."""
    read = 0
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            while read < DRAIN_BYTES:
                message = await request.receive()
                read += len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return
    except TimeoutError:
        return
