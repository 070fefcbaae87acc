"""The pictures of the web app in docs/images: the released bundles look at RENDERED lesions, in Chromium.

    python apps/web/screenshots.py docs/images

No photograph is shown: those that the released networks were trained on may not be published. A network's answer to a
drawing says nothing about how well it does on skin. Needs Chromium and the built app (``make web``).
"""

from __future__ import annotations

import io
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image
from playwright import sync_api as playwright

from hierattn.data.rendered.rendered_set import render_lesion
from hierattn.deploy.predict.advice_texts import TEXTS
from hierattn.files import atomic_file

PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 1.5, "has_touch": True, "is_mobile": True}
DESKTOP = {"viewport": {"width": 1100, "height": 900}, "device_scale_factor": 1}
PAPER = {"viewport": {"width": 720, "height": 900}, "device_scale_factor": 1.5}
FIRST_VISIT, SECOND_VISIT = "2026-03-02T09:30:00", "2026-06-04T09:30:00"
GAP = 24  # pixels between the screens of one picture
BETWEEN = (128, 128, 128, 0)
MARGIN = 14
ALL_DRAWN = """async () => {
  const drawn = () => [...document.images].every((image) => image.complete && image.naturalWidth > 0);
  while (!drawn()) await new Promise((done) => setTimeout(done, 50));
}"""
"""Every photograph is on the page."""


@dataclass(frozen=True)
class Stage:
    """What a picture is taken on: the browser, the service's address and the rendered photographs."""

    browser: Any
    url: str
    photos: dict[str, str]

    def open(self, scheme: str, options: dict[str, Any], time_there: str = SECOND_VISIT) -> Any:
        """The app in a fresh profile, ready."""
        context = self.browser.new_context(locale="en-GB", color_scheme=scheme, timezone_id="UTC", **options)
        page = context.new_page()
        page.clock.set_fixed_time(time_there)
        page.goto(self.url)
        page.locator(".status", has_text="Ready").wait_for()
        return page

    def answer(self, page: Any, *names: str) -> None:
        """Choose photographs and wait until everything is drawn."""
        page.set_input_files("#choose", [self.photos[name] for name in names])
        page.locator("#answer").wait_for()
        page.evaluate(ALL_DRAWN)
        page.locator("body").click(position={"x": 2, "y": 2})  # takes the focus ring away
        page.wait_for_timeout(500)


def main() -> None:
    """Write all pictures to the folder named on the command line."""
    folder = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as scratch, served() as url, playwright.sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        stage = Stage(browser, url, write_photos(Path(scratch)))
        pictures = {
            "web-phone-light": beside(start(stage), answer(stage, "light"), lists_and_map(stage, "light")),
            "web-phone-dark": beside(unlike(stage), crop(stage), history(stage)),
            "web-desktop-dark": desktop(stage),
            "web-summary": summary(stage),
        }
        browser.close()
    for name, picture in pictures.items():
        with atomic_file(folder / f"{name}.webp") as part:
            picture.save(part, "WEBP", quality=90, method=6)
        print(name, picture.size)


def write_photos(folder: Path) -> dict[str, str]:
    """Rendered lesions as JPEG: one to be seen soon, one to watch and the same grown, one unlike all photographs."""
    rendered = {
        "soon": render_lesion("MEL", np.random.default_rng(42), 900).image,
        "watch": render_lesion("BKL", np.random.default_rng(43), 900).image,
        "unlike": render_lesion("VASC", np.random.default_rng(54), 900).image,
    }
    rendered["grown"] = np.asarray(Image.fromarray(rendered["watch"]).rotate(7).crop((120, 110, 800, 790)))
    paths = {}
    for name, image in rendered.items():
        paths[name] = str(folder / f"{name}.jpg")
        Image.fromarray(image).save(paths[name], quality=92)
    return paths


def start(stage: Stage) -> Image.Image:
    """The first page."""
    return shot(stage.open("light", PHONE), "header.top", ".capture")


def answer(stage: Stage, scheme: str) -> Image.Image:
    """From the verdict to the percentages."""
    page = stage.open(scheme, PHONE)
    stage.answer(page, "soon")
    return shot(page, ".answer .verdict", ".shares > table", above=30)


def lists_and_map(stage: Stage, scheme: str) -> Image.Image:
    """The types to consider, and the heat map."""
    page = stage.open(scheme, PHONE)
    stage.answer(page, "soon")
    page.get_by_role("button", name="Show the heat map").tap()
    page.wait_for_timeout(400)
    return shot(page, ".sets", ".heat")


def unlike(stage: Stage) -> Image.Image:
    """A rendered lesion that the dermoscopy network rejects."""
    page = stage.open("dark", PHONE)
    page.locator('input[name="model"][value="dermoscopy"]').check()
    page.locator(".status", has_text="Ready").wait_for()
    page.wait_for_timeout(500)
    stage.answer(page, "unlike")
    if TEXTS["en"]["problem.unlike"] not in page.locator(".steps").inner_text():
        raise SystemExit("the dermoscopy network takes this rendered lesion: choose another for the picture")
    return shot(page, ".answer .verdict", ".answer .limits", above=30, below=6)


def crop(stage: Stage) -> Image.Image:
    """The frame around the spot."""
    page = stage.open("dark", PHONE)
    stage.answer(page, "watch")
    page.get_by_role("button", name="Crop: Photo 1").tap()
    page.locator(".frame").wait_for()
    page.wait_for_timeout(400)
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


def history(stage: Stage) -> Image.Image:
    """One spot at two visits, laid over each other."""
    page = stage.open("dark", PHONE, FIRST_VISIT)
    for name, when in (("watch", FIRST_VISIT), ("grown", SECOND_VISIT)):
        page.clock.set_fixed_time(when)
        stage.answer(page, name)
        page.locator("#spot").fill("left shoulder")
        page.get_by_role("button", name="Save to history").tap()
        page.get_by_text("Saved on this device.").wait_for()
        page.get_by_role("button", name="Start again").tap()
    page.get_by_role("link", name="History").tap()
    page.locator(".check input").first.check()
    page.locator(".check input").last.check()
    page.locator(".pair figure").nth(1).wait_for()
    page.evaluate(ALL_DRAWN)
    page.locator("body").click(position={"x": 2, "y": 2})
    page.wait_for_timeout(300)
    return shot(page, ".stage", ".changes", above=4)


def desktop(stage: Stage) -> Image.Image:
    """The answer on a large screen."""
    page = stage.open("dark", DESKTOP)
    stage.answer(page, "soon")
    return shot(page, "header.top", ".sets")


def summary(stage: Stage) -> Image.Image:
    """The page for a doctor, as it prints."""
    page = stage.open("light", PAPER)
    stage.answer(page, "soon")
    page.emulate_media(media="print")
    page.wait_for_timeout(300)
    inside = shot(page, ".answer", ".answer", above=0, below=0)
    paper = Image.new("RGB", (inside.width + 96, inside.height + 96), "white")
    paper.paste(inside, (48, 48))
    return paper


def shot(page: Any, first: str, last: str, *, above: int = MARGIN, below: int = MARGIN) -> Image.Image:
    """The page over its whole width, from the top of one element to the bottom of another, in CSS pixels around."""
    top = box_of(page, first)["top"] - above
    bottom = box_of(page, last)["bottom"] + below
    width = page.viewport_size["width"]
    clip = {"x": 0, "y": max(0, top), "width": width, "height": bottom - max(0, top)}
    return Image.open(io.BytesIO(page.screenshot(full_page=True, clip=clip))).convert("RGB")


def box_of(page: Any, selector: str) -> dict[str, float]:
    """Where the first such element begins and ends, in CSS pixels from the page's top."""
    box: dict[str, float] = page.locator(selector).first.evaluate(
        "e => { const r = e.getBoundingClientRect(); return { top: r.top + scrollY, bottom: r.bottom + scrollY }; }"
    )
    return box


def beside(*screens: Image.Image) -> Image.Image:
    """Several screens in a row, from the top."""
    width = sum(one.width for one in screens) + GAP * (len(screens) - 1)
    whole = Image.new("RGBA", (width, max(one.height for one in screens)), BETWEEN)
    left = 0
    for one in screens:
        whole.paste(one, (left, 0))
        left += one.width + GAP
    return whole


def chromium() -> str:
    """The browser's path."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        raise SystemExit("no Chromium: apt-get install chromium")
    return path


@contextmanager
def served() -> Iterator[str]:
    """The service with the released bundles."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-m", "hierattn", "serve", "--port", str(port)])
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                if httpx.get(f"{url}/readyz").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
