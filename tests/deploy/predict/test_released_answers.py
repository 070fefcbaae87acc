"""The released bundles answer today what they answered when they were released: probabilities within 1e-6.

Another version of ONNX Runtime adds up in another order: within 1e-4, as for an export. A processor with other vectors
draws and resizes the pictures otherwise, by one grey level in some pixels: within what that may change.
"""

from __future__ import annotations

import json

import pytest
from released_answers import ANSWERS, answers, conditions

from hierattn.deploy.export.parity import PHOTO_TOLERANCE
from hierattn.deploy.predict.released import NAMES, is_released

RECORDED = json.loads(ANSWERS.read_text(encoding="utf-8"))
SAME = {key: RECORDED[key] == value for key, value in conditions().items()}
TOLERANCE = (1e-6 if SAME["runtime"] else 1e-4) if SAME["processor"] else PHOTO_TOLERANCE


@pytest.mark.parametrize("name", NAMES)
def test_a_released_bundle_answers_as_when_it_was_released(name):
    if not is_released(name):
        pytest.skip(f"no released bundle called {name} in this tree")
    recorded, found = RECORDED["answers"][name], answers(name)
    assert found.keys() == recorded.keys()
    for drawn, answer in found.items():
        wanted = recorded[drawn]
        assert answer["probabilities"] == pytest.approx(wanted["probabilities"], abs=TOLERANCE, rel=0), drawn
        assert answer["risk"] == pytest.approx(wanted["risk"], abs=TOLERANCE, rel=0), drawn
        assert answer["heatmap_range"] == pytest.approx(wanted["heatmap_range"], abs=10 * TOLERANCE, rel=1e-5), drawn
        assert {key: answer[key] for key in ("level", "problems", "sets")} == {
            key: wanted[key] for key in ("level", "problems", "sets")
        }, drawn
