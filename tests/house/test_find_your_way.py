"""The page that leads newcomers to a file leads to one that is there and defines what it says."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "guides" / "find-your-way.md"
ROW = re.compile(r"^\| (\d+) \| (.+\?) \| `([\w/]+\.py)` \| `(\w+)` \|$", re.M)
ROWS = ROW.findall(PAGE.read_text(encoding="utf-8"))


def defined_in(path: Path) -> set[str]:
    """The names that a module defines itself, not those that it imports."""
    names: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


def test_there_are_thirty_five_questions_each_with_its_own_number():
    assert [int(number) for number, *_ in ROWS] == list(range(1, 36))
    assert len({question for _, question, *_ in ROWS}) == 35


@pytest.mark.parametrize(("question", "file", "name"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_the_answer_is_there(question, file, name):
    path = ROOT / "src" / "hierattn" / file
    assert path.is_file(), question
    assert name in defined_in(path), question


def test_no_other_file_defines_the_same_name():
    """One answer: a newcomer who searches for the name finds this file and no other."""
    modules = {path: defined_in(path) for path in (ROOT / "src" / "hierattn").rglob("*.py")}
    for _, question, file, name in ROWS:
        others = [path for path, names in modules.items() if name in names]
        if name in ("prepare", "evaluate", "apply"):  # words that a command or another family of changes shares
            continue
        assert [path.relative_to(ROOT / "src" / "hierattn").as_posix() for path in others] == [file], question
