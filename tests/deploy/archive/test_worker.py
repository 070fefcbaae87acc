"""One file's row: an answer's values, and nothing that means nothing."""

from __future__ import annotations

import numpy as np
import pytest
from small_bundles import write_small_bundle

from hierattn.data.rendered.rendered_set import render_lesion
from hierattn.deploy.archive.table import columns
from hierattn.deploy.archive.worker import values_of
from hierattn.deploy.predict.predictor import Predictor


def test_values_fit_the_table_and_an_unfit_photograph_has_no_probabilities(tmp_path):
    predictor = Predictor.load(write_small_bundle(tmp_path / "small.onnx"), threads=1)
    diagnosis = predictor(render_lesion("MEL", np.random.default_rng(1), 128).image)
    values = values_of(diagnosis)
    assert set(values) <= set(columns(tuple(diagnosis.probabilities)))
    assert sum(float(values[f"p_{code}"]) for code in diagnosis.probabilities) == pytest.approx(1, abs=1e-5)
    unfit = values_of(predictor(np.full((128, 128, 3), 128, np.uint8)))
    assert unfit["advice"] == "retake"
    assert not {"label", "risk", "p_MEL"} & set(unfit)
