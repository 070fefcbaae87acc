"""Twenty photographs through the web app in each engine that is installed: the harness of the soak itself."""

from __future__ import annotations

import pytest

pytest.importorskip("psutil")
pytest.importorskip("playwright")
pytest.importorskip("uvicorn")

from benchmarks.browser_soak import as_page, figure, growth, soak
from benchmarks.browsers import ENGINES, MissingBrowserError

from benchmarks import browser_soak
from hierattn.deploy.predict.released import released_bundle
from hierattn.serve.web_app import find_web_app


@pytest.mark.skipif(find_web_app() is None, reason="the web app is not built: run 'make web' (needs Node)")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")  # of what drives the browsers
@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_twenty_photographs_are_answered_and_the_runtime_takes_no_more_memory(engine, monkeypatch):
    monkeypatch.setattr(browser_soak, "LARGE", browser_soak.SMALL)
    try:
        report = soak(released_bundle("phone"), [engine], photographs=20, every=5)
    except MissingBrowserError as missing:
        pytest.skip(str(missing))
    (seen,) = report["engines"]
    assert [point["photographs"] for point in seen["points"]] == [0, 5, 10, 15, 20]
    assert seen["isolated"]
    assert seen["growth"]["runtime_mb"]["share"] == 0
    assert seen["growth"]["runtime_mb"]["late"] > 10
    assert seen["browser"] in as_page(report)
    assert len(figure(report["engines"]).axes[0].lines) == 1


def test_growth_leaves_out_the_first_fifth_which_fills_caches():
    assert growth([1, 100, 100, 100, 100])["share"] == 0
    assert growth([100, 100, 110, 120, 130])["share"] == pytest.approx(0.3)
