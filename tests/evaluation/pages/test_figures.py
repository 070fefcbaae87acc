"""Figures: one colour a class, told apart by everyone, the same bytes again, and no photograph."""

import itertools
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from prediction_tables import CURVE, table

from hierattn.evaluation.measures.calibration import fit_calibration
from hierattn.evaluation.pages import figures
from hierattn.evaluation.predictions import Predictions
from hierattn.taxonomy.built_in import EIGHT
from hierattn.taxonomy.colours import PALETTE
from hierattn.taxonomy.records import LesionClass, Taxonomy


@pytest.fixture(scope="module")
def drawn():
    calibration = fit_calibration(table(images=80, seed=1), resamples=0)
    return figures.draw_figures(table(images=80), calibration, CURVE, best_epoch=1)


def test_every_figure_is_drawn_and_pyplot_is_never_asked(drawn):
    assert set(drawn) == {"roc", "confusion_matrix", "reliability", "risk", "risk_coverage", "learning_curves"}
    assert all(figure.number == 0 for figure in drawn.values() if hasattr(figure, "number"))


def test_a_run_without_a_log_has_no_learning_curve():
    calibration = fit_calibration(table(images=30, seed=1), resamples=0)
    assert "learning_curves" not in figures.draw_figures(table(images=30), calibration, {})


def test_svg_is_whole_has_text_and_follows_the_page(drawn):
    for name, figure in drawn.items():
        text = figures.svg(figure, f"{name} <&>")
        root = ElementTree.fromstring(text)
        assert root.attrib["aria-label"] == f"{name} <&>"
        assert "var(--ink" in text
        assert "<text" in text
        assert "<image" not in text  # nothing but drawing: no pixel of any photograph
        assert "width" not in root.attrib
    assert f"var(--class-{EIGHT.codes.index('MEL')}, " in figures.svg(drawn["roc"], "roc", EIGHT)


def test_files_come_out_the_same_again(tmp_path):
    for folder in ("one", "two"):
        figures.save_figures(tmp_path / folder, {"roc": figures.roc_figure(table(images=80))})
    for name in ("roc.png", "roc.svg"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_the_lines_are_the_curves(drawn):
    some = table(images=80)
    axis = drawn["roc"].axes[0]
    lines = {line.get_label()[:4].strip(): line for line in axis.get_lines()}
    positive = some.labels == EIGHT.codes.index("MEL")
    x, y = lines["MEL"].get_data()
    assert y[-1] == x[-1] == 1
    threshold = 0.2
    said = some.probabilities[:, EIGHT.codes.index("MEL")] >= threshold
    point = np.array([said[~positive].mean(), said[positive].mean()])
    assert np.abs(np.stack([x, y], axis=1) - point).sum(axis=1).min() < 1e-12


def test_a_class_without_images_has_no_curve():
    some = table(images=20)
    some.labels[:] = np.where(some.labels == 4, 5, some.labels)
    labels = [line.get_label() for line in figures.roc_figure(some).axes[0].get_lines()]
    assert not any(label.startswith("MEL") for label in labels)


def simulate_deuteranopia(colour):
    """Machado, Oliveira and Fernandes 2009, severity 1, on linear light."""
    matrix = np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]])
    return np.clip(matrix @ (np.array(to_rgb(colour)) ** 2.2), 0, 1) ** (1 / 2.2)


def test_classes_differ_for_the_colour_blind_in_colour_or_dash():
    assert [(each.colour, each.colour_dark) for each in EIGHT.classes] == list(PALETTE)
    for one, other in itertools.combinations(range(8), 2):
        seen = [simulate_deuteranopia(PALETTE[place][0]) for place in (one, other)]
        apart = np.abs(seen[0] - seen[1]).sum() > 0.15
        assert apart or figures.DASHES[one] != figures.DASHES[other], (one, other)


def test_a_single_image_can_be_drawn():
    one = Predictions(("a",), EIGHT.subset(("MEL", "NV")), np.array([[0.9, 0.1]]), np.array([0]), np.array([0]), ("",))
    calibration = fit_calibration(one, resamples=0)
    for name, figure in figures.draw_figures(one, calibration, {"epoch": [0.0], "train_loss": [1.0]}, 0).items():
        assert figures.svg(figure, name).startswith("<svg")


def many(count, images=600, referred=(), malignant=()):
    """Predictions of ``count`` classes with long codes, the first ones the most frequent."""
    taxonomy = Taxonomy(
        "many",
        tuple(
            LesionClass(
                f"diagnosis_number_{place}",
                malignancy="malignant" if place in malignant else "benign",
                refer=place in referred,
            )
            for place in range(count)
        ),
    )
    rng = np.random.default_rng(0)
    share = np.linspace(3, 1, count)
    labels = rng.choice(count, images, p=share / share.sum())
    labels[: 2 * count] = np.repeat(np.arange(count), 2)
    logits = rng.normal(size=(images, count))
    logits[np.arange(images), labels] += 0.7
    odds = np.exp(logits)
    return Predictions(
        tuple(f"{row}.jpg" for row in range(images)), taxonomy, odds / odds.sum(axis=1, keepdims=True), labels,
        np.zeros(images, int), ("",) * images,
    )  # fmt: skip


@pytest.mark.parametrize("count", [2, 8, 23, 100])
def test_no_legend_covers_a_curve_or_leaves_its_figure(count):
    some = many(count, referred=(1,), malignant=(1,))
    for name, figure in figures.draw_figures(some, fit_calibration(some, resamples=0), CURVE, 1).items():
        figure.draw_without_rendering()
        frames = [axis.get_window_extent() for axis in figure.axes]
        for axis in figure.axes:
            if axis.get_legend() is None:
                continue
            box = axis.get_legend().get_window_extent()
            assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1, name
            assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1, name
            assert not any(box.x0 < one.x1 and one.x0 < box.x1 and box.y0 < one.y1 and one.y0 < box.y1
                           for one in frames), name  # fmt: skip


def test_of_many_classes_those_are_named_that_must_not_be_missed():
    some = many(23, referred=(9, 20), malignant=(14, 20))
    labels = [line.get_label() for line in figures.roc_figure(some).axes[0].get_lines()]
    named = [int(label.split()[0].rpartition("_")[2]) for label in labels if "_" in label]
    images = np.bincount(some.labels, minlength=23)
    assert named[:3] == [20, 14, 9]  # cancer that is referred, cancer, referred
    rest = [place for place in np.argsort(-images, kind="stable") if place not in (20, 14, 9)]
    assert named[3:] == rest[: len(named) - 3]
    assert labels[-1].startswith("mean of 23")


def test_one_epoch_has_one_tick_and_its_points_inside():
    figure = figures.learning_figure({"epoch": [4.0], "train_loss": [2.0], "validation_loss": [2.5]}, 4)
    figure.draw_without_rendering()
    for axis in figure.axes:
        low, high = axis.get_xlim()
        assert [tick for tick in axis.get_xticks() if low <= tick <= high] == [5]
        bottom, top = axis.get_ylim()
        for line in axis.get_lines()[:-1]:
            assert (line.get_ydata() > bottom).all()
            assert (line.get_ydata() < top).all()
