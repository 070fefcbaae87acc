"""Masks, brought to the packed images' frame."""

import re

import numpy as np
from PIL import Image

from hierattn.data.prepared_set.packed import PackedSet
from hierattn.evaluation.measures.lesion_masks import MaskedSet


def test_masks_lie_on_the_packed_lesions(prepared):
    packed = PackedSet.open(prepared)
    masked = MaskedSet.of(packed)
    boxes = [masked.boxes[record.image] for record in packed.records]
    plain = boxes.index("")
    with Image.open(masked.path(plain)) as stored:
        expected = np.asarray(stored.resize((64, 64), Image.Resampling.BILINEAR)) >= 128
    assert np.array_equal(masked.mask(plain), expected)
    cropped = next(row for row, box in enumerate(boxes) if box)
    left, top, right, bottom = map(int, re.findall(r"\d+", boxes[cropped]))
    with Image.open(masked.path(cropped)) as stored:
        inside = stored.crop((left, top, right, bottom)).resize((64, 64), Image.Resampling.BILINEAR)
    assert np.array_equal(masked.mask(cropped), np.asarray(inside) >= 128)
