"""The plain pipeline that training is measured against reads the same images."""

import numpy as np
import pytest

from hierattn.benchmarks.training import JpegFiles, measure_feeding
from hierattn.data.prepared_set.packed import PackedSet
from hierattn.errors import UsageError
from hierattn.training.recipe import Recipe


def test_the_plain_pipeline_shows_the_images_that_the_packed_set_holds(prepared):
    packed = PackedSet.open(prepared)
    rows = [i for i, record in enumerate(packed.records) if max(record.width, record.height) == 64][:12]
    paths = [packed.folder / packed.records[row].image for row in rows]
    images = JpegFiles(paths, np.arange(len(rows)), 64, rotation=0)
    differences = []
    for number, row in enumerate(rows):
        image, label = images[number]
        assert label == number
        ours = packed.images[row].astype(np.float32).transpose(2, 0, 1) / 255
        differences.append(min(np.abs(image.numpy() - other).mean() for other in (ours, ours[:, :, ::-1])))
    assert np.median(differences) < 0.01  # a few have a black surround, which only the packed set crops


def test_nothing_to_measure_is_refused(prepared):
    with pytest.raises(UsageError, match="rounds"):
        measure_feeding(Recipe.from_dict({"data": {"prepared": str(prepared)}}), device="cpu", rounds=0)
