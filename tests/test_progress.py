"""One protocol for progress: every function that reports it declares the same, and what is reported ends whole."""

from __future__ import annotations

import ast
from pathlib import Path

import hierattn
from hierattn.data.rendered.rendered_set import render_set
from hierattn.progress import Progress, silent

SOURCE = Path(hierattn.__file__).parent


def test_every_parameter_called_progress_is_of_this_protocol():
    declared = {}
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                for argument in (*node.args.args, *node.args.kwonlyargs):
                    if argument.arg == "progress" and argument.annotation is not None:
                        declared[f"{path.relative_to(SOURCE)} {node.name}"] = ast.unparse(argument.annotation)
    assert len(declared) > 10
    assert set(declared.values()) <= {"Progress", "Progress | None"}, declared


def test_silent_is_one_and_shows_nothing(capsys):
    progress: Progress = silent
    progress("reading", 1, None)
    assert capsys.readouterr() == ("", "")


def test_a_step_counts_up_to_its_total(tmp_path):
    reports: list[tuple[str, int, int | None]] = []

    def progress(step: str, done: int, total: int | None) -> None:
        reports.append((step, done, total))

    render_set(tmp_path / "set", images=17, size=32, progress=progress)
    for step in {step for step, *_ in reports}:
        counts = [done for name, done, _ in reports if name == step]
        assert counts == sorted(counts)
        assert {total for name, _, total in reports if name == step} == {counts[-1]}
    assert 17 in {done for _, done, _ in reports}
