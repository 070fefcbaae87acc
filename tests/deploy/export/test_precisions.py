"""Lower precisions: what they need, and the arithmetic of what they cost."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from small_bundles import BUNDLE
from small_checkpoints import ASKED, asking_checkpoint

from hierattn.deploy.export.onnx import build_graph
from hierattn.deploy.export.own_images import OwnImages
from hierattn.deploy.export.parity import subsets_of_answers
from hierattn.deploy.export.precisions import Answers, check_measurable, lower_precision, measure_loss
from hierattn.deploy.export.wrapped import wrap
from hierattn.deploy.predict.session import open_session, run_session
from hierattn.errors import DataError, UsageError

ROWS = np.arange(4)
OWN = OwnImages(np.zeros((4, 8, 8, 3), np.uint8), np.zeros(4, np.int64), ROWS, ROWS[:2], ROWS[2:3], ROWS[3:])


def test_a_lower_precision_needs_images_to_measure_on():
    assert check_measurable(OWN, "int8") is OWN
    with pytest.raises(UsageError, match="int8"):
        check_measurable(None, "int8")
    with pytest.raises(DataError, match="outer or the inner fold"):
        check_measurable(OwnImages(OWN.images, OWN.labels, OWN.groups, ROWS, ROWS[:0], ROWS[3:]), "int8")


def test_the_cost_is_what_changed():
    classes = len(BUNDLE.classes)
    before = np.eye(classes)[:3].astype(np.float32)
    after = before[[0, 1, 1]]  # the third photograph changes its answer
    labels = np.arange(3)
    wrapped = SimpleNamespace(bundle=BUNDLE, checkpoint=SimpleNamespace(classes=BUNDLE.classes))
    risk = np.ones(3, np.float32)
    lost = np.zeros(3, np.float32)
    cost = measure_loss(Answers(before, risk, None), Answers(after, lost, None), labels, wrapped, 0.5)
    assert cost["images"] == 3
    assert cost["agreement"] == pytest.approx(2 / 3)
    assert cost["largest_difference"] == 1
    assert cost["balanced_accuracy_float32"] == 1
    assert cost["balanced_accuracy"] == pytest.approx(2 / 3)
    assert (cost["sensitivity_float32"], cost["sensitivity"]) == (1, 0)


def test_every_precision_keeps_the_questions_and_what_answers_say():
    wrapped = wrap(asking_checkpoint())
    exact = build_graph(wrapped.network)
    images = np.random.default_rng(0).integers(0, 256, (24, 64, 64, 3), dtype=np.uint8)
    rows = np.arange(24)
    own = OwnImages(images, rows % 6, rows, rows[:8], rows[8:16], rows[16:])

    def answers(graph, codes):
        session = open_session(graph.SerializeToString(), Path("graph"), threads=1)
        return run_session(session, ["probabilities"], images[:1], codes)["probabilities"]

    for precision, bound in (
        ("float16", 5e-4),
        ("mixed", 5e-4),
        ("int8-weights", 5e-3),
        ("int8", 0.015),  # 0.038 with the head in int8
    ):
        lowered = lower_precision(exact, wrapped, precision, own)
        assert lowered.wrapped.bundle.questions == ASKED
        assert [value.name for value in lowered.graph.graph.input] == ["image", "answers"]
        for codes in subsets_of_answers(ASKED)[:, None]:
            assert np.abs(answers(lowered.graph, codes) - answers(exact, codes)).max() < bound
