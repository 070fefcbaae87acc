"""Three browser engines behind one face: open a page, run a script in it, and name the process that holds it.

Chromium by Playwright, Firefox by Mozilla's Marionette, and WebKit by WebKitGTK's own driver; each is the browser that
the system ships, because Playwright's own Firefox and WebKit are other builds.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

SECONDS = 600
"""The longest that one script may take."""

SETTLING = 5.0
"""Seconds that a browser gets to let go of memory."""

WRAPPED = """const done = arguments[arguments.length - 1];
(async (...given) => { %s })(...[...arguments].slice(0, -1)).then(
  (value) => done({ value }), (error) => done({ error: String(error) }));"""
"""A script as WebDriver and Marionette run it."""


class MissingBrowserError(RuntimeError):
    """An engine, or what drives it, is not installed."""


@dataclass(frozen=True)
class Browser:
    """A running browser.

    Attributes
    ----------
    version
        Name and version.
    open
        Goes to an address.
    run
        Runs the body of an ``async (...given) => {}`` in the page with JSON values; returns what it returns.
    process
        Of the browser itself.
    collect
        Lets go of caches and garbage, as where memory is short; None where the engine has no way to ask.
    """

    version: str
    open: Callable[[str], Any]
    run: Callable[..., Any]
    process: psutil.Process
    collect: Callable[[], Any] | None = None

    def content(self) -> psutil.Process:
        """The process of the page: the largest of those that run pages."""
        found = [child for child in self.process.children(recursive=True) if _runs_pages(child)]
        if not found:
            raise RuntimeError(f"{self.version}: no process runs a page")
        return max(found, key=lambda child: child.memory_info().rss)

    def proportional_bytes(self) -> int:
        """What the browser takes with all its processes; pages that several share count once."""
        return sum(map(_proportional_bytes, [self.process, *self.process.children(recursive=True)]))


@contextmanager
def chromium() -> Iterator[Browser]:
    """Chromium or Chrome, without a window."""
    path = _program("chromium", "chromium-browser", "google-chrome")
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        raise MissingBrowserError("playwright is missing: pip install playwright") from None
    before = _descendants()
    with sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(1000 * SECONDS)

        def run(body: str, *given: Any) -> Any:
            return page.evaluate(f"(given) => (async (...given) => {{ {body} }})(...given)", list(given))

        tools = page.context.new_cdp_session(page)

        def collect() -> None:
            tools.send("HeapProfiler.collectGarbage")
            tools.send("Memory.simulatePressureNotification", {"level": "critical"})
            time.sleep(SETTLING)

        own = next(child for child in _descendants() - before if _is(child, path) and "--type=" not in _line(child))
        yield Browser(f"Chromium {browser.version}", page.goto, run, own, collect)
        browser.close()


@contextmanager
def firefox() -> Iterator[Browser]:
    """Firefox, without a window."""
    path = _program("firefox-esr", "firefox")
    try:
        from marionette_driver.marionette import Marionette
    except ModuleNotFoundError:
        raise MissingBrowserError("marionette-driver is missing: pip install marionette-driver") from None
    folder = tempfile.TemporaryDirectory()
    # Marionette deletes a log that is there already, and /dev/null with it.
    client = Marionette(bin=path, headless=True, gecko_log=f"{folder.name}/firefox.log")
    try:
        version = client.start_session()["browserVersion"]
        client.timeout.script = client.timeout.page_load = SECONDS

        def run(body: str, *given: Any) -> Any:
            script = WRAPPED % body
            return _value(client.execute_async_script(script, list(given), new_sandbox=False, sandbox=None))

        def collect() -> None:
            with client.using_context("chrome"):
                client.execute_script("Services.obs.notifyObservers(null, 'child-mmu-request');")
            time.sleep(SETTLING)

        yield Browser(f"Firefox {version}", client.navigate, run, psutil.Process(client.process_id), collect)
    finally:
        client.quit()
        client.cleanup()
        folder.cleanup()


@contextmanager
def webkit() -> Iterator[Browser]:
    """WebKitGTK's MiniBrowser, in a window on a display of its own."""
    driver = _program("WebKitWebDriver")
    found = sorted(map(str, Path("/usr").glob("lib*/**/webkit*/MiniBrowser")))
    if not found:
        raise MissingBrowserError("WebKitGTK's MiniBrowser is missing: apt-get install webkit2gtk-driver")
    try:
        from selenium import webdriver
        from selenium.webdriver.webkitgtk.service import Service
    except ModuleNotFoundError:
        raise MissingBrowserError("selenium is missing: pip install selenium") from None
    with ExitStack() as stack:
        surroundings = {**os.environ, "DISPLAY": stack.enter_context(_display())}
        if os.geteuid() == 0:  # its sandbox starts for no administrator
            surroundings["WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS"] = "1"
        options = webdriver.WebKitGTKOptions()
        options.binary_location = found[-1]
        options.add_argument("--automation")
        before = _descendants()
        session = webdriver.WebKitGTK(options=options, service=Service(driver, env=surroundings))
        stack.callback(session.quit)
        session.set_script_timeout(SECONDS)
        session.set_page_load_timeout(SECONDS)

        def run(body: str, *given: Any) -> Any:
            return _value(session.execute_async_script(WRAPPED % body, *given))

        own = next(child for child in _descendants() - before if "MiniBrowser" in _line(child))
        version = session.capabilities["browserVersion"]
        yield Browser(f"WebKitGTK {version}", session.get, run, own)


ENGINES = {"chromium": chromium, "firefox": firefox, "webkit": webkit}


@contextmanager
def _display() -> Iterator[str]:
    """A display without a screen."""
    reading, writing = os.pipe()
    screen = ["-screen", "0", "1024x900x24", "-nolisten", "tcp"]
    server = subprocess.Popen(
        [_program("Xvfb"), "-displayfd", str(writing), *screen], pass_fds=[writing], stderr=subprocess.DEVNULL
    )
    os.close(writing)
    try:
        with os.fdopen(reading) as pipe:
            number = pipe.readline().strip()  # once it is ready
        if not number:
            raise MissingBrowserError("Xvfb gave no display")
        yield f":{number}"
    finally:
        server.terminate()
        server.wait()


def _program(*names: str) -> str:
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        packages = {"WebKitWebDriver": "webkit2gtk-driver", "Xvfb": "xvfb"}
        raise MissingBrowserError(f"{names[0]} is missing: apt-get install {packages.get(names[0], names[0])}")
    return found


def _value(answer: dict[str, Any]) -> Any:
    if "error" in answer:
        raise RuntimeError(answer["error"])
    return answer.get("value")


def _descendants() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


def _line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _is(process: psutil.Process, path: str) -> bool:
    return Path(path).name in _line(process)


def _runs_pages(process: psutil.Process) -> bool:
    line = _line(process)
    return "--type=renderer" in line or "WebKitWebProcess" in line or ("-contentproc" in line and line.endswith(" tab"))


def _proportional_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:  # it has ended meanwhile
        return 0
