"""Options that make no sense are refused when they are put together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hierattn.data.prepare.options import Embedding, PrepareOptions
from hierattn.errors import UsageError
from hierattn.image_spec import ImageSpec

NETWORK = Embedding("0" * 64, lambda pictures: np.zeros((len(pictures), 2), np.float32))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"jobs": 0}, "0 jobs: wanted 1 or more"),
        ({"seed": -1}, "seed -1: wanted 0 or more"),
        ({"size": 16}, "wanted 32 to 2048"),
        ({"crop": "circle"}, "surround, paper, none"),
        ({"extend": True}, "--extend without --splits"),
        ({"embedding": NETWORK, "near_duplicates": False}, "an embedding without near-duplicates"),
    ],
)
def test_what_cannot_be_is_one_line(options: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        PrepareOptions(**options)  # type: ignore[arg-type]


def test_options_give_the_image_specification_and_whose_weights_helped() -> None:
    options = PrepareOptions(size=64, crop="none", hair_removal=True, splits=Path("splits.csv"), extend=True)
    assert options.image_spec == ImageSpec(size=64, crop="none", hair_removal=True)
    assert (options.embedding_sha256, PrepareOptions(embedding=NETWORK).embedding_sha256) == ("", "0" * 64)
