"""The family of errors: the tree in its docstring is the tree of classes, and each ends the command as it says."""

from __future__ import annotations

import ast
import re
from importlib import metadata
from pathlib import Path

import pytest

from hierattn import errors
from hierattn.errors import HierAttnError, MissingPackageError, install_line, require

FAMILY = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, HierAttnError)]
SOURCE = Path(errors.__file__).parent


def drawn() -> dict[str, tuple[str, int | None]]:
    """Class -> its parent and the exit code beside it, as the docstring draws them."""
    tree: dict[str, tuple[str, int | None]] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"    ([│├└─ ]*)(\w+Error) ", line)
        if match is None:
            continue
        depth = len(match[1]) // 4
        code = re.search(r"exit (\d)$", line)
        tree[match[2]] = (above[depth - 1] if depth else "Exception", int(code[1]) if code else None)
        above[depth:] = [match[2]]
    return tree


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes():
    assert {name: parent for name, (parent, _) in drawn().items()} == {
        each.__name__: each.__base__.__name__ for each in FAMILY
    }
    codes = {name: code for name, (_, code) in drawn().items() if code is not None}
    assert codes == {"HierAttnError": 1, "UsageError": 2}
    for each in FAMILY:
        assert each.exit_code == (2 if issubclass(each, errors.UsageError) else 1)


def test_every_error_is_raised_somewhere():
    raised = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                raised.add(node.func.id)
    assert {each.__name__ for each in FAMILY} - {"HierAttnError"} <= raised


def test_require_gives_the_module_or_says_how_to_install_it():
    assert require("json.decoder", "train").JSONDecoder().decode("[1]") == [1]
    with pytest.raises(
        MissingPackageError, match=r"^no_such_package is not installed.*'hierattn\[serve\]( @ .*)?'$"
    ) as error:
        require("no_such_package", "serve")
    assert isinstance(error.value.__cause__, ImportError)


@pytest.mark.parametrize(
    ("origin", "wanted"),
    [
        (None, "pip install 'hierattn[train]'"),
        ('{"url": "file:///clone", "dir_info": {}}', "pip install 'hierattn[train] @ file:///clone'"),
    ],
)
def test_what_is_missing_is_installed_from_where_hierattn_came(monkeypatch, origin, wanted):
    class Distribution:
        def read_text(self, name: str) -> str | None:
            assert name == "direct_url.json"
            return origin

    monkeypatch.setattr(metadata, "distribution", lambda name: Distribution())
    assert install_line("train") == wanted
