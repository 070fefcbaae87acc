"""The evaluation folder: found from its run or by itself."""

import pytest

from hierattn.errors import UsageError
from hierattn.evaluation.folder import KIND, EvaluationFolder, find_evaluation
from hierattn.run_folder import RunFolder


def test_it_is_found_from_its_run_and_by_itself(tmp_path):
    evaluation = EvaluationFolder(RunFolder(tmp_path).evaluation)
    with pytest.raises(UsageError, match="hierattn evaluate"):
        find_evaluation(tmp_path)
    evaluation.path.mkdir()
    evaluation.report.write_text("{}")
    assert find_evaluation(tmp_path) == find_evaluation(evaluation.path) == evaluation
    assert not evaluation.is_complete()
    for path in (evaluation.predictions, evaluation.cases):
        path.write_text("")
    assert evaluation.is_complete()
    assert evaluation.report.name == KIND.mark
