"""The page: whole, alone, escaped, and its sentences true to the figures."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from prediction_tables import CURVE, table
from reports import Checker, made

from hierattn.evaluation.cases import Case
from hierattn.evaluation.measures.calibration import evaluate_calibration, fit_calibration
from hierattn.evaluation.measures.intervals import Estimate
from hierattn.evaluation.measures.lesion_masks import Saliency
from hierattn.evaluation.measures.robustness import ChangeFlips, Flips, LesionFlips, Robustness
from hierattn.evaluation.measures.subgroups import by_subgroups
from hierattn.evaluation.measures.thresholds import SourceThreshold
from hierattn.evaluation.pages.drawn_names import drawable
from hierattn.evaluation.pages.figures import draw_figures, learning_figure, robustness_figure
from hierattn.evaluation.pages.gallery import Picture
from hierattn.evaluation.pages.html_report import (
    confidence_of,
    gap_sentence,
    limits,
    percent,
    plain_reading,
    render,
    shown_provenance,
    span,
    tiles,
    triage_reading,
    write_html_report,
)
from hierattn.evaluation.pages.model_card import model_card
from hierattn.evaluation.predictions import Predictions
from hierattn.evaluation.report import measure_predictions
from hierattn.shares import of_hundred, setting
from hierattn.taxonomy.built_in import EIGHT
from hierattn.taxonomy.records import LesionClass, Taxonomy


@pytest.fixture(scope="module")
def page():
    return render(*made(), {})


def test_the_page_is_well_formed_and_asks_nothing_of_a_network(page):
    checker = Checker()
    checker.feed(page)
    assert not checker.open
    assert not checker.outside
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)
    assert "default-src 'none'" in page


def test_the_page_says_what_a_reader_must_know(page):
    report, _ = made()
    assert page.count("Not a medical device") >= 2
    for said in ("held out from training", "CC BY-NC 4.0", "quicktest", "1,079,928", "12 images left out."):
        assert said in page
    for code in EIGHT.codes:
        assert f">{code}<small>" in page
    assert percent(report.balanced_accuracy.value) in page
    assert f"new lesions reach it with {setting(report.triage.confidence)} confidence" in page
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


def test_on_a_phone_every_figure_of_a_row_is_told_by_its_column(page):
    tables = re.findall(r'<table class="[^"]*stack.*?</table>', page, re.DOTALL)
    assert tables
    for shown in tables:
        heads = re.findall(r'<th role="columnheader"[^>]*>([^<]+)</th>', shown)
        rows = [row for row in re.findall(r'<tr role="row"[^>]*>.*?</tr>', shown, re.DOTALL) if "<td" in row]
        assert rows
        for row in rows:
            assert re.findall(r'data-label="([^"]+)"', row) == heads[1:]


def test_paper_is_white_for_those_whose_screen_is_dark(page):
    assert re.findall(r"@media ([^{]*)\(prefers-color-scheme: dark\)", page) == ["screen and "]


def test_every_colour_of_a_class_is_the_taxonomys_on_light_and_on_dark_pages(page):
    used = set(re.findall(r"var\(--(class-\d+)\)", page))
    assert used == {f"class-{number}" for number in range(8)}
    light, dark = (
        re.search(rf"{opening}([^}}]*--class-0[^}}]*)", page)[1] for opening in (r":root \{", r"dark\) \{ :root \{")
    )
    for number, each in enumerate(EIGHT.classes):
        assert f"--class-{number}: {each.colour};" in light
        assert f"--class-{number}: {each.colour_dark};" in dark


def test_provenance_says_whether_the_image_was_cropped(page):
    report, _ = made()
    for crop, said in (("none", "not cropped"), ("surround", "cropped by the rule 'surround'")):
        spec = {**report.provenance.image_spec, "crop": crop}
        cropped = replace(report, provenance=replace(report.provenance, image_spec=spec))
        assert dict(shown_provenance(cropped))["Image"].endswith(said)
    names = [name for name, _ in shown_provenance(report)]
    assert names.index("Recipe") + 1 == names.index("Seed")


def test_whatever_a_run_is_called_cannot_write_the_page():
    assert "<script>alert(1)</script>" not in render(*made(run="<script>alert(1)</script>"), {})


def test_no_photograph_without_a_gallery(page):
    assert "data:image" not in page
    picture = Picture("data:image/jpeg;base64,AA", "data:image/jpeg;base64,BB", "MEL", "NV", 0.9, 0.05)
    shown = render(*made(), {"Most confident mistakes": [picture]})
    assert shown.count("data:image") == 2
    assert "true: <strong>MEL</strong>" in shown


def test_the_sentences_are_true_to_the_figures():
    report, _ = made()
    first, second = plain_reading(report)
    assert f"{of_hundred(report.balanced_accuracy.value)} times in 100" in first
    assert "12.5 times" in first
    row = report.confusion_matrix[EIGHT.codes.index("MEL")]
    assert f"Of {sum(row)} photographs of melanoma it calls {row[EIGHT.codes.index('MEL')]} melanoma" in second
    others = [count for index, count in enumerate(row) if index != EIGHT.codes.index("MEL")]
    assert f"and {max(others)} of the others" in second


def test_triage_is_told_in_natural_frequencies():
    report, _ = made()
    said = triage_reading(report.triage, report.taxonomy)
    test = report.triage.test
    assert said["found"].hundred == math.floor(100 * test.sensitivity)
    assert said["found"].images == test.positives
    assert said["found"].images + said["spared"].images == report.images
    assert said["found"].failed == round((1 - test.sensitivity) * test.positives)
    assert said["group"] == "ACK, BCC, MEL, SCC and VASC"
    assert said["reached"] == (report.triage.test.sensitivity >= 0.95)


@pytest.mark.parametrize(
    ("missed", "positives", "said"),
    [
        (1, 240, "of 100, 1 is missed"),
        (0, 240, "of 100, 0 are missed"),
        (239, 240, "of 100, 99 are missed"),
        (3, 400, "of 100, 1 is missed"),
    ],
)
def test_one_missed_of_many_is_told_as_missed(missed, positives, said):
    report, _ = made()
    test = replace(report.triage.test, sensitivity=1 - missed / positives, positives=positives, images=2 * positives)
    page = render(replace(report, triage=replace(report.triage, test=test)), {}, {})
    assert f'aria-label="{said}"' in page
    assert f"counted: {missed} of {positives} images missed" in page


@pytest.mark.parametrize(
    ("alarms", "others", "said"), [(1, 1000, "1 is"), (0, 1000, "0 are"), (15, 1000, "2 are"), (999, 1000, "99 are")]
)
def test_false_alarms_of_100_are_rounded_up(alarms, others, said):
    report, _ = made()
    test = replace(report.triage.test, specificity=1 - alarms / others, positives=10, images=10 + others)
    page = render(replace(report, triage=replace(report.triage, test=test)), {}, {})
    assert f'aria-label="of 100, {said} referred unnecessarily"' in page
    assert f"counted: {alarms} of {others} images referred unnecessarily" in page


@pytest.mark.parametrize(("cells", "small"), [((2, 2), True), ((3, 5), True), ((4, 4), False), (None, False)])
def test_a_heat_map_too_small_to_tell_is_said_to_be(cells, small):
    share = Estimate(None, None) if small else Estimate(0.5, (0.4, 0.6))
    page = render(replace(made()[0], saliency=Saliency(9, share, share, 0.7, cells)), {}, {})
    assert ("Too small to tell" in page) == small
    assert ("of the heat map’s heat" in page) != small


def test_robustness_tells_lesions_as_lesions_and_an_older_report_has_a_page_too():
    share = Estimate(0.125, (0.1, 0.2))
    flips = Flips(0.5, 0.1, 0.8, share, 0.2, 0.1, LesionFlips(0.3, Estimate(0.234, (0.2, 0.3)), 0.4))
    for row, told in ((flips, True), (replace(flips, lesions=None), False)):
        robustness = Robustness(60, 40, 0, 0.8, 0, {"blur": ChangeFlips("Blur", "%", (row,))})
        report, figures = made()
        figures = {**figures, "robustness": robustness_figure(robustness)}
        page = render(replace(report, robustness=robustness), figures, {})
        assert (percent(0.234) in page) == told
        assert percent(0.125) in page


def test_limits_name_rendered_sets_small_classes_and_absent_ones():
    report, _ = made(source="synthetic")
    assert "rendered" in limits(report)[0]
    absent = replace(report.classes["DF"], images=0, groups=0)
    said = " ".join(limits(replace(report, classes={**report.classes, "DF": absent})))
    assert "DF: no image here" in said
    assert "fewer than 30" in said


def test_a_model_without_melanoma_or_threshold_has_a_page_too():
    page = render(*made(classes=("BKL", "NV")), {})
    assert "Should this be seen" not in page
    assert not re.search("melanoma|cancer AUC", re.sub("<style.*?</style>", "", page, flags=re.DOTALL), re.IGNORECASE)
    assert "no figure is of cancer" in page
    assert "Operating points" not in page
    assert span(None) == percent(None) == "–"


def test_the_headline_has_melanoma_where_the_classes_have_it_with_or_without_images():
    names = ["balanced accuracy", "top-1 accuracy", "macro AUC"]
    assert list(made(classes=("BKL", "NV"))[0].headline) == names
    assert list(made(classes=("BCC", "NV"))[0].headline) == [*names, "cancer AUC"]
    report, _ = made(classes=("MEL", "NV"))
    assert list(report.headline) == [*names, "cancer AUC", "melanoma sensitivity"]
    assert [tile["name"].lower() for tile in tiles(report)] == [name.lower() for name in report.headline]


def with_sexes(of_men, images=240):
    """A report on women and men, of whom ``of_men`` images are."""
    predictions = table(images=images, seed=2, classes=("BCC", "NV"))
    cases = [Case(name, sex="male" if row < of_men else "female") for row, name in enumerate(predictions.images)]
    return replace(made(classes=("BCC", "NV"))[0], subgroups=by_subgroups(predictions, cases, resamples=100))


def test_a_gap_names_the_two_subgroups_and_where_none_can_be_compared_there_is_none():
    report = with_sexes(of_men=120)
    gap = report.subgroups.largest_gap
    said = gap_sentence(report.subgroups)
    assert {gap.worst, gap.best} == {"female", "male"}
    assert f"for sex {gap.worst} and " in said
    assert f" for {gap.best}." in said
    assert said in render(report, {}, {})
    assert gap.worst_value < gap.best_value
    few = with_sexes(of_men=20)
    assert few.subgroups.largest_gap is None
    page = render(few, {}, {})
    assert "Largest gap" not in page
    assert "too few to say" in page


def test_the_file_is_written_whole(tmp_path):
    report, figures = made()
    write_html_report(tmp_path / "report.html", report, figures)
    assert (tmp_path / "report.html").read_text(encoding="utf-8").rstrip().endswith("</html>")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def of_many(count, long_code="diagnosis_of_a_rather_long_name"):
    """A report of ``count`` classes with long codes, its predictions and their calibration."""
    taxonomy = Taxonomy("many", tuple(LesionClass(f"{long_code}_{place}") for place in range(count)))
    rng = np.random.default_rng(0)
    images = 5 * count
    some = Predictions(
        tuple(f"{row}.jpg" for row in range(images)), taxonomy, rng.dirichlet(np.ones(count), images),
        rng.permutation(np.arange(images) % count), np.zeros(images, int), ("",) * images,
    )  # fmt: skip
    calibration = evaluate_calibration(fit_calibration(some, resamples=0), some, resamples=0)
    report, _ = made(images=40)
    return replace(report, **vars(measure_predictions(some, calibration, resamples=100))), some, calibration


@pytest.mark.parametrize("count", [2, 8, 23, 100])
def test_no_card_is_wider_than_the_page_and_none_cuts_off_what_it_holds(browser, tmp_path, count):
    report, some, calibration = of_many(count)
    picture = Picture("data:image/gif;base64,R0lGODlhAQABAAAAACw=", "", *report.class_order[:2], 1, 0)
    figures = draw_figures(some, calibration, CURVE, 1)
    write_html_report(tmp_path / "report.html", report, figures, {"Least certain answers": [picture] * 6})
    wider = "[...document.querySelectorAll('.card')].filter(c => c.scrollWidth > c.clientWidth)"
    for width in (360, 1000, 1280):
        with browser.new_context(viewport={"width": width, "height": 900}) as context:
            page = context.new_page()
            page.goto((tmp_path / "report.html").as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.evaluate(f"{wider}.map(card => card.outerHTML.slice(0, 300))") == [], width


def test_what_is_told_of_a_hundred_lies_in_its_interval_and_once_is_once():
    report, _ = made(images=40)
    for value, low, high in ((0.168, 0.1651, 0.1749), (0.0101, 0.01, 0.012), (0.999, 0.998, 1.0)):
        said = plain_reading(replace(report, balanced_accuracy=Estimate(value, (low, high))))[0]
        found = re.search(r"classes (once|\d+ times) in 100 \(95 % interval (\d+) to (\d+)\)", said)
        told, bottom, top = found.groups()
        assert int(bottom) <= (1 if told == "once" else int(told.split()[0])) <= int(top)
        assert " 1 times" not in said
    assert "would be right once." in plain_reading(of_many(100)[0])[0]


def test_in_another_taxonomy_nothing_is_said_to_be_calibrated_anew():
    report, figures = made(images=40)
    judged = replace(report, judged_in="melanoma or not")
    for text in (render(judged, figures, {}), model_card(judged)):
        assert "before classes were added up" in text
        assert "emperature 1" not in text
        assert "changes no answer" not in text


def test_classes_that_figures_number_are_named_beside_them():
    code = "\u76ae\u708e"
    page = render(of_many(3, code)[0], {}, {})
    assert (f"class 2: {code}_1" in page) != drawable(code)


def test_a_source_with_too_few_lesions_is_promised_no_confidence_of_all_together():
    of = [SourceThreshold("big", 200, 0.2, 0.8), SourceThreshold("few", 30, 0.1), SourceThreshold("rare", 3, math.nan)]
    fitted = replace(fit_calibration(table(seed=1), resamples=0), confidence=0.8, sources=tuple(of))
    assert confidence_of(replace(fitted, sources=())) == f"new lesions reach it with {setting(0.8)} confidence"
    assert confidence_of(fitted) == (
        f"new lesions of big reach it with {setting(0.8)} confidence; "
        "new lesions of few reach it at least half the time (30 lesions are too few for more); "
        "of those of rare nothing is known"
    )


def test_the_epoch_that_was_kept_is_counted_from_one_on_page_and_card_as_in_the_figure():
    report, _ = made(images=40)
    first = replace(report, provenance=replace(report.provenance, epoch=0))
    assert ("Epoch kept", "1") in shown_provenance(first)
    assert "- Epoch kept: 1\n" in model_card(first)
    figure = learning_figure({"epoch": [0.0, 1.0], "train_loss": [2.0, 1.0]}, best_epoch=0)
    assert [line.get_xdata()[0] for line in figure.axes[0].lines] == [1, 1]  # the curve's first point, and the mark
    assert "Epoch kept" not in dict(shown_provenance(report))
