"""What flips the advice: things lie where they belong, controls are as large, and shares are counted by hand."""

from dataclasses import replace

import numpy as np
import pytest
from prediction_tables import table

from hierattn.data.rendered.rendered_set import render_lesion
from hierattn.evaluation.clinical_use.artefacts import ARTEFACTS, draw_pair, measure_artefacts, scrambled
from hierattn.evaluation.measures.calibration import fit_calibration
from hierattn.taxonomy.built_in import EIGHT

TWO = EIGHT.subset(("MEL", "NV"))


@pytest.fixture(scope="module")
def picture():
    return render_lesion("MEL", np.random.default_rng(3), size=96).image


def size(one, other):
    return np.sqrt(((one.astype(float) - other) ** 2).mean())


@pytest.mark.parametrize("name", ARTEFACTS)
def test_a_thing_changes_the_photograph_a_second_time_in_the_same_way_and_its_control_is_as_large(name, picture):
    with_it, control = draw_pair(name, picture, 0, 4)
    again, other = draw_pair(name, picture, 0, 4), draw_pair(name, picture, 0, 5)
    assert with_it.dtype == control.dtype == np.uint8
    assert with_it.shape == control.shape == picture.shape
    np.testing.assert_array_equal(with_it, again[0])
    np.testing.assert_array_equal(control, again[1])
    assert (name in ("frame", "vignette")) == np.array_equal(with_it, other[0])
    assert size(picture, with_it) > 0.5
    assert size(picture, control) == pytest.approx(
        size(picture, with_it), rel=0.2, abs=0.5
    )  # what is black cannot darken


@pytest.mark.parametrize("name", ["ink", "ruler", "sticker", "vignette", "frame"])
def test_what_lies_beside_a_lesion_leaves_its_middle_as_it_was(name, picture):
    middle = slice(36, 60)
    for number in range(20):
        with_it, _ = draw_pair(name, picture, 0, number)
        np.testing.assert_array_equal(with_it[middle, middle], picture[middle, middle])


def test_the_control_has_the_same_amplitude_at_every_frequency_and_no_shape():
    rng = np.random.default_rng(0)
    grey = np.full((64, 64, 3), 128, np.uint8)
    changed = grey.copy()
    changed[20:30, 5:60] = (150, 120, 128)
    control = scrambled(grey, changed, rng)
    for colour in range(3):
        wanted, got = (np.abs(np.fft.rfft2(each[..., colour].astype(float) - 128)) for each in (changed, control))
        np.testing.assert_allclose(got, wanted, atol=64 * 1.5)  # whole numbers
    alike = [
        np.corrcoef(changed[..., 0].ravel(), scrambled(grey, changed, rng)[..., 0].ravel())[0, 1] for _ in range(40)
    ]
    assert abs(np.mean(alike)) < 0.15  # one draw may resemble it by chance
    np.testing.assert_array_equal(scrambled(grey, grey, rng), grey)


def test_flips_and_lost_cancers_are_those_that_are_counted_by_hand():
    """A network that sees nothing but black: a frame makes a naevus of everything."""
    some = table(images=24, classes=TWO.codes)
    calibration = replace(fit_calibration(some, resamples=0), temperature=1.0, risk_threshold=0.5)
    images = np.full((24, 32, 32, 3), 160, np.uint8)

    def answer(pictures):
        black = (pictures == 0).all(axis=(1, 2, 3)) | (pictures[:, 0] == 0).all(axis=(1, 2))
        return np.where(black[:, None], (0.1, 0.9), some.probabilities[: len(pictures)])

    before = some.probabilities[:, 0] >= 0.5
    groups, cancer = some.group_numbers, some.labels == 0
    found = measure_artefacts(answer, images, some, calibration, resamples=100)
    lesions = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    due = [rows for rows in lesions if (before & cancer)[rows].any()]
    assert (found.images, found.lesions, found.cancers) == (24, len(lesions), len(due))
    assert found.kinds["frame"].flips.value == pytest.approx(np.mean([before[rows].any() for rows in lesions]))
    assert found.kinds["frame"].cancers_lost.value == 1
    assert found.kinds["frame"].cancers_lost.interval[0] < 1
    assert found.kinds["frame"].control_flips.value == 0
    assert found.kinds["frame"].more_flips.value == found.kinds["frame"].flips.value
    assert found.kinds["ruler"].flips.value == 0
    assert measure_artefacts(answer, images, some, replace(calibration, risk_threshold=float("nan"))) is None
