"""Predictions drawn by a seed, as tables and as bare arrays, and a learning curve."""

import numpy as np

from hierattn.evaluation.predictions import Predictions
from hierattn.taxonomy.built_in import EIGHT

CASES = range(1000)
CURVE = {
    "epoch": (0.0, 1.0, 2.0),
    "train_loss": (2.0, 1.0, 0.5),
    "validation_loss": (2.0, 1.5, None),
    "validation_top1": (0.2, 0.3, 0.4),
}


def table(images=40, seed=0, classes=EIGHT.codes, taxonomy=EIGHT):
    rng = np.random.default_rng(seed)
    return Predictions(
        images=tuple(f"images/{index:04d}, a.jpg" for index in range(images)),
        taxonomy=taxonomy.subset(classes),
        probabilities=rng.dirichlet(np.full(len(classes), 0.2), images),
        labels=rng.integers(0, len(classes), images),
        folds=np.full(images, 3),
        groups=tuple(f'lesion:"{index // 2}"' if index % 5 else "" for index in range(images)),
    )


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
    """Two implementations must agree this nearly."""
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9, equal_nan=True)
