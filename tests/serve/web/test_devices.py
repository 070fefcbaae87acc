"""The web app on small devices: one thread on iPhones and iPads, and a runtime that does not grow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("playwright")
pytest.importorskip("uvicorn")

from services import answer, png, ready, served, use_bundle
from small_bundles import write_small_bundle

from hierattn.data.rendered.rendered_set import render_lesion
from hierattn.deploy.predict.session import MAX_THREADS
from hierattn.serve.web_app import find_web_app

SAFARI = "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Safari/605.1.15"
IPHONE, MAC = "iPhone; CPU iPhone OS 18_7 like Mac OS X", "Macintosh; Intel Mac OS X 10_15_7"
DEVICES = {
    "iPhone": (f"Mozilla/5.0 ({IPHONE}) {SAFARI}", 5, 1),
    "Chrome on an iPhone": (f"Mozilla/5.0 ({IPHONE}) AppleWebKit/605.1.15 CriOS/141.0 Mobile Safari/604.1", 5, 1),
    "iPad": (f"Mozilla/5.0 ({MAC}) {SAFARI}", 5, 1),
    "Mac": (f"Mozilla/5.0 ({MAC}) {SAFARI}", 0, MAX_THREADS),
    "Android": ("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/141.0 Mobile", 5, MAX_THREADS),
}
"""What a browser there says of itself, its touch points, and the threads that it gets."""

built = pytest.mark.skipif(find_web_app() is None, reason="the web app is not built: run 'make web' (needs Node)")


def test_threads_are_one_on_iphones_and_ipads_and_without_isolation(ask):
    def threads(agent: str, touch: int, cores: int, isolated: bool) -> int:
        device = {"userAgent": agent, "maxTouchPoints": touch, "hardwareConcurrency": cores}
        found: int = ask([{"device": device, "isolated": isolated}])[0]
        return found

    for name, (agent, touch, wanted) in DEVICES.items():
        assert threads(agent, touch, 8, isolated=True) == wanted, name
        assert threads(agent, touch, 8, isolated=False) == 1, name
    assert threads(DEVICES["Mac"][0], 0, 2, isolated=True) == 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("devices")


@pytest.fixture(scope="module")
def bundle(folder: Path) -> Path:
    return write_small_bundle(folder / "small.onnx")


@pytest.fixture(scope="module")
def url(bundle: Path, folder: Path) -> Iterator[str]:
    with served(bundle, folder / "log") as (_, address):
        yield address


@pytest.fixture
def photo(folder: Path) -> Path:
    """A rendered lesion."""
    path = folder / "photo.png"
    path.write_bytes(png(render_lesion("MEL", np.random.default_rng(40), 256).image))
    return path


def runtime_bytes(page: Any) -> int:
    return int(page.evaluate("document.documentElement.dataset.runtimeBytes"))


@built
def test_a_model_that_is_loaded_again_and_again_takes_the_memory_of_one(open_app, bundle, photo):
    page = open_app()
    seen = []
    for _ in range(8):
        use_bundle(page, bundle)
        ready(page)
        page.get_by_role("link", name="Photo").click()
        answer(page, photo)
        seen.append(runtime_bytes(page))
        page.get_by_role("button", name="Start again").click()
    assert seen[-1] == seen[2], seen


@built
def test_a_runtime_that_grows_is_replaced_between_two_spots_and_the_answers_stay_the_same(browser, url, photo):
    """The worker's script is served with a runtime that claims to grow by half a photograph."""
    context = browser.new_context(service_workers="block")
    page = context.new_page()
    workers: list[str] = []
    page.on("worker", lambda worker: workers.append(worker.url))

    def growing(route: Any) -> None:
        response = route.fetch()
        script = response.text()
        assert script.count("buffer.byteLength??0") == 1
        claimed = "buffer.byteLength*(self.claimed=(self.claimed??1)*1.1)"
        kept = {name: value for name, value in response.headers.items() if not name.startswith("content-")}
        body = script.replace("buffer.byteLength??0", claimed)
        route.fulfill(body=body, headers=kept, content_type="text/javascript")

    page.route("**/predictor.worker*.js", growing)
    page.goto(url)
    ready(page)
    said = set()
    for _ in range(8):
        answer(page, photo)
        said.add(page.locator(".fill").first.get_attribute("style"))
        page.get_by_role("button", name="Start again").click()
    started = [name for name in workers if "predictor.worker" in name]
    assert len(started) >= 2
    assert len(said) == 1
    context.close()
