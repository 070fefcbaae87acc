"""Check a graph's answer: a damaged graph must end in an error, never in a plausible number.

A risk that is not a number would pass for a risk of 0, and one that does not follow from the probabilities for any
risk. So every answer is checked before it is used.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hierattn.bundle.bundle import HEATMAP, NOVELTY, PHOTO_PROBABILITIES, PHOTO_RISK, PROBABILITIES, RISK, Bundle
from hierattn.errors import BundleError

SLACK = 1e-3
"""By which probabilities may miss adding up to 1, and the risk its sum over the triage group."""


def check_answer(answer: Mapping[str, np.ndarray], images: int, bundle: Bundle) -> None:
    """Refuse an answer of another shape or type than docs/bundle.md specifies, or one that contradicts itself.

    Parameters
    ----------
    answer
        Outputs by name.
    images
        How many were asked about.
    bundle
        What the file says of itself.

    Raises
    ------
    BundleError
        With what came and what was wanted.
    """
    classes = len(bundle.classes)
    shapes = {PROBABILITIES: (images, classes), RISK: (images,), NOVELTY: (images,)}
    shapes |= {PHOTO_PROBABILITIES: (images, classes), PHOTO_RISK: (images,)}
    for name, values in answer.items():
        wanted = shapes.get(name, (images, classes, *values.shape[2:4]))
        if values.shape != wanted or values.dtype.kind != "f" or (name == HEATMAP and values.ndim != 4):
            raise BundleError(
                f"the bundle's graph gave a {name} of {values.dtype} {values.shape}: wanted floating point {wanted}; "
                "export it again"
            )
        if not np.isfinite(values).all():
            raise BundleError(f"the bundle's graph gave a {name} that is no number; export it again")
    for name, of_risk in ((PROBABILITIES, RISK), (PHOTO_PROBABILITIES, PHOTO_RISK)):
        if name in answer:
            _check_probabilities(answer[name], answer[of_risk], bundle)


def _check_probabilities(probabilities: np.ndarray, risk: np.ndarray, bundle: Bundle) -> None:
    if probabilities.min() < 0 or np.abs(probabilities.sum(axis=1) - 1).max() > SLACK:
        raise BundleError("the bundle's graph gave values that are no probabilities; export it again")
    group = [code in bundle.triage.group for code in bundle.classes]
    if np.abs(probabilities[:, group].sum(axis=1) - risk).max() > SLACK:
        raise BundleError("the bundle's graph gave a risk that is not its probabilities' sum; export it again")
