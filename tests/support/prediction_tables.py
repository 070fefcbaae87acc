"""Tables of predictions drawn by a seed, and a learning curve."""

import numpy as np

from hierattn.evaluation.predictions import Predictions
from hierattn.taxonomy import CODES

CURVE = {
    "epoch": (0.0, 1.0, 2.0),
    "train_loss": (2.0, 1.0, 0.5),
    "validation_loss": (2.0, 1.5, None),
    "validation_top1": (0.2, 0.3, 0.4),
}


def table(images=40, seed=0, classes=CODES):
    rng = np.random.default_rng(seed)
    return Predictions(
        images=tuple(f"images/{index:04d}, a.jpg" for index in range(images)),
        classes=tuple(classes),
        probabilities=rng.dirichlet(np.full(len(classes), 0.2), images),
        labels=rng.integers(0, len(classes), images),
        folds=np.full(images, 3),
        groups=tuple(f'lesion:"{index // 2}"' if index % 5 else "" for index in range(images)),
    )
