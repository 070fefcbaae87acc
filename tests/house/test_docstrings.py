"""The reference is made from docstrings, so they must say what it promises: everything, each argument, each error."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from hierattn import errors

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(
    name
    for page in (ROOT / "docs" / "reference").glob("*.md")
    for name in re.findall(r"^::: ([\w.]+)", page.read_text(encoding="utf-8"), flags=re.M)
)
OURS = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def source_of(module: str) -> Path:
    place = ROOT / "src" / Path(*module.split("."))
    return next(file for file in (place.with_name(f"{place.name}.py"), place / "__init__.py") if file.is_file())


def public_parts(module: str) -> Iterator[tuple[str, Definition]]:
    """Classes, their methods, and functions, by name; what begins with an underscore is nobody's business."""
    for node in ast.parse(source_of(module).read_text(encoding="utf-8")).body:
        if not isinstance(node, Definition) or node.name.startswith("_"):
            continue
        yield node.name, node
        for inner in node.body if isinstance(node, ast.ClassDef) else ():
            if isinstance(inner, Definition) and not inner.name.startswith("_"):
                yield f"{node.name}.{inner.name}", inner


def functions(module: str) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef, str]]:
    for name, node in public_parts(module):
        text = ast.get_docstring(node)
        if not isinstance(node, ast.ClassDef) and text is not None:
            yield name, node, text


def section(text: str, title: str) -> str:
    """The text under a numpydoc heading; empty where there is none."""
    found = re.search(rf"^{title}\n-+\n(.*?)(?=^\w+\n-+\n|\Z)", text, flags=re.S | re.M)
    return found[1] if found else ""


@pytest.mark.parametrize("module", MODULES)
def test_everything_public_is_described(module):
    assert ast.get_docstring(ast.parse(source_of(module).read_text(encoding="utf-8"))), module
    bare = [
        name
        for name, node in public_parts(module)
        if ast.get_docstring(node) is None and "overload" not in {ast.unparse(one) for one in node.decorator_list}
    ]
    assert not bare


@pytest.mark.parametrize("module", MODULES)
def test_a_list_of_parameters_names_all_of_them_and_no_other(module):
    for name, node, text in functions(module):
        listed = section(text, "Parameters")
        if not listed:
            continue
        taken = [one.arg for one in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
        taken += [one.arg for one in (node.args.vararg, node.args.kwarg) if one]
        named = {
            word for line in re.findall(r"^(\*{0,2}\w.*)$", listed, flags=re.M) for word in re.findall(r"\w+", line)
        }
        assert set(taken) - {"self", "cls"} == named, name


@pytest.mark.parametrize("module", MODULES)
def test_every_error_of_ours_that_a_function_raises_itself_is_announced(module):
    for name, node, text in functions(module):
        raised = {
            ast.unparse(one.exc.func)
            for one in ast.walk(node)
            if isinstance(one, ast.Raise) and isinstance(one.exc, ast.Call)
        }
        silent = {error for error in raised & OURS if not re.search(rf"\b{error}\b", text)}
        assert not silent, f"{name} raises {silent}"
