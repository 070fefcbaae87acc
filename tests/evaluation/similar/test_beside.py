"""Beside each mistake that a report shows stand training photographs, where they may be shown."""

import re
from dataclasses import replace

import pytest
from noise_runs import make_run, make_set

from hierattn.errors import DataError, UsageError
from hierattn.evaluation.evaluate import EvaluateOptions, evaluate
from hierattn.evaluation.similar.features import CACHE

OPTIONS = EvaluateOptions(device="cpu", bootstrap=0, similar=True)


def test_the_report_stays_one_file_with_four_beside_a_mistake_and_features_are_kept(tmp_path):
    prepared = make_set(tmp_path / "prepared")
    run = make_run(tmp_path / "run", prepared)
    evaluate(run, OPTIONS)
    page = (run / "evaluation" / "report.html").read_text(encoding="utf-8")
    shown = re.findall(r'<div class="near".*?</div>', page)
    assert shown
    for block in shown:
        assert block.count("data:image/jpeg;base64,") == 4
    assert not re.findall(r'src="(?!data:)', page)
    assert (tmp_path / CACHE).is_dir()
    evaluate(run, replace(OPTIONS, similar=False))
    assert 'class="near"' not in (run / "evaluation" / "report.html").read_text(encoding="utf-8")


def test_photographs_of_people_are_beside_nothing_unless_the_gallery_is_asked_for(tmp_path):
    prepared = make_set(tmp_path / "prepared", source="ham10000")
    run = make_run(tmp_path / "run", prepared)
    with pytest.raises(UsageError, match="--similar shows photographs of people"):
        evaluate(run, OPTIONS)
    assert not (run / "evaluation").exists()
    evaluate(run, replace(OPTIONS, gallery=True))
    assert 'class="near"' in (run / "evaluation" / "report.html").read_text(encoding="utf-8")
    rendered = make_set(tmp_path / "rendered", seed=1, lesion="M")
    with pytest.raises(UsageError, match="--similar shows photographs of people"):  # those that were trained on
        evaluate(run, OPTIONS, prepared=rendered)


def test_on_another_set_they_are_of_the_runs_own_which_must_be_there(tmp_path):
    prepared, other = make_set(tmp_path / "prepared"), make_set(tmp_path / "other", seed=1, lesion="M")
    run = make_run(tmp_path / "run", prepared)
    evaluate(run, replace(OPTIONS, similar=False))
    evaluate(run, OPTIONS, prepared=other)
    assert 'class="near"' in (run / "evaluation-other" / "report.html").read_text(encoding="utf-8")
    prepared.rename(tmp_path / "moved")
    with pytest.raises(DataError, match="no prepared set"):
        evaluate(run, OPTIONS, prepared=other)
