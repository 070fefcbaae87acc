"""A model of the eight judged in fewer classes: equal to adding up by hand."""

import math

import numpy as np
import pytest

from hierattn import Predictor
from hierattn.data.prepared_set.manifest import Record
from hierattn.data.rendered.rendered_set import render_lesion
from hierattn.errors import TaxonomyError
from hierattn.evaluation.coarser import Coarser
from hierattn.evaluation.measures.calibration import Calibration, ThresholdFigures
from hierattn.taxonomy.built_in import EIGHT, ISIC2018, MALIGNANT_OR_BENIGN, MELANOMA, PAD
from hierattn.taxonomy.mapping import summed

NOWHERE = ThresholdFigures(math.nan, None, math.nan, None, 0, 0, 0)
FITTED = Calibration(2.0, 0.3, 0.95, NOWHERE, None, "some images")
RECORDS = [Record(f"{code}.jpg", code) for code in ISIC2018.codes]


def test_calibrated_probabilities_are_added_up_beside_the_sets_own_labels():
    probabilities = np.random.default_rng(0).dirichlet(np.ones(8), len(RECORDS))
    coarser = Coarser.of(ISIC2018, EIGHT, ISIC2018, RECORDS)
    table = coarser.predictions(RECORDS, probabilities, FITTED)
    ack, bcc, bkl, df, mel, nv, scc, vasc = FITTED.apply(probabilities).T
    np.testing.assert_allclose(table.probabilities, np.stack([mel, nv, bcc, ack + scc, bkl, df, vasc], 1), rtol=1e-12)
    assert table.labels.tolist() == list(range(7))


@pytest.mark.parametrize(("taxonomy", "kept"), [(ISIC2018, True), (MELANOMA, False), (MALIGNANT_OR_BENIGN, False)])
def test_the_threshold_stays_only_where_the_risk_is_the_same_sum(taxonomy, kept):
    coarser = Coarser.of(taxonomy, EIGHT, EIGHT, [Record("a.jpg", "NV")])
    assert coarser.calibration(FITTED).has_threshold == kept
    assert ("does not apply" in " ".join(coarser.notes())) != kept
    one = np.random.default_rng(1).dirichlet(np.ones(8), 5)
    inside = [[code in each.triage_group for code in each.codes] for each in (EIGHT, taxonomy)]
    same = np.allclose(one[:, inside[0]].sum(axis=1), summed(one, EIGHT, taxonomy)[:, inside[1]].sum(axis=1))
    assert same == kept


def test_a_class_of_the_model_or_of_the_set_without_a_place_is_named():
    with pytest.raises(TaxonomyError, match="DF, VASC"):
        Coarser.of(PAD, EIGHT, PAD, [Record("a.jpg", "NEV")])
    with pytest.raises(TaxonomyError, match="other"):
        Coarser.of(EIGHT, EIGHT, MELANOMA, [Record("a.jpg", "other")])


def test_the_released_bundles_answers_add_up_to_seven_as_by_hand():
    predictor = Predictor.released("dermoscopy", threads=1)
    photos = [render_lesion(code, np.random.default_rng(3), 224).image for code in ("MEL", "NV", "SCC")]
    for answer in predictor(photos):
        by_hand = {**answer.probabilities, "AKIEC": answer.probabilities["ACK"] + answer.probabilities["SCC"]}
        seven = summed(np.array(list(answer.probabilities.values())), predictor.bundle.taxonomy, ISIC2018)
        np.testing.assert_allclose(seven, [by_hand[code] for code in ISIC2018.codes], rtol=1e-12)
        assert predictor.bundle.taxonomy == EIGHT
