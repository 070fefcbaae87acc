"""A request's photographs, read into memory as they stream in: bounded in bytes, parts and time, never on a disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from hierattn.serve.problems import Refusal
from hierattn.serve.settings import ServiceSettings

FIELD = "images"
"""The form's field with the photographs; it may be repeated."""

DRAIN_SECONDS, DRAIN_BYTES = 2.0, 32 * 1024 * 1024
"""How long and how much of a refused body is read and thrown away, so that the client comes to read the refusal."""

_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"II*\0", b"MM\0*", b"GIF8")


class _InMemoryParser(MultiPartParser):
    """Starlette's parser, which would write files above 1 MB to a temporary file."""

    spool_max_size = 0  # of SpooledTemporaryFile: never rolls over


async def read_photographs(request: Request, settings: ServiceSettings) -> list[bytes]:
    """The files of the form's field ``images``, in their order.

    Raises
    ------
    Refusal
        408, 413, 415 or 422.
    """
    _check_headers(request.headers, settings)
    try:
        async with asyncio.timeout(settings.receive_seconds):
            return await _parse(request, settings)
    except TimeoutError:
        raise Refusal(
            408, "slow", f"the body took over {settings.receive_seconds:g} s to arrive: send it again, or smaller"
        ) from None
    except ClientDisconnect:
        raise Refusal(400, "disconnected", "the client left before the whole body had arrived") from None


def _check_headers(headers: Headers, settings: ServiceSettings) -> None:
    """Refuse by what is announced; what comes is counted all the same."""
    kind = headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise Refusal(
            415, "media_type", f"content type {kind or 'missing'}: wanted multipart/form-data with the field '{FIELD}'"
        )
    announced = headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > settings.max_body:
        raise _too_large(settings)


async def _parse(request: Request, settings: ServiceSettings) -> list[bytes]:
    parser = _InMemoryParser(
        request.headers, _bounded(request, settings), max_files=settings.max_images, max_fields=4, max_part_size=1024
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        if error.message.startswith("Too many files"):
            raise Refusal(
                413, "too_many", f"over {settings.max_images} photographs in one request: send them in several"
            ) from None
        raise Refusal(422, "form", f"the form cannot be read ({error.message.rstrip('.')}): send it again") from None
    async with _closing(form.multi_items()) as items:
        files = [value for name, value in items if name == FIELD and isinstance(value, UploadFile)]
        if not files or len(files) != len(items):
            raise Refusal(
                422, "form", f"{len(items)} parts, {len(files)} of them files named '{FIELD}': wanted such files only"
            )
        return [_recognised(await file.read(), number) for number, file in enumerate(files)]


async def _bounded(request: Request, settings: ServiceSettings) -> AsyncGenerator[bytes, None]:
    """The body's pieces, until they are too many."""
    received = 0
    async for piece in request.stream():
        received += len(piece)
        if received > settings.max_body:
            raise _too_large(settings)
        yield piece


@asynccontextmanager
async def _closing(
    items: list[tuple[str, UploadFile | str]],
) -> AsyncIterator[list[tuple[str, UploadFile | str]]]:
    """Free the files' memory at once, whatever comes."""
    try:
        yield items
    finally:
        for _, value in items:
            if isinstance(value, UploadFile):
                await value.close()


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
