"""A comparison of two models, and what is published of it."""

import pytest
from reports import evaluated_run
from tools.results.comparisons import publish_comparison
from tools.results.published import RESULTS

from hierattn.evaluation.comparison.comparison import compare
from hierattn.evaluation.comparison.entrant import read_entrant, run_folders
from hierattn.evaluation.comparison.page import write_comparison

collect_ignore_glob = [] if RESULTS.is_dir() else ["test_*.py"]  # a source distribution has no results


@pytest.fixture(scope="session")
def compared(tmp_path_factory):
    """(the folder of a comparison of two models in two folds, the runs that it was made of)."""
    base = tmp_path_factory.mktemp("compared")
    for name, skill, seed in (("good", 0.8, 1), ("poor", 0.4, 2)):
        for fold in range(2):
            evaluated_run(base / "runs" / name / f"fold-{fold}", fold, skill, seed, prefix=f"../{name}/images")
    entrants = [read_entrant(name, run_folders(base / "runs" / name)) for name in ("good", "poor")]
    comparison = compare(entrants, title="Two models", resamples=100, seed=5)
    write_comparison(base / "out", [comparison], [entrants])
    return base / "out", {name: [base / "runs" / name] for name in ("good", "poor")}


@pytest.fixture(scope="session")
def published_comparison(compared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("set") / "comparison-two"
    publish_comparison(compared[0], folder, compared[1])
    return folder
