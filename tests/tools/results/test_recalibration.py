"""The simulation of recalibration: figures read on lesions that were not drawn, and a page that is made from them."""

import numpy as np
import pytest

from hierattn.evaluation.measures.calibration import Calibration
from tools.results import recalibration

PARENT = Calibration(1.0, 0.2, 0.95, None, None, "")


@pytest.fixture(scope="module")
def cases():
    generator = np.random.default_rng(0)
    return recalibration._drawn(generator, 300, generator.normal(0, 1, 8))


def test_gains_and_harms_are_read_on_the_other_lesions(cases):
    told = recalibration.simulate(cases, PARENT, 100, draws=5)
    assert told["log_loss"]["after"] < told["log_loss"]["before"]
    assert told["worse"]["log_loss"] == 0
    assert sum(told["rules"].values()) == pytest.approx(1)
    everyone = recalibration._figures(cases, 0.0)
    assert (everyone["sensitivity"], everyone["specificity"]) == (1, 0)


def test_the_page_says_what_was_measured(cases):
    told = {"answers": {"drawn": [recalibration.simulate(cases, PARENT, 50, draws=3)]}, "bound": recalibration.bound(3)}
    lines = recalibration.page(told, "command")
    assert "| drawn | 50 (" in lines
    assert "of 3 drawn clinics" in lines
