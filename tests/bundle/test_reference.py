"""Counts of a bundle's usual answers: each answer once, and damaged counts are refused."""

from dataclasses import replace

import numpy as np
import pytest
from small_bundles import BUNDLE, write_small_bundle

from hierattn.bundle.bundle import Bundle, read_bundle
from hierattn.bundle.reference import RISK_EDGES, bin_of, count_answers
from hierattn.errors import BundleError

COUNTS = count_answers(BUNDLE.classes, [0.0, 0.5, 0.999], ["NV", "NV", "MEL"])


def test_every_answer_is_counted_once_in_numpys_bins():
    risks = np.random.default_rng(0).random(500)
    counts = count_answers(BUNDLE.classes, risks, ["NV"] * 500)["risk"]
    wanted = np.bincount(np.digitize(risks, RISK_EDGES), minlength=len(RISK_EDGES) + 1)
    assert list(counts.values()) == wanted.tolist()
    assert bin_of(RISK_EDGES[0], RISK_EDGES) == "1"


def test_a_bundle_carries_them_and_one_without_has_the_bytes_that_it_always_had(tmp_path):
    _, bundle = read_bundle(write_small_bundle(tmp_path / "with.onnx", replace(BUNDLE, reference=COUNTS)))
    assert bundle.reference == COUNTS
    assert "hierattn.reference" not in BUNDLE.to_metadata()


@pytest.mark.parametrize(
    "damage", [{"risk": {"0": 1}}, {"classes": {"NV": 3}}, {"colour": {"0": 1}}, {"risk": {**COUNTS["risk"], "0": -1}}]
)
def test_counts_of_other_bins_are_refused(damage):
    metadata = replace(BUNDLE, reference=damage).to_metadata()
    with pytest.raises(BundleError, match="reference counts"):
        Bundle.from_metadata(metadata, "it")
