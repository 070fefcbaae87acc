"""The released models' figures by source, on the page that compares them."""

import json

import pytest
from tools.marked_text import marks
from tools.results.beside_each_other import COMMAND, ROWS, beside_each_other, write_beside_each_other
from tools.results.published import RESULTS, PublishedRun

from hierattn.deploy.predict.released import RELEASE, released_folder
from hierattn.errors import UsageError

PAGE = RESULTS.parent / "docs" / "released-models.md"


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_table_of_the_page_is_the_one_that_the_script_makes(tmp_path):
    begin, end = marks(COMMAND)
    text = PAGE.read_text(encoding="utf-8")
    assert f"{begin}\n\n{beside_each_other(RESULTS, 'dermoscopy')}\n{end}" in text
    page = tmp_path / "page.md"
    page.write_text(text.replace("| macro AUC,", "| something else,"), encoding="utf-8")
    write_beside_each_other(RESULTS, page)
    assert page.read_text(encoding="utf-8") == text


def test_each_cell_is_a_figure_of_the_report_of_that_model_and_source():
    head, _, *rows = (cells(line) for line in beside_each_other(RESULTS, "dermoscopy").splitlines())
    assert head[1:] == [
        "HAM, `dermoscopy`",
        "HAM, `dermoscopy-large`",
        "OTHER, `dermoscopy`",
        "OTHER, `dermoscopy-large`",
    ]
    assert [row[0] for row in rows] == list(ROWS)
    run = json.loads((released_folder() / RELEASE).read_text())["models"]["dermoscopy-large"]["run"]
    folder = next(
        path.parent for path in RESULTS.glob("*/*/report.json") if PublishedRun(path.parent).report.run == run
    )
    for source in json.loads((folder / "report.json").read_text())["by_source"]:
        column = head.index(f"{source['source']}, `dermoscopy-large`")
        found = {row[0]: row[column] for row in rows}
        for row, field in {"melanoma AUC": "melanoma_auc", "advice: others not sent": "specificity"}.items():
            low, high = source[field]["interval"]
            assert found[row] == f"{source[field]['value']:.3f} ({low:.3f} to {high:.3f})"
        assert found["calibration error (by chance alone)"].startswith(f"{source['calibration_error']:.3f} (")


def test_a_released_run_that_is_not_published_is_named(tmp_path):
    (tmp_path / RELEASE).write_text(json.dumps({"models": {"dermoscopy": {"run": "of-nobody"}}}))
    with pytest.raises(UsageError, match="of-nobody, the run behind dermoscopy, is not in"):
        beside_each_other(RESULTS, "dermoscopy", tmp_path)
