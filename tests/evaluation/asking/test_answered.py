"""One pass over the pixels answers for any answers as the whole network would."""

from __future__ import annotations

import numpy as np
import torch
from noise_runs import SPEC, TINY, make_set
from tiny_sets import with_answers

from hierattn.data.prepared_set.packed import PackedSet
from hierattn.evaluation.asking.answered import ABOVE_ALL, Answered
from hierattn.evaluation.measures.class_bias import softmax
from hierattn.evaluation.predict import Network
from hierattn.models.asking import asking
from hierattn.models.inference import predict_logits
from hierattn.models.registry import create_model
from hierattn.taxonomy.built_in import EIGHT
from hierattn.taxonomy.questions import AGE, GREW

ROWS = np.arange(6)


def answered(tmp_path):
    packed = PackedSet.open(with_answers(make_set(tmp_path / "noise"), tmp_path / "asked"))
    torch.manual_seed(0)
    model = asking(create_model("hierattn_xs", num_classes=8, **TINY), (AGE, GREW), 8).eval()
    torch.nn.init.normal_(model.head.classifier.weight)
    return model, packed, Answered.of(Network(model, EIGHT.asking((AGE, GREW)), SPEC), packed, ROWS)


def test_any_answers_give_what_the_network_gives(tmp_path):
    model, packed, part = answered(tmp_path)
    np.testing.assert_allclose(
        part.photograph.probabilities, softmax(predict_logits(model, packed.images, ROWS, SPEC)), atol=1e-6
    )
    codes = np.zeros((len(packed.images), 2), np.float32)
    codes[ROWS] = part.codes
    wanted = softmax(predict_logits(model, packed.images, ROWS, SPEC, answers=codes))
    np.testing.assert_allclose(part.told(part.codes).probabilities, wanted, atol=1e-6)
    np.testing.assert_array_equal(part.told(0 * part.codes).probabilities, part.photograph.probabilities)


def test_a_share_of_the_answers_is_hidden_in_several_draws_and_none_or_all_in_one(tmp_path):
    part = answered(tmp_path)[2]
    assert [len(part.hidden(share, 0)[0]) for share in (0.0, 0.5, 1.0)] == [6, 6 * ABOVE_ALL, 6]
    rows, codes = part.hidden(0.5, 0)
    assert ((codes == 0) | (codes == part.codes[rows])).all()
    assert not part.hidden(1.0, 0)[1].any()
