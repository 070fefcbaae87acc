"""docs/paper-map.md can be trusted: complete by the paper's own numbering, and every path and recipe in it is real."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from hierattn.cli import main

ROOT = Path(__file__).resolve().parents[2]
PAPER = ROOT.parent / "shared" / "paper" / "hierattn.txt"
COLUMNS = ["paper", "what", "file", "test", "recipe or command", "result"]
# What the paper numbers, read from its text where that is at hand (a test holds this list to it).
SECTIONS = {
    *("§1", "§2", "§3.1", "§3.2", "§3.2.1", "§3.2.2", "§3.3", "§3.3.1", "§3.3.2", "§3.3.3", "§3.3.4", "§3.3.5"),
    *("§4", "§4.1", "§4.1.1", "§4.1.2", "§4.1.3", "§4.2", "§4.2.1", "§4.2.2", "§4.2.3", "§5", "§6"),
}
NUMBERED = (
    SECTIONS
    | {"Eq. (1)"}
    | {f"Table {number}" for number in range(1, 7)}
    | {f"Fig. {number}" for number in range(1, 12)}
)


@dataclass(frozen=True)
class Row:
    """One line of the map."""

    items: frozenset[str]
    files: tuple[str, ...]
    tests: tuple[str, ...]
    made_by: str
    result: str


def items_of(cell: str) -> frozenset[str]:
    """``"§3.2, Figs. 2, 10, Table 1"`` -> {"§3.2", "Fig. 2", "Fig. 10", "Table 1"}."""
    found: set[str] = set(re.findall(r"§[\d.]*\d", cell)) | set(re.findall(r"Eq\. \(\d\)", cell))
    for kind, numbers in re.findall(r"(Table|Fig\.)s? (\d+(?:, \d+)*)", cell.replace("Figs.", "Fig.")):
        found |= {f"{kind} {number}" for number in numbers.split(", ")}
    return frozenset(found)


def paths_in(cell: str) -> tuple[str, ...]:
    return tuple(re.findall(r"`((?:src|tests|recipes|results|docs|reproduce)/[^` ]+)`", cell))


def rows() -> list[Row]:
    found = []
    for line in (ROOT / "docs" / "paper-map.md").read_text(encoding="utf-8").splitlines():
        if not line.startswith("|"):
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert len(cells) == len(COLUMNS), line
        if cells == COLUMNS or set(cells[0]) == {"-"}:
            continue
        found.append(Row(items_of(cells[0]), paths_in(cells[2]), paths_in(cells[3]), cells[4], cells[5]))
    return found


def module_of(path: str) -> str:
    return ".".join(Path(path).with_suffix("").parts[1:]).removesuffix(".__init__")


@cache
def imports_of(path: Path) -> frozenset[str]:
    """The modules of hierattn that a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    if path == Path(main.__file__):  # it imports the command that is called, by its name
        found |= {f"hierattn.cli.{place}" for place, _ in main.COMMANDS.values()}
    return frozenset(name for name in found if name.startswith("hierattn"))


def reached_by(test: str) -> set[str]:
    """The modules that a test imports, those that these import, and once more."""
    reached: set[str] = set()
    waiting = set(imports_of(ROOT / test))
    for _ in range(3):
        reached |= waiting
        waiting = set().union(*(imports_of(file) for name in waiting for file in files_of(name))) - reached
    return reached


def files_of(module: str) -> list[Path]:
    place = ROOT / "src" / Path(*module.split("."))
    return [file for file in (place.with_name(f"{place.name}.py"), place / "__init__.py") if file.is_file()]


def test_every_numbered_part_of_the_paper_is_in_the_map():
    mapped = frozenset().union(*(row.items for row in rows()))
    assert mapped == NUMBERED


@pytest.mark.skipif(not PAPER.is_file(), reason="the paper's text is not at hand (shared/paper)")
def test_the_list_of_numbered_parts_is_the_papers_own():
    text = PAPER.read_text(encoding="utf-8")
    sections = {f"§{number.rstrip('.')}" for number in re.findall(r"^(\d(?:\.\d)*\.?) [A-Z]\w+", text, flags=re.M)}
    captions = {f"{kind} {number}" for kind, number in re.findall(r"^(Table|Fig\.) (\d+):", text, flags=re.M)}
    equations = {f"Eq. ({number})" for number in re.findall(r"\((\d)\)\s*\$\$\s*$", text, flags=re.M)}
    assert (sections - {"§3"}) | captions | equations == NUMBERED  # §3 is a heading without text


def test_every_path_in_the_map_exists():
    text = (ROOT / "docs" / "paper-map.md").read_text(encoding="utf-8")
    paths = paths_in(text)
    assert len(paths) > 100
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_row_has_a_file_a_test_and_a_result_or_the_reason_why_there_is_none():
    for row in rows():
        assert row.files, row
        assert row.tests, row
        assert row.made_by == "–" or "`" in row.made_by, row
        assert paths_in(row.result) or len(row.result.split()) >= 3, row


def test_every_file_is_reached_by_a_test_of_its_row():
    for row in rows():
        reached = set().union(*(reached_by(test) for test in row.tests))
        missed = [path for path in row.files if module_of(path) not in reached]
        assert not missed, f"{missed} by none of {row.tests}"


def test_a_module_that_names_a_part_of_the_paper_in_its_first_line_is_in_the_map():
    mapped = {path for row in rows() for path in row.files}
    missed = []
    for path in sorted((ROOT / "src" / "hierattn").rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        first = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n\n")[0]
        if path.name != "__init__.py" and items_of(first) and name not in mapped:
            missed.append(name)
    assert not missed


def test_every_recipe_of_a_table_or_figure_stands_in_its_row():
    for path in (ROOT / "recipes" / "ablations").glob("*.toml"):
        match = re.match(r"(table|fig)(\d+)_", path.name)
        if match is None:
            continue
        item = f"{'Table' if match[1] == 'table' else 'Fig.'} {match[2]}"
        where = [row.items for row in rows() if f"recipes/ablations/{path.name}" in row.made_by]
        beside = "cbam" in path.name or "coordinate" in path.name  # §2's rivals: beside Table 2, not in it
        assert any(("§2" if beside else item) in items for items in where), path.name
