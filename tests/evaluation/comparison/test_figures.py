"""The figures of a comparison: each curve has the area that is printed beside it."""

import numpy as np
import pytest

from hierattn.evaluation.comparison.figures import GRID, mean_roc


def test_the_models_curve_has_the_area_of_the_macro_auc(entrants):
    curve, area = mean_roc(entrants[0])
    assert np.trapezoid(curve, GRID) == pytest.approx(area, abs=0.01)
