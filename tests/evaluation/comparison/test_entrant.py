"""An entrant: its folds pooled, and no image in two of them."""

import pytest
from reports import evaluated_run

from hierattn.errors import DataError
from hierattn.evaluation.comparison.entrant import read_entrant, run_folders


def test_folds_are_pooled_and_images_are_known_again_wherever_their_set_lies(entrants):
    good, poor, _ = entrants
    assert good.predictions.images == poor.predictions.images
    assert len(good.predictions) == 180
    assert good.folds == (0, 1)
    assert set(good.of_fold(1).folds.tolist()) == {1}


def test_an_image_in_two_folds_is_a_leak_and_refused(tmp_path):
    for fold in range(2):
        evaluated_run(tmp_path / f"fold-{fold}", fold, 0.5)
    for name in ("predictions.csv", "cases.csv"):
        text = (tmp_path / "fold-0" / "evaluation" / name).read_text()
        (tmp_path / "fold-1" / "evaluation" / name).write_text(text)
    with pytest.raises(DataError, match="in two folds"):
        read_entrant("leak", run_folders(tmp_path))
