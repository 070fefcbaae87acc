"""Three entrants of two folds each, and their comparison."""

import pytest
from reports import evaluated_run

from hierattn.evaluation.comparison.comparison import compare
from hierattn.evaluation.comparison.entrant import read_entrant, run_folders


@pytest.fixture(scope="module")
def entrants(tmp_path_factory):
    base = tmp_path_factory.mktemp("comparison")
    found = []
    for name, skill, seed in (("good", 0.8, 1), ("poor", 0.4, 2), ("same", 0.8, 3)):
        for fold in range(2):
            evaluated_run(base / name / f"fold-{fold}", fold, skill, seed, prefix=f"../{name}/images")
        found.append(read_entrant(name, run_folders(base / name)))
    return found


@pytest.fixture(scope="module")
def comparison(entrants):
    return compare(entrants, resamples=100)
