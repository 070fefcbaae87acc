"""The gallery: which images are shown."""

import numpy as np
from prediction_tables import table

from hierattn.evaluation.pages.gallery import confident_mistakes, least_certain


def test_the_gallery_chooses_the_confident_mistakes_and_the_least_certain():
    predictions = table(images=60)
    worst = confident_mistakes(predictions, 3)
    assert (predictions.predicted[worst] != predictions.labels[worst]).all()
    confidence = predictions.probabilities.max(axis=1)
    wrong = predictions.predicted != predictions.labels
    assert confidence[worst[0]] == confidence[wrong].max()
    margins = np.diff(np.sort(predictions.probabilities, axis=1)[:, -2:], axis=1)[:, 0]
    assert margins[least_certain(predictions, 1)[0]] == margins.min()
