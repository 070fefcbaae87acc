"""What every test of the service asks of it: a small bundle, photographs, and its web app in Node and in Chromium."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

WEB = Path(__file__).resolve().parents[2] / "apps" / "web"

Ask = Callable[[list[dict[str, Any]]], list[Any]]
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from small_bundles import write_small_bundle

    return write_small_bundle(tmp_path_factory.mktemp("bundle") / "small.onnx")


@pytest.fixture(scope="module")
def photos() -> list[bytes]:
    pytest.importorskip("fastapi")
    from services import rendered_photos

    return rendered_photos()


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The app's modules as one program for Node."""
    if shutil.which("node") is None or not (WEB / "node_modules").is_dir():
        pytest.skip("Node or the app's packages are missing: run 'make web' to compare the web app with Python")
    out = tmp_path_factory.mktemp("agreement")
    build = ["node", "node_modules/vite/bin/vite.js", "build", "--ssr", "test/agreement.ts", "--outDir", str(out)]
    subprocess.run([*build, "--config", "test/vite.config.ts"], cwd=WEB, check=True, timeout=120)
    return next(out.glob("agreement.*js"))


@pytest.fixture(scope="module")
def ask(program: Path) -> Ask:
    """Send questions to the app's modules."""

    def send(questions: list[dict[str, Any]]) -> list[Any]:
        lines = "".join(json.dumps(question) + "\n" for question in questions)
        result = subprocess.run(["node", program], input=lines, capture_output=True, text=True, check=True, timeout=120)
        return [json.loads(line) for line in result.stdout.splitlines()]

    return send


@pytest.fixture
def open_app(browser: Any, url: str) -> Iterator[Open]:
    """Open the app in a fresh profile; at the end nothing may have gone wrong, or to another host."""
    from services import ready

    contexts: list[Any] = []
    wrong: list[str] = []

    def go(**options: Any) -> Any:
        defaults = {"viewport": {"width": 390, "height": 844}, "locale": "en-GB"}
        context = browser.new_context(**defaults | options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: request.url.startswith((url, "blob:", "data:")) or wrong.append(request.url))
        page.goto(url)
        ready(page)
        return page

    yield go
    for context in contexts:
        context.close()
    assert not wrong
