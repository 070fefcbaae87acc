"""Models side by side: only on the same images, with differences, corrections and gaps that follow from the tables."""

from dataclasses import replace

import numpy as np
import pytest
from reports import evaluated_run

from hierattn import metrics
from hierattn.errors import DataError, UsageError
from hierattn.evaluation.comparison.comparison import compare, protocol_gaps
from hierattn.evaluation.comparison.entrant import read_entrant, run_folders


def test_figures_and_differences_follow_from_the_tables(entrants, comparison):
    for entrant, row in zip(entrants, comparison["rows"], strict=True):
        known = entrant.predictions
        expected = metrics.balanced_accuracy(known.labels, known.probabilities)
        assert row["balanced_accuracy"]["value"] == pytest.approx(expected)
        assert row["parameters"] == 1_079_928
        of_folds = [metrics.balanced_accuracy(part.labels, part.probabilities) for part in map(entrant.of_fold, (0, 1))]
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


def test_other_images_or_folds_are_refused(entrants, tmp_path):
    evaluated_run(tmp_path / "one" / "fold-0", 0, 0.5)
    one = read_entrant("one", run_folders(tmp_path / "one"))
    with pytest.raises(UsageError, match="has folds 0, 1 and one 0"):
        compare([entrants[0], one])
    for fold in range(2):
        evaluated_run(tmp_path / "other" / f"fold-{fold}", fold, 0.5, images=80)
    other = read_entrant("other", run_folders(tmp_path / "other"))
    with pytest.raises(DataError, match="other images"):
        compare([entrants[0], other])
    with pytest.raises(UsageError, match="nothing to compare"):
        compare([])
    with pytest.raises(UsageError, match="no run in"):
        run_folders(tmp_path)
    (tmp_path / "bare" / "fold-0").mkdir(parents=True)
    with pytest.raises(UsageError, match="not evaluated"):
        read_entrant("bare", run_folders(tmp_path / "bare"))


def test_the_gap_between_protocols_is_told_in_one_sentence(entrants, comparison):
    flattered = compare([replace(entrants[0], name="poor", protocol="paper")], resamples=0)
    (gap,) = protocol_gaps(comparison, flattered)
    assert gap["gap"] == pytest.approx(gap["paper"] - gap["honest"])
    assert f"the paper's protocol flatters by {100 * gap['gap']:.1f} points" in gap["sentence"]
    with pytest.raises(UsageError, match="both protocols"):
        protocol_gaps(flattered, compare([entrants[0]], resamples=0))
    with pytest.raises(UsageError, match="wanted one"):
        compare([entrants[0], replace(entrants[1], protocol="paper")])
