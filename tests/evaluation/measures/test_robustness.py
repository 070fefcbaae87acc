"""Changed photographs: identities, strengths that grow, the same pixels again; and flips counted right."""

import numpy as np
import pytest
from tests.evaluation.test_predictions import table

from hierattn.errors import UsageError
from hierattn.evaluation.measures.calibration import fit_calibration
from hierattn.evaluation.measures.photo_changes import CHANGES, change, crop, flip, jpeg, rotate
from hierattn.evaluation.measures.robustness import choose_rows, judge_robustness
from hierattn.evaluation.predictions import Predictions
from hierattn.taxonomy import CODES


@pytest.fixture(scope="module")
def photograph():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:128, :128] / 127
    spot = np.hypot(x - 0.45, y - 0.55) < 0.25
    image = np.where(spot[..., None], (120, 70, 50), (220, 180, 160)) + rng.integers(-6, 7, (128, 128, 3))
    return image.astype(np.uint8)


@pytest.mark.parametrize("name", CHANGES)
def test_each_change_keeps_shape_and_source_and_comes_again(name, photograph):
    before = photograph.copy()
    for severity in range(5):
        changed = change(name, photograph, severity, seed=3, number=7)
        assert (changed.shape, changed.dtype) == (photograph.shape, np.uint8)
        assert np.array_equal(changed, change(name, photograph, severity, seed=3, number=7))
        assert not np.array_equal(changed, photograph)
    assert np.array_equal(photograph, before)


@pytest.mark.parametrize("name", ["jpeg", "blur", "brightness", "colour_cast", "dark_corners", "hair"])
def test_a_higher_severity_changes_more(name, photograph):
    def distance(severity):
        pairs = (change(name, photograph, severity, seed=0, number=n) for n in range(6))
        return np.mean([np.abs(changed.astype(float) - photograph).mean() for changed in pairs])

    found = [distance(severity) for severity in range(5)]
    assert found == sorted(found)


def test_geometry_is_exact_where_it_can_be(photograph):
    dice = np.random.default_rng(0)
    square = flip(photograph, 3, dice)
    assert np.array_equal(rotate(photograph, 180, dice), square)
    assert np.array_equal(flip(flip(photograph, 1, dice), 1, dice), photograph)
    assert np.array_equal(flip(photograph, 4, dice), photograph.transpose(1, 0, 2))
    assert np.array_equal(rotate(photograph, 0, dice), photograph)
    assert np.array_equal(crop(photograph, 0, dice), photograph)
    assert np.abs(jpeg(photograph, 95, dice).astype(int) - photograph).mean() < 5


def test_bad_input_is_one_clear_line(photograph):
    with pytest.raises(UsageError, match="unknown change"):
        change("sepia", photograph, 0, 0, 0)
    with pytest.raises(UsageError, match="severity 5"):
        change("jpeg", photograph, 5, 0, 0)


def one_of_each(images):
    """Predictions that a brightness tells: bright images are melanoma."""
    level = images.reshape(len(images), -1).mean(axis=1) / 255
    probabilities = np.full((len(images), 8), 0.0)
    probabilities[:, CODES.index("MEL")], probabilities[:, CODES.index("NV")] = level, 1 - level
    return probabilities


def test_flips_are_counted_as_they_happen():
    images = np.full((40, 16, 16, 3), 200, np.uint8)
    images[20:] = 40
    probabilities = one_of_each(images)
    labels = np.repeat([CODES.index("MEL"), CODES.index("NV")], 20)
    some = Predictions(tuple(map(str, range(40))), CODES, probabilities, labels, np.zeros(40), ("",) * 40)
    calibration = fit_calibration(some, resamples=0)
    found = judge_robustness(one_of_each, images, some, calibration, resamples=100)
    turned = found["changes"]["rotation"]["severities"]
    assert all(row["advice_flips"]["value"] == 0 == row["answer_flips"] for row in turned)
    # The threshold is the brightest's own risk: every melanoma that was made darker is sent home, none sent in.
    bright = found["changes"]["brightness"]["severities"][1]
    darker = np.mean(
        [change("brightness", image, 1, 0, number).mean() < 200 for number, image in enumerate(images[:20])]
    )
    assert 0 < darker < 1
    assert bright["sent_home"] == pytest.approx(darker)
    assert bright["sent_in"] == 0
    assert bright["advice_flips"]["value"] == pytest.approx(darker / 2)
    assert found["balanced_accuracy"] == 1


def test_many_images_are_thinned_by_lesion():
    some = table(images=100)
    assert np.array_equal(choose_rows(some, most=200), np.arange(100))
    chosen = choose_rows(some, most=50, seed=1)
    assert len(chosen) == len(np.unique(chosen)) == 50
    assert len(np.unique(some.group_numbers[chosen])) == 50  # 60 groups: no lesion twice while others wait
    assert np.array_equal(chosen, choose_rows(some, most=50, seed=1))
