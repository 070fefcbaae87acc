"""Every HTML page that is written: nothing for axe to object to, light and dark, and no scrolling sideways on a phone.

The web app's own pages: tests/serve/test_web_app.py.
"""

import re
from dataclasses import replace

import numpy as np
import pytest
from noise_runs import make_set
from prediction_tables import table
from reports import evaluated_run, made

from hierattn.audit.findings import COPIES, LABEL, OFF_TOPIC, Found
from hierattn.audit.page import render_audit
from hierattn.data.prepare.decisions import Finding
from hierattn.data.prepared_set.packed import PackedSet
from hierattn.evaluation.asking.records import MISSING, Advice, AnswersFigures, OfBiopsy, OfQuestion, Three
from hierattn.evaluation.cases import Case
from hierattn.evaluation.clinical_use.artefacts import ARTEFACTS as KINDS
from hierattn.evaluation.clinical_use.artefacts import ArtefactFlips, Artefacts
from hierattn.evaluation.comparison.comparison import compare
from hierattn.evaluation.comparison.entrant import read_entrant, run_folders
from hierattn.evaluation.comparison.page import write_comparison
from hierattn.evaluation.measures.calibration import fit_calibration
from hierattn.evaluation.measures.conformal import measure_sets
from hierattn.evaluation.measures.intervals import Estimate
from hierattn.evaluation.measures.lesion_masks import Saliency
from hierattn.evaluation.measures.photo_changes import CHANGES
from hierattn.evaluation.measures.robustness import ChangeFlips, Flips, LesionFlips, Robustness
from hierattn.evaluation.measures.shift import EvaluatedSet, measure_all
from hierattn.evaluation.measures.subgroups import by_subgroups
from hierattn.evaluation.pages.figures import robustness_figure
from hierattn.evaluation.pages.gallery import Near, Picture
from hierattn.evaluation.pages.html_report import write_html_report
from hierattn.evaluation.pages.shift_page import write_shift
from hierattn.evaluation.similar.page import write_similar
from hierattn.evaluation.similar.search import SAME_FILE, Neighbour, Similar
from hierattn.evaluation.source_figures import SourceFigures

GREY = "data:image/gif;base64,R0lGODlhAQABAIAAAMLCwgAAACH5BAAAAAAALAAAAAABAAEAAAICRAEAOw=="


SHARE = Estimate(0.123, (0.1, 0.2))
THING = ArtefactFlips("Ink marks", SHARE, SHARE, Estimate(-0.02, (-0.05, 0.01)), SHARE, Estimate(None, None), 12.9)
ARTEFACTS = Artefacts(60, 40, 9, ("BCC", "MEL", "SCC"), 0, dict.fromkeys(KINDS, THING))
NAMES = ("age", "sex", "site", "skin_type", "itch", "grew", "hurt", "changed", "bleed", "elevation")
ANSWERS = AnswersFigures(
    NAMES,
    1.2,
    tuple(Three(share, *[SHARE] * 6, 0.03, 0.04) for share in MISSING),
    tuple(OfBiopsy(biopsied, 100, 6, SHARE, SHARE, SHARE) for biopsied in ("yes", "no")),
    tuple(OfQuestion(name, 0.5, 0.5, 0.4, SHARE, 0.1, 0.02) for name in NAMES),
    tuple(Advice(by, SHARE, SHARE) for by in ("photograph", "both", "rule")),
)
SITES = ("face", "scalp", "neck", "chest", "back", "arm", "leg", "foot")


def write_report(folder):
    """A report with every part that one can have: pale rows, a full cell, pictures with and without maps."""
    report, figures = made(images=400)
    predictions, rng = table(images=400, seed=2), np.random.default_rng(0)
    cases = [
        Case(
            name,
            age=str(rng.integers(1, 99)),
            sex=str(rng.choice(["female", "male"])),
            site=str(rng.choice(SITES, p=[0.86, *[0.02] * 7])),
        )
        for name in predictions.images
    ]
    share = Estimate(0.123, (0.1, 0.2))
    flips = Flips(1.0, 0.1, 0.8, share, 0.2, 0.1, LesionFlips(0.3, share, 0.4))
    changes = {name: ChangeFlips(kind.title, kind.unit, (flips,) * 5) for name, kind in CHANGES.items()}
    robustness = Robustness(60, 40, 2, 0.8, 0, changes)
    few = replace(report.classes["SCC"], sensitivity=Estimate(None, None))
    matrix = np.array(report.confusion_matrix)
    matrix[0] = 0
    matrix[0, 0] = 40  # a cell in its full colour
    report = replace(
        report,
        classes={**report.classes, "SCC": few},
        confusion_matrix=tuple(map(tuple, matrix.tolist())),
        subgroups=by_subgroups(predictions, cases, report.triage, resamples=100, seed=0),
        robustness=robustness,
        artefacts=ARTEFACTS,
        answers=ANSWERS,
        by_source=(SourceFigures("HAM", 300, 200, 8, *[SHARE] * 4, 0.02, SHARE, SHARE),) * 2,
        saliency=Saliency(9, share, share, 0.7, (5, 5)),
        conformal=measure_sets(table(seed=1), predictions, report.triage, resamples=100, seed=0),
    )
    assert any(row.too_few for rows in report.subgroups.attributes.values() for row in rows)
    figures["robustness"] = robustness_figure(robustness)
    gallery = {
        "Most confident mistakes": [Picture(GREY, GREY, "MEL", "NV", 0.9, 0.05, (Near(GREY, "NV", 0.02),) * 4)] * 6,
        "Least certain answers": [Picture(GREY, "", "MEL", "MEL", 0.3, 0.3)] * 6,
    }
    write_html_report(folder / "report.html", report, figures, gallery)


def write_comparisons(folder):
    found = []
    for name, skill in (("good", 0.8), ("poor", 0.4)):
        for fold in range(2):
            evaluated_run(folder / name / f"fold-{fold}", fold, skill, prefix=f"../{name}/images")
        found.append(read_entrant(name, run_folders(folder / name)))
    comparison = compare(found, resamples=100)
    write_comparison(folder / "comparison", [comparison], [found])
    write_comparison(folder / "ablation", [comparison], [found], ablation=True)


def write_shift_page(folder):
    unfit = {"unfit": np.arange(80) < 20}
    kinds = ("own", "part", "changed", "other")
    sets = [
        EvaluatedSet(kind, f"photographs, {kind}", kind, table(80, seed=seed), unfit, ("12 images left out.",))
        for seed, kind in enumerate(kinds, 2)
    ]
    rows = measure_all(sets, fit_calibration(table(seed=1), resamples=100), resamples=100)
    write_shift(folder / "shift", "A run under a change of source", sets, rows, {"severity": 5}, ARTEFACTS)


def write_audit_page(folder):
    """Cards of every kind, pairs among them, and more than are shown."""
    packed = PackedSet.open(make_set(folder / "audited"))
    found = []
    for number in range(12):
        kind, given = (LABEL, OFF_TOPIC, COPIES)[number % 3], packed.records[number].label
        one = Finding(f"{kind}-{number}", kind, f"{number}.jpg", f"{given} (x)", "NV", 0.1, "because", "2.jpg", 1, "")
        found.append(Found(one, number, given, "NV"))
    page = render_audit(packed, found, range(len(packed.records)), ["a note"], {"Set": "noise"}, 3)
    (folder / "audit.html").write_text(page, encoding="utf-8")


def write_neighbours(folder):
    packed = PackedSet.open(folder / "audited")
    similar = Similar(packed.images[0], [Neighbour(row, row / 100) for row in range(3, 9)], {0: SAME_FILE})
    write_similar(folder / "similar.html", packed, similar, "everything", "run")


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    write_audit_page(folder)
    write_neighbours(folder)
    write_report(folder)
    write_comparisons(folder)
    write_shift_page(folder)
    return sorted(folder.rglob("*.html"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_pages_have_no_accessibility_violations(browser, violations, pages, scheme, width):
    assert [page.name for page in pages] == [
        "comparison.html", "audit.html", "comparison.html", "report.html", "shift.html", "similar.html",
    ]  # fmt: skip
    with browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900}) as context:
        for path in pages:
            page = context.new_page()
            page.goto(path.as_uri())
            assert violations(page) == [], path
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


def test_a_report_with_every_part_prints_in_under_ten_pages(browser, pages):
    page = browser.new_page()
    page.goto(next(path for path in pages if path.name == "report.html").as_uri())
    assert len(re.findall(rb"/Type /Page\b", page.pdf(format="A4"))) < 10


@pytest.mark.parametrize("width", [1100, 1280])
def test_no_table_of_a_change_of_source_reaches_its_cards_edge(browser, pages, width):
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(next(path for path in pages if path.name == "shift.html").as_uri())
    over = "[...document.querySelectorAll('.card.scroll')].map(card => card.scrollWidth - card.clientWidth)"
    assert set(page.evaluate(over)) == {0}


CONTRASTS = """() => [...document.querySelectorAll('.matrix td, .classes .few td, .classes .few small')].map(cell => {
  const canvas = Object.assign(document.createElement('canvas'), {width: 1, height: 1});
  const paint = canvas.getContext('2d', {willReadFrequently: true});
  const on = colours => { for (const colour of colours) { paint.fillStyle = colour; paint.fillRect(0, 0, 1, 1); }
    return [...paint.getImageData(0, 0, 1, 1).data].slice(0, 3); };
  const behind = [];
  let opacity = 1;
  for (let element = cell; element; element = element.parentElement) {
    behind.unshift(getComputedStyle(element).backgroundColor);
    opacity *= getComputedStyle(element).opacity;
  }
  return [on(behind), on([...behind, getComputedStyle(cell).color]), opacity];
})"""
"""Colours as the browser paints them: behind each cell's text, and of the text."""


def luminance(colour):
    """By WCAG 2's definition."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in np.array(colour) / 255]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pale_rows_and_coloured_cells_can_be_read(browser, pages, scheme):
    """What axe leaves open, because it cannot work out the colours."""
    with browser.new_context(color_scheme=scheme) as context:
        page = context.new_page()
        page.goto(next(path for path in pages if path.name == "report.html").as_uri())
        cells = page.evaluate(CONTRASTS)
    assert len(cells) > 64
    for background, text, opacity in cells:
        assert opacity == 1
        dark, light = sorted((luminance(background), luminance(text)))
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (background, text)
