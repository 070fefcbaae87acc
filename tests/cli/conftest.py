"""The ``hierattn`` command in this process, from its words to its exit code, and bundles as if they were released."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from PIL import Image
from small_bundles import write_released

from hierattn.cli.main import main
from hierattn.data.rendered.rendered_set import render_lesion
from hierattn.deploy.predict import released as released_module
from hierattn.deploy.predict.predictor import Predictor


@dataclass(frozen=True)
class Result:
    """How a command ended, and what it wrote on standard output and standard error."""

    code: int
    out: str
    err: str


def call(*words: object) -> Result:
    out, err = io.StringIO(), io.StringIO()
    with (
        patch.object(sys, "argv", ["hierattn", *map(str, words)]),
        patch.dict(os.environ, {"COLUMNS": "120", "HIERATTN_MODEL": ""}),
        redirect_stdout(out),
        redirect_stderr(err),
        pytest.raises(SystemExit) as end,
    ):
        main()
    return Result(int(end.value.code or 0), out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def hierattn() -> Callable[..., Result]:
    """``hierattn(*words)`` runs the command in a terminal of 120 columns."""
    return call


@pytest.fixture(scope="session")
def refused() -> Callable[..., str]:
    """``refused(code, *words)`` is the one line on standard error of a command that ends with ``code``."""

    def line(code: int, *words: object) -> str:
        result = call(*words)
        assert (result.code, result.out) == (code, ""), result
        assert result.err.startswith("hierattn: ")
        assert result.err.count("\n") == 1, result.err
        return result.err

    return line


@pytest.fixture(scope="session")
def content() -> Callable[[Path], dict[str, bytes]]:
    """``content(folder)`` is every file under it with its bytes: equal before and after where nothing was touched."""

    def read(folder: Path) -> dict[str, bytes]:
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    return read


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package without released bundles."""
    folder = tmp_path / "released"
    folder.mkdir()
    monkeypatch.setattr(released_module, "released_folder", lambda: folder)
    return folder


@pytest.fixture
def folder(empty: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with two small bundles: nothing is like what 'dermoscopy' has seen, everything like 'phone's."""
    monkeypatch.setattr("hierattn.cli.which_model._second", lambda domain: Predictor.released(domain, threads=1))
    return write_released(empty)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A rendered naevus."""
    path = tmp_path / "photo.png"
    Image.fromarray(render_lesion("NV", np.random.default_rng(3), 160).image).save(path)
    return path
