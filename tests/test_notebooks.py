"""Every notebook runs from top to bottom, on rendered lesions and in seconds, and is kept without what it printed."""

from __future__ import annotations

import os
import re
import socket
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from hierattn.serve.web_app import find_web_app

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
SMALL = {"IMAGES": 240, "EPOCHS": 1, "RESAMPLES": 100}
"""What a parameter is in the tests."""


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return request.param


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs a notebook in a folder of its own; what it showed as HTML, and as text."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")

    def run(path: Path, **parameters: object) -> tuple[str, str]:
        notebook = read(path)
        place = next(n for n, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", ()))
        known = re.findall(r"^(\w+) = ", notebook.cells[place].source, re.MULTILINE)
        small = {name: value for name, value in (SMALL | parameters).items() if name in known}
        text = "\n".join(f"{name} = {value!r}" for name, value in small.items())
        notebook.cells.insert(place + 1, nbformat.v4.new_code_cell(text))
        work = tmp_path / "work"
        work.mkdir()
        NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(work)}}).execute()
        outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
        shown = [output.data for output in outputs if "data" in output]
        printed = "".join(output.text for output in outputs if output.output_type == "stream")
        return "\n".join(data.get("text/html", data.get("text/markdown", "")) for data in shown), printed

    return run


def test_a_notebook_is_kept_without_outputs_with_a_badge_and_its_limits(notebook):
    kept = read(notebook)
    nbformat.validate(kept)
    for cell in kept.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
    assert "colab-badge.svg" in kept.cells[0].source
    assert "Not a medical device." in kept.cells[0].source
    assert kept.metadata.keys() == {"kernelspec", "language_info"}


def test_every_notebook_is_a_page_of_the_site(notebook):
    assert f"notebooks/{notebook.stem}.md" in (ROOT / "mkdocs.yml").read_text()


def test_a_folder_becomes_a_model_that_predicts(run, tmp_path):
    shown, _ = run(
        ROOT / "docs" / "notebooks" / "train_on_your_own_folder.ipynb", EPOCHS=4
    )  # after one, parity of the heat map failed once
    assert "balanced accuracy" in shown  # the report
    assert shown.count("Not a medical device.") >= 2  # below the report and the diagnosis
    assert (tmp_path / "work" / "mine.onnx").is_file()


def test_two_networks_become_rows_of_table_1(run):
    shown, printed = run(ROOT / "docs" / "notebooks" / "a_row_of_table_1.ipynb")
    assert "hierattn_xs: 1.08 million parameters, in the paper 1.08" in printed
    assert "| mobilenet_v2" in shown


def test_a_model_answers_in_the_service_as_in_python(run, tmp_path):
    if find_web_app() is None:
        pytest.skip("the web app is not built: run 'make web'")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shown, _ = run(ROOT / "docs" / "notebooks" / "a_model_in_a_browser.ipynb", PORT=port)
    assert f"http://127.0.0.1:{port}" in shown
    assert "Not a medical device." in shown
    page = tmp_path / "work" / "page"
    assert {path.name for path in page.iterdir()} == {"index.html", "lesions.onnx", "photo.png"}
    tutorial = (ROOT / "docs" / "tutorials" / "model-in-a-browser.md").read_text()
    [written] = re.findall(r"```html\n(.*?)```", tutorial, re.DOTALL)
    assert (page / "index.html").read_text() == written.replace("photo.jpg", "photo.png")
