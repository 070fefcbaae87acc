"""Where the network looks, against where the lesion is: masks brought to the packed frame, and shares by hand."""

import numpy as np
import pytest
import torch
from PIL import Image
from tests.evaluation.test_evaluate import TINY

from hierattn.data.prepared_set.packed import PackedSet
from hierattn.errors import UsageError
from hierattn.evaluation.measures.lesion_masks import MaskedSet, judge_saliency
from hierattn.evaluation.measures.saliency import attention_map, share_outside
from hierattn.evaluation.predict import predict_rows
from hierattn.image_spec import ImageSpec
from hierattn.models.registry import create_model
from hierattn.models.transformer import SelfAttention
from hierattn.taxonomy import CODES


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return create_model("hierattn_xs", num_classes=8, **TINY).eval()


def test_the_share_outside_is_counted():
    heat = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert share_outside(heat, np.array([[True, False], [True, True]])) == pytest.approx(0.2)
    assert share_outside(np.ones((4, 4)), np.eye(4, dtype=bool)) == 0.75
    assert np.isnan(share_outside(np.zeros((2, 2)), np.ones((2, 2), bool)))
    with pytest.raises(UsageError, match="one shape"):
        share_outside(heat, np.ones((3, 2), bool))


def test_attention_that_prefers_nothing_is_the_same_everywhere(model):
    image = torch.rand(3, 128, 128)  # four tokens a sequence in the last block
    heat = attention_map(model, image)
    assert heat.shape == (128, 128)
    assert heat.min() >= 0
    assert heat.max() == 1
    assert heat.std() > 0
    last = [module for module in model.modules() if isinstance(module, SelfAttention)][-1]
    kept = last.qkv.weight.detach().clone()
    with torch.no_grad():
        last.qkv.weight.zero_()
    np.testing.assert_allclose(attention_map(model, image), 1, atol=1e-6)
    with torch.no_grad():
        last.qkv.weight.copy_(kept)
    with pytest.raises(UsageError, match="no transformer"):
        attention_map(torch.nn.Conv2d(3, 3, 3), image)


def test_masks_lie_on_the_packed_lesions(prepared):
    packed = PackedSet.open(prepared)
    masked = MaskedSet.of(packed)
    boxes = [masked.boxes[record.image] for record in packed.records]
    plain = boxes.index("")
    with Image.open(masked.path(plain)) as stored:
        expected = np.asarray(stored.resize((64, 64), Image.Resampling.BILINEAR)) >= 128
    assert np.array_equal(masked.mask(plain), expected)
    if any(boxes):  # a lesion that was cropped to fills more of the picture
        cropped = next(row for row, box in enumerate(boxes) if box)
        with Image.open(masked.path(cropped)) as stored:
            whole = (np.asarray(stored) >= 128).mean()
        assert masked.mask(cropped).mean() > whole


def test_saliency_is_judged_where_masks_are_and_nowhere_else(prepared, model, tmp_path):
    packed, rows, spec = PackedSet.open(prepared), np.arange(12), ImageSpec(size=64)
    predictions = predict_rows(model, packed, rows, CODES, spec)
    found = judge_saliency(model, packed, rows, predictions, spec, resamples=100)
    masked = MaskedSet.of(packed)
    assert found["images"] == 12
    assert found["area_outside"] == pytest.approx(np.mean([1 - masked.mask(row).mean() for row in rows]))
    assert 0 <= found["outside"]["value"] <= 1
    assert 0 < found["attention_outside"]["value"] < 1
    elsewhere = PackedSet(tmp_path, packed.images, packed.records, packed.image_spec, packed.info, "")
    assert judge_saliency(model, elsewhere, rows, predictions, spec, resamples=100) is None
