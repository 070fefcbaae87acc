"""Screening: a bundle's own answers for arrays, and why it would reject some of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from noise_runs import TINY

from hierattn.data.rendered.rendered_set import render_lesion
from hierattn.deploy.export.own_images import OwnImages
from hierattn.deploy.export.rejection.novelty import MIN_IMAGES
from hierattn.deploy.export.rejection.screening import UNFIT, make_screening
from hierattn.image_spec import ImageSpec
from hierattn.models.registry import create_model
from hierattn.preprocessing.colour_constancy import balance_colours
from hierattn.preprocessing.photo_quality import UNLIKE
from hierattn.taxonomy.built_in import EIGHT

CODES = EIGHT.codes


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return create_model("hierattn_xs", num_classes=8, **TINY).eval()


def test_the_novelty_of_a_bundle_rejects_what_it_was_trained_on_nothing_like():
    generator = np.random.default_rng(0)

    def skin(count):
        return np.clip(generator.normal((200, 140, 120), 25, (count, 32, 32, 3)), 0, 255).astype(np.uint8)

    images = skin(400)
    rows = np.arange(400)
    own = OwnImages(images, rows % 8, rows, rows[:150], rows[150:350], rows[350:])
    look = make_screening(create_model("hierattn_xs", num_classes=8, **TINY).eval(), own, ImageSpec(size=32), CODES)
    usual, strange = look(skin(50)), look(np.zeros((10, 32, 32, 3), np.uint8))
    assert usual.rejected[UNLIKE].mean() < 0.3
    assert strange.rejected[UNLIKE].all()
    assert strange.rejected[UNFIT].all()
    np.testing.assert_allclose(usual.probabilities.sum(axis=1), 1, atol=1e-6)


def test_with_too_few_own_images_nothing_is_said_of_novelty_and_the_answers_are_the_networks(model):
    count = MIN_IMAGES - 1
    images = np.random.default_rng(0).integers(0, 256, (3 * count, 32, 32, 3), dtype=np.uint8)
    rows = np.arange(3 * count)
    own = OwnImages(images, rows % 8, rows, rows[:count], rows[count : 2 * count], rows[2 * count :])
    answers = make_screening(model, own, ImageSpec(size=32), CODES)(images[:5])
    assert set(answers.rejected) == {UNFIT}
    with torch.inference_mode():
        logits = model(torch.from_numpy(images[:5]).permute(0, 3, 1, 2) / 255)
    np.testing.assert_allclose(answers.probabilities, logits.softmax(1).numpy(), atol=1e-5)


def test_a_small_lesion_is_fit_and_a_dark_or_flat_picture_is_not(model):
    none = np.arange(0)
    own = OwnImages(np.zeros((0, 64, 64, 3), np.uint8), none, none, none, none, none)
    lesion = render_lesion("NV", np.random.default_rng(0), 64).image
    images = np.stack([lesion, lesion // 16, np.full_like(lesion, 150)])
    answers = make_screening(model, own, ImageSpec(size=64), CODES)(images)
    assert answers.rejected[UNFIT].tolist() == [False, True, True]


def test_grey_skin_is_miscoloured_but_not_where_its_colours_were_balanced(model):
    none = np.arange(0)
    own = OwnImages(np.zeros((0, 64, 64, 3), np.uint8), none, none, none, none, none)
    balanced = balance_colours(render_lesion("NV", np.random.default_rng(0), 64).image, "grey_world")
    for method, unfit in (("none", True), ("grey_world", False)):
        answers = make_screening(model, own, ImageSpec(size=64, colour_constancy=method), CODES)(balanced[None])
        assert answers.rejected[UNFIT].tolist() == [unfit]
