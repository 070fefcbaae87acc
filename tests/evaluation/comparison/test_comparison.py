"""Models side by side: only on the same images, with differences, corrections and gaps that follow from the tables."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from tests.evaluation.pages.test_html_report import made
from tests.evaluation.test_predictions import table

from hierattn import metrics
from hierattn.errors import DataError, UsageError
from hierattn.evaluation.cases import Case, write_cases
from hierattn.evaluation.comparison.comparison import compare, protocol_gaps
from hierattn.evaluation.comparison.entrant import read_contestant, run_folders
from hierattn.evaluation.comparison.figures import GRID, mean_roc
from hierattn.evaluation.comparison.page import write_comparison
from hierattn.evaluation.comparison.paper_numbers import ABLATIONS, TABLE_1, paper_accuracy
from hierattn.evaluation.comparison.tables import markdown_table
from hierattn.evaluation.pages.model_card import model_card, read_report
from hierattn.evaluation.predictions import Predictions, write_predictions
from hierattn.models.registry import SPECS, list_models
from hierattn.taxonomy import CODES


def judged_run(folder, fold, skill, seed=0, protocol="honest", images=90, prefix="images"):
    """An evaluated run: ``skill`` is the share of answers that are right on purpose."""
    some = table(images=images, seed=100 + fold)
    rng = np.random.default_rng((seed, fold))
    right = rng.random(images) < skill
    answers = np.where(right, some.labels, rng.integers(0, 8, images))
    probabilities = 0.4 * np.eye(8)[answers] + 0.6 * rng.dirichlet(np.ones(8), images)
    names = tuple(f"{prefix}/{fold}_{row:03d}.jpg" for row in range(images))
    groups = tuple(f"lesion:{fold}_{row // 2}" for row in range(images))
    predictions = Predictions(names, CODES, probabilities, some.labels, np.full(images, fold), groups)
    report, _ = made(images=20)
    report["protocol"] = {**report["protocol"], "fold": fold, "name": protocol}
    (folder / "evaluation").mkdir(parents=True)
    write_predictions(folder / "evaluation" / "predictions.csv", predictions)
    write_cases(folder / "evaluation" / "cases.csv", [Case(name, sha256=name[-9:]) for name in names])
    (folder / "evaluation" / "report.json").write_text(json.dumps(report))
    return predictions


@pytest.fixture(scope="module")
def contestants(tmp_path_factory):
    base = tmp_path_factory.mktemp("comparison")
    found = []
    for name, skill, seed in (("good", 0.8, 1), ("poor", 0.4, 2), ("same", 0.8, 3)):
        for fold in range(2):
            judged_run(base / name / f"fold-{fold}", fold, skill, seed, prefix=f"../{name}/images")
        found.append(read_contestant(name, run_folders(base / name)))
    return found


@pytest.fixture(scope="module")
def comparison(contestants):
    return compare(contestants, resamples=100)


def test_folds_are_pooled_and_images_are_known_again_wherever_their_set_lies(contestants):
    good, poor, _ = contestants
    assert good.predictions.images == poor.predictions.images
    assert len(good.predictions) == 180
    assert sorted(good.reports) == [0, 1]
    assert set(good.of_fold(1).folds.tolist()) == {1}


def test_figures_and_differences_follow_from_the_tables(contestants, comparison):
    for contestant, row in zip(contestants, comparison["rows"], strict=True):
        known = contestant.predictions
        expected = metrics.balanced_accuracy(known.labels, known.probabilities)
        assert row["balanced_accuracy"]["value"] == pytest.approx(expected)
        assert row["parameters"] == 1_079_928
        of_folds = [
            metrics.balanced_accuracy(part.labels, part.probabilities) for part in map(contestant.of_fold, (0, 1))
        ]
        assert row["fold_mean"] == pytest.approx(np.mean(of_folds))
        assert row["fold_deviation"] == pytest.approx(np.std(of_folds, ddof=1))
    first, second, _ = (row["balanced_accuracy"]["value"] for row in comparison["rows"])
    assert comparison["rows"][0]["difference"] is None
    assert comparison["rows"][1]["difference"]["value"] == pytest.approx(second - first)


def test_a_real_difference_survives_the_correction_and_chance_does_not(comparison):
    pairs = {(pair["first"], pair["second"]): pair["balanced_accuracy"] for pair in comparison["pairs"]}
    assert pairs["good", "poor"]["holm_p"] < 0.05
    assert pairs["good", "same"]["holm_p"] > 0.05
    assert all(pair["holm_p"] >= pair["p"] for pair in pairs.values())


def test_other_images_or_folds_are_refused(contestants, tmp_path):
    judged_run(tmp_path / "one" / "fold-0", 0, 0.5)
    one = read_contestant("one", run_folders(tmp_path / "one"))
    with pytest.raises(UsageError, match="has folds 0, 1 and one 0"):
        compare([contestants[0], one])
    for fold in range(2):
        judged_run(tmp_path / "other" / f"fold-{fold}", fold, 0.5, images=80)
    other = read_contestant("other", run_folders(tmp_path / "other"))
    with pytest.raises(DataError, match="other images"):
        compare([contestants[0], other])
    with pytest.raises(UsageError, match="nothing to compare"):
        compare([])
    with pytest.raises(UsageError, match="no run in"):
        run_folders(tmp_path)
    (tmp_path / "bare" / "fold-0").mkdir(parents=True)
    with pytest.raises(UsageError, match="not evaluated"):
        read_contestant("bare", run_folders(tmp_path / "bare"))


def test_an_image_judged_twice_is_a_leak_and_refused(tmp_path):
    for fold in range(2):
        judged_run(tmp_path / f"fold-{fold}", fold, 0.5)
    for name in ("predictions.csv", "cases.csv"):
        text = (tmp_path / "fold-0" / "evaluation" / name).read_text()
        (tmp_path / "fold-1" / "evaluation" / name).write_text(text)
    with pytest.raises(DataError, match="judged in two folds"):
        read_contestant("leak", run_folders(tmp_path))


def test_the_gap_between_protocols_is_told_in_one_sentence(contestants, comparison):
    flattered = compare([replace(contestants[0], name="poor", protocol="paper")], resamples=0)
    (gap,) = protocol_gaps(comparison, flattered)
    assert gap["gap"] == pytest.approx(gap["paper"] - gap["honest"])
    assert f"the paper's protocol flatters by {100 * gap['gap']:.1f} points" in gap["sentence"]
    with pytest.raises(UsageError, match="both protocols"):
        protocol_gaps(flattered, compare([contestants[0]], resamples=0))
    with pytest.raises(UsageError, match="wanted one"):
        compare([contestants[0], replace(contestants[1], protocol="paper")])


def test_everything_is_written_and_the_papers_column_is_beside_ours(contestants, comparison, tmp_path):
    write_comparison(tmp_path / "out", [comparison], [contestants])
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"comparison.csv", "comparison.md", "comparison.json", "comparison.html", "pairs.csv", "figures"}
    rows = list(csv.DictReader((tmp_path / "out" / "comparison.csv").read_text().splitlines()))
    assert [row["name"] for row in rows] == ["good", "poor", "same"]
    assert {row["paper_accuracy"] for row in rows} == {"0.9615"}
    page = (tmp_path / "out" / "comparison.html").read_text()
    assert "default-src 'none'" in page
    assert "good is better than poor" in page
    assert "96.15" in markdown_table(comparison)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("keep")
    with pytest.raises(UsageError, match="something else"):
        write_comparison(tmp_path / "mine", [comparison], [contestants])


def test_the_models_curve_has_the_area_of_the_macro_auc(contestants):
    curve, area = mean_roc(contestants[0])
    assert np.trapezoid(curve, GRID) == pytest.approx(area, abs=0.01)


def test_the_papers_table_agrees_with_the_registry_and_its_text():
    assert set(TABLE_1) <= set(list_models())
    for name, row in TABLE_1.items():
        assert SPECS[name].paper_parameters == row.parameters
        assert SPECS[name].title == row.title
    # The gains that the text states: Tables 2, 5, 6 and 4.
    gains = {
        what: rows.get("on", rows.get("sc")).isic - rows.get("off", rows.get("none")).isic
        for what, rows in ABLATIONS.items()
        if what != "balance"
    }
    assert gains == pytest.approx({"attention": 0.5, "warmup": 0.42, "stochastic-depth": 0.65, "skip": 0.23})
    assert paper_accuracy(TABLE_1["hierattn_s"], "ham10000") == 0.967
    assert paper_accuracy(None, "ham10000") is None


def test_a_card_is_filled_from_the_report_and_names_what_is_open(tmp_path):
    report, _ = made()
    (tmp_path / "evaluation").mkdir()
    (tmp_path / "evaluation" / "report.json").write_text(json.dumps(report))
    card = model_card(read_report(tmp_path))
    for said in ("Not a medical device", "CC BY-NC 4.0", "1,079,928", "CLEAR Derm", "STARD-AI"):
        assert said in card
    assert f"{100 * report['balanced_accuracy']['value']:.1f}" in card
    assert "nothing is known of fairness" in card
    with pytest.raises(UsageError, match="no evaluation"):
        read_report(tmp_path / "none")
