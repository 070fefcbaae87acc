"""What the tests of the int8 exports share: one small graph, images for it, and its answer."""

from __future__ import annotations

import numpy as np
import pytest
from small_bundles import TWO_LAYERS_SIDE


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (24, TWO_LAYERS_SIDE, TWO_LAYERS_SIDE, 3), dtype=np.uint8)
