"""Random cases for figures of merit, and how nearly two implementations must agree."""

import numpy as np

CASES = range(1000)


def random_case(seed):
    """A small case of any kind: few or many images, missing classes, one image, ties, all of one class."""
    rng = np.random.default_rng(seed)
    classes = int(rng.integers(2, 9))
    images = 1 if seed % 50 == 0 else int(rng.integers(2, 40))
    present = rng.choice(classes, size=int(rng.integers(1, classes + 1)), replace=False)
    labels = rng.choice(present, size=images)
    probabilities = rng.dirichlet(np.full(classes, 0.5), size=images)
    if seed % 3 == 0:
        probabilities = np.round(probabilities, 1)  # ties
    if seed % 7 == 0:
        probabilities[:] = probabilities[0]  # nothing but ties
    return labels, probabilities


def same(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9, equal_nan=True)
