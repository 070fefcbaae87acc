"""The house keeps its plan: small rooms, one owner a contract, no circles, tests beside what they test."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "hierattn"
MODULES = sorted(path for path in SOURCE.rglob("*.py") if path.name != "__init__.py")

OWNERS = {
    "best.safetensors": "run_folder.py",
    "last.ckpt": "run_folder.py",
    "previous.ckpt": "run_folder.py",
    "recipe.toml": "run_folder.py",
    "manifest.sha256": "run_folder.py",
    "environment.json": "run_folder.py",
    "starts.jsonl": "run_folder.py",
    "finished.json": "run_folder.py",
    "trained_on.csv": "run_folder.py",
    "log.csv": "run_folder.py",
    "trackers.json": "run_folder.py",
    "manifest.csv": "data/prepared_set/packed.py",
    "images.npy": "data/prepared_set/packed.py",
    "prepared.json": "data/prepared_set/packed.py",
    "report.json": "evaluation/folder.py",
    "calibration.json": "evaluation/folder.py",
    "predictions.csv": "evaluation/folder.py",
    "cases.csv": "evaluation/folder.py",
    "shift.json": "evaluation/pages/shift_page.py",
    "comparison.json": "evaluation/comparison/page.py",
    "hierattn.": "bundle/bundle.py",
}
"""Names of files, each with the one module that spells it."""


def texts(path: Path) -> Iterator[str]:
    """The texts in a module's code: no docstrings, no help."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    spoken = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            spoken.add(node.value)
        if isinstance(node, ast.keyword) and node.arg == "help":
            spoken.add(node.value)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in spoken:
            yield node.value


@pytest.mark.parametrize("place", ["src", "tests", "tools", "benchmarks"])
def test_no_room_holds_more_than_sixteen_files(place):
    for folder in {path.parent for path in (ROOT / place).rglob("*.py")}:
        files = [path for path in folder.glob("*.py") if path.name not in ("__init__.py", "conftest.py")]
        assert len(files) <= (24 if folder.name == "cli" else 16), folder  # one file a command


def test_each_file_name_has_one_owner():
    for path in MODULES:
        here = path.relative_to(SOURCE).as_posix()
        for text in texts(path):
            for name, owner in OWNERS.items():
                assert here == owner or (text != name and not text.endswith(f"/{name}")), f"{here} spells {name}"
    for name, owner in OWNERS.items():
        assert name in set(texts(SOURCE / owner)), f"{owner} does not spell {name}"


def test_every_module_has_its_test_where_a_newcomer_looks():
    missing = []
    for path in MODULES:
        where = path.relative_to(SOURCE)
        if where.name == "__main__.py":
            continue
        if not (ROOT / "tests" / where.parent / f"test_{where.name}").is_file():
            missing.append(where.as_posix())
    assert not missing


def test_no_module_imports_itself_by_a_detour():
    graph = grimp.build_graph("hierattn")
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            if imported != "hierattn":
                assert not graph.chain_exists(importer=imported, imported=module), f"{module} <-> {imported}"


def test_temporary_names_locks_cores_and_free_space_are_the_business_of_one_file():
    for path in MODULES:
        if path == SOURCE / "files.py":
            continue
        assert not [text for text in texts(path) if ".part" in text.split("/")[-1]], path
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                name = f"{node.value.id}.{node.attr}"
                assert name not in (
                    "shutil.disk_usage",
                    "tempfile.mkdtemp",
                    "fcntl.flock",
                    "os.cpu_count",
                    "os.sched_getaffinity",
                ), (path, name)


def test_a_report_is_read_as_a_record_and_never_by_key():
    for path in [*MODULES, *(ROOT / "tools").rglob("*.py")]:
        if path == SOURCE / "evaluation" / "report.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
                read = ast.unparse(node.value)
                by_key = read.split(".")[-1] == "report" and isinstance(node.slice.value, str)
                # entrants.json of a published comparison holds its own copy of where each report came from
                assert not by_key or path.name == "comparisons.py", f"{path}: {ast.unparse(node)}"
