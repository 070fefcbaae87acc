"""What several tests share: the real photographs' place, a small prepared set of rendered lesions, a browser, axe."""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# One thread a process, before NumPy and torch are imported: the suite runs a process a core, and threads that wait for
# one another on a busy machine make small tensors a hundred times slower than one thread does.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import pytest

from hierattn.__main__ import OBJECTS_PER_COLLECTION

gc.set_threshold(OBJECTS_PER_COLLECTION, *gc.get_threshold()[1:])

SHARED = Path(os.environ.get("HIERATTN_SHARED", Path(__file__).resolve().parents[2] / "shared"))
AXE = Path(__file__).resolve().parents[1] / "apps" / "web" / "node_modules" / "axe-core" / "axe.min.js"


def pytest_collection_finish() -> None:
    """Modules stay to the end: garbage is sought among what came after them, a tenth of the suite's time less."""
    gc.freeze()


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's program; a test that needs it skips where there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium: apt-get install chromium to test pages")
    return found


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    """Chromium, with a camera that shows a test picture."""
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as engine:
        arguments = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
        browser = engine.chromium.launch(executable_path=chromium, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def violations() -> Callable[[Any], list[str]]:
    """What axe objects to on a page, by WCAG 2 at levels A and AA and by its best practices."""
    if not AXE.is_file():
        pytest.skip("axe-core is missing: run 'make web'")
    axe = AXE.read_text(encoding="utf-8")

    def find(page: Any) -> list[str]:
        page.evaluate(axe)
        found = "axe.run().then(r => r.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html).join(' | ')))"
        return list(page.evaluate(found))

    return find


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A rendered set of 160 photographs in ISIC 2019's layout."""
    from hierattn.data.rendered.rendered_set import render_set

    return render_set(tmp_path_factory.mktemp("rendered") / "set", images=160, size=64, seed=3)


@pytest.fixture(scope="session")
def prepared(rendered: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rendered set, prepared at 64 pixels with three folds."""
    from hierattn.data.prepare.options import PrepareOptions
    from hierattn.data.prepare.prepare import prepare

    out = tmp_path_factory.mktemp("prepared") / "set"
    prepare(rendered, out, PrepareOptions(size=64, folds=3, seed=0))
    return out
