"""A local server that supports ranges, cuts connections, serves wrong bytes and loses files."""

from __future__ import annotations

import hashlib
import io
import re
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from hierattn.data.sets.catalog import RemoteFile
from hierattn.data.sets.download import Patience

QUICK = Patience(tries=3, wait_s=0.0)


BODY = bytes(range(256)) * 4096  # 1 MiB


@dataclass
class Shop:
    """What the server has, how it misbehaves, and what it was asked."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    cut_after: int = 0  # bytes of each answer, then the line is cut
    wrong: int = 0  # answers with one byte changed
    status: int = 0  # an error for every request
    versions: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    shop: Shop

    def do_GET(self) -> None:
        shop, name = self.shop, self.path.split("?")[0].lstrip("/")
        wanted = self.headers.get("Range")
        shop.asked.append((name, wanted))
        if shop.status or name not in shop.files:
            self.send_error(shop.status or 404)
            return
        body, version = shop.files[name], f'"{shop.versions.get(name, "1")}"'
        start = 0
        if wanted and shop.ranges and self.headers.get("If-Range", version) == version:
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])  # type: ignore[index]
            if start >= len(body):
                self.send_error(416)
                return
        self.send_response(206 if start else 200)
        self.send_header("ETag", version)
        self.send_header("Content-Length", str(len(body) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.end_headers()
        sent = body[start:]
        if shop.wrong:
            shop.wrong -= 1
            sent = bytes([sent[0] ^ 1]) + sent[1:]
        if shop.cut_after:
            sent = sent[: shop.cut_after]
            self.close_connection = True
        self.wfile.write(sent)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def open_shop() -> Iterator[Shop]:
    """Serve for the time of the block."""
    opened = Shop(files={"a.bin": BODY})
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Handler,), {"shop": opened}))
    opened.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield opened
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def remote(shop: Shop, name: str = "a.bin", **values: object) -> RemoteFile:
    body = shop.files.get(name, b"")
    known = {"bytes": len(body), "checksum": "sha256:" + hashlib.sha256(body).hexdigest()}
    return RemoteFile(name, f"{shop.address}/{name}", **{**known, **values})  # type: ignore[arg-type]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()
