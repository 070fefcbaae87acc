"""README's headline: for each set the released model, MobileNetV2, and the paper's figure, marked as incomparable."""

import json

import pytest
from tools.marked_text import marks
from tools.results.headline import COMMAND, headline, shown_runs, write_headline
from tools.results.published import RESULTS, published_runs

from hierattn.errors import UsageError

ROOT = RESULTS.parent


def rows_of(text):
    return [line for line in text.splitlines() if line.startswith("| ") and "](" in line]


def test_the_headline_of_the_readme_is_the_one_that_the_script_makes():
    begin, end = marks(COMMAND)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"{begin}\n\n{headline(RESULTS)}\n{end}" in text


def test_the_headline_calls_only_the_released_runs_so(tmp_path):
    report = next(iter(published_runs())).report
    (tmp_path / "release.json").write_text(json.dumps({"models": {"dermoscopy": {"run": report.run}}}))
    rows = rows_of(headline(RESULTS, tmp_path))
    assert [f"{report.balanced_accuracy.value:.3f}" in row for row in rows if "released" in row] == [True]
    (tmp_path / "release.json").unlink()
    assert "released" not in headline(RESULTS, tmp_path)


def test_beside_a_released_run_stands_the_best_mobilenet_at_its_image_size():
    runs = [run for run in published_runs() if run.path.parent.name == "isic2019-ham"]
    ours = next(run for run in runs if run.path.name == "hierattn_xs_distilled_160px")
    first, second = shown_runs(runs, {ours.report.run})
    assert first.path == ours.path
    rivals = [run for run in runs if run.path.name.startswith("mobilenet_v2") and "160px" in run.path.name]
    assert len(rivals) == 3
    best = max(run.report.balanced_accuracy.value for run in rivals)
    assert second.report.balanced_accuracy.value == best


def test_the_papers_figure_is_marked_as_incomparable_in_every_set():
    rows = [line for line in headline(RESULTS).splitlines() if "in the paper" in line]
    assert len(rows) == 2
    assert all("not comparable" in row and "top-1 0.9" in row for row in rows)


def test_the_headline_goes_between_its_marks_and_nothing_else_changes(tmp_path):
    begin, end = marks(COMMAND)
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{begin}\nformer words\n{end}\nafter\n")
    write_headline(RESULTS, readme)
    text = readme.read_text()
    assert text.startswith(f"before\n{begin}\n")
    assert text.endswith(f"{end}\nafter\n")
    assert "former words" not in text
    readme.write_text("no marks\n")
    with pytest.raises(UsageError, match="lacks the marks"):
        write_headline(RESULTS, readme)
    assert readme.read_text() == "no marks\n"


def test_the_photographs_above_a_table_are_those_of_its_first_row():
    ours = [run for run in published_runs() if run.path.name == "efficientnet_lite0_two_sources_longer_192px"]
    assert f"{ours[0].report.images:,} photographs of {ours[0].report.groups:,} lesions" in headline(RESULTS)


def test_a_source_that_was_left_out_is_said_to_be_never_seen_and_stands_in_no_picture():
    left_out = list(published_runs(left_out=True))
    assert {run.report.protocol.source for run in left_out} == {"HAM", "OTHER"}
    assert not set(left_out) & set(published_runs())
    for run in left_out:
        row = f"{run.report.protocol.source}, {run.report.images:,} photographs, **a clinic that it never saw**"
        assert row in headline(RESULTS)
        assert run.path.name not in (RESULTS / "figures" / "accuracy-size-two-sources.svg").read_text(encoding="utf-8")
