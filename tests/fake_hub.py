"""A small Hugging Face Hub on this machine: what huggingface_hub's own client asks of it, and what it was told."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

TOKEN = "hf_thisIsNoRealTokenButLooksLikeOne"


@dataclass
class Repository:
    """One repository: its commits (each the whole of its files), newest last."""

    private: bool
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)

    def files(self, revision: str) -> tuple[str, dict[str, bytes]]:
        commit = list(self.commits)[-1] if revision == "main" else revision
        return commit, self.commits[commit]


@dataclass
class Hub:
    """The server's state; what it asks of its users, and how it misbehaves."""

    address: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    large: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    forced_public: bool = False  # an organisation whose new repositories are public, whatever was asked for
    announced: int | None = None  # a size that is said of every file

    def put(self, name: str, files: dict[str, bytes], private: bool = False) -> str:
        """A commit on top of the newest."""
        repository = self.repositories.setdefault(name, Repository(private))
        former = repository.files("main")[1] if repository.commits else {}
        commit = hashlib.sha1(repr((name, len(repository.commits))).encode()).hexdigest()
        repository.commits[commit] = former | files
        return commit


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, values: object, status: int = 200, headers: dict[str, str] | None = None) -> None:
        body = values if isinstance(values, bytes) else json.dumps(values).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def missing(self, code: str) -> None:
        self.answer({"error": code}, 404, {"X-Error-Code": code, "X-Error-Message": f"{code} for {TOKEN}"})

    @property
    def known(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def visible(self, name: str) -> Repository | None:
        found = self.hub.repositories.get(name)
        return found if found is not None and (self.known or not found.private) else None

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.hub.asked.append(f"{self.command} {self.path}")
        if match := re.fullmatch(r"/api/models/([\w.-]+/[\w.-]+)(?:/revision/(\w+))?(\?.*)?", self.path):
            found = self.visible(match[1])
            if found is None:
                return self.missing("RepoNotFound")
            sha = found.files("main")[0] if found.commits else "0" * 40
            return self.answer({"id": match[1], "modelId": match[1], "sha": sha, "private": found.private, "tags": []})
        if match := re.fullmatch(r"/([\w.-]+/[\w.-]+)/resolve/(\w+)/([\w.-]+)", self.path):
            found = self.visible(match[1])
            if found is None:
                return self.missing("RepoNotFound")
            if match[2] not in ("main", *found.commits):
                return self.missing("RevisionNotFound")
            commit, files = found.files(match[2])
            if match[3] not in files:
                return self.missing("EntryNotFound")
            body = files[match[3]]
            headers = {"ETag": f'"{hashlib.sha256(body).hexdigest()}"', "X-Repo-Commit": commit}
            if self.hub.announced is not None:
                headers["X-Linked-Size"] = str(self.hub.announced)
            return self.answer(body, headers=headers)
        return self.missing("EntryNotFound")

    def do_PUT(self) -> None:
        body = self.body()
        assert "Authorization" not in self.headers  # the client keeps its token from the storage
        self.hub.large[hashlib.sha256(body).hexdigest()] = body
        self.answer({})

    def body(self) -> bytes:
        """What was sent, whole or in chunks."""
        if "Content-Length" in self.headers:
            return self.rfile.read(int(self.headers["Content-Length"]))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def do_POST(self) -> None:
        self.hub.asked.append(f"POST {self.path}")
        body = self.body()
        if not self.known:
            return self.answer({"error": "Invalid credentials"}, 401)
        if self.path == "/api/repos/create":
            asked = json.loads(body)
            name = asked["name"] if "organization" not in asked else f"{asked['organization']}/{asked['name']}"
            private = asked.get("private", False) or asked.get("visibility") == "private"  # older and newer clients
            self.hub.repositories[name] = Repository(private and not self.hub.forced_public)
            return self.answer({"url": f"{self.hub.address}/{name}", "name": name})
        if self.path == "/api/validate-yaml":
            return self.answer({"errors": [], "warnings": []})
        if self.path.endswith("/info/lfs/objects/batch"):
            objects = json.loads(body)["objects"]
            for each in objects:
                each["actions"] = {"upload": {"href": f"{self.hub.address}/storage/{each['oid']}"}}
            return self.answer({"objects": objects, "transfer": "basic"})
        if match := re.fullmatch(r"/api/models/([\w.-]+/[\w.-]+)/preupload/main(\?.*)?", self.path):
            modes = []
            for file in json.loads(body)["files"]:
                mode = "lfs" if file["path"].endswith((".safetensors", ".onnx")) else "regular"
                modes.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": None})
            return self.answer({"files": modes})
        if match := re.fullmatch(r"/api/models/([\w.-]+/[\w.-]+)/commit/main(\?.*)?", self.path):
            files = {}
            for line in body.splitlines():
                entry = json.loads(line)
                if entry["key"] == "file":
                    files[entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
                if entry["key"] == "lfsFile":
                    files[entry["value"]["path"]] = self.hub.large[entry["value"]["oid"]]
            commit = self.hub.put(match[1], files)
            return self.answer(
                {"success": True, "commitOid": commit, "commitUrl": f"{self.hub.address}/{match[1]}/commit/{commit}"}
            )
        return self.missing("EntryNotFound")


@contextmanager
def running_hub() -> Iterator[Hub]:
    """The server, for the time of the block."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"hub": hub}))
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def use(hub: Hub, monkeypatch: pytest.MonkeyPatch, cache: object, token: str | None = TOKEN) -> None:
    """Point the client of this process at the server, with a cache and a token of its own."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", hub.address)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.address + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_IMPLICIT_TOKEN", False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", "/dev/null")
    if token is None:
        monkeypatch.delenv("HF_TOKEN", raising=False)
    else:
        monkeypatch.setenv("HF_TOKEN", token)


def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client's own offline mode."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
