"""What cannot be exported is refused in one line, before anything is read or written."""

from __future__ import annotations

import pytest

from hierattn.deploy.export.export import UNSUPPORTED, export
from hierattn.errors import UsageError


@pytest.mark.parametrize("ending", [*UNSUPPORTED, ".bin", ""])
def test_other_formats_are_refused_with_those_that_there_are(tmp_path, ending):
    with pytest.raises(UsageError, match=r"\.onnx|\.pte"):
        export(tmp_path / "no-run", tmp_path / f"model{ending}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("model.onnx", {"precision": "int4"}, "int8-weights"),
        ("model.pte", {"precision": "int8"}, "leave --precision out"),
        ("model.pte", {"batch": 2}, "leave --batch out"),
        ("model.onnx", {"batch": 0}, "wanted 1 to"),
    ],
)
def test_options_that_do_not_fit_the_format_are_refused(tmp_path, name, options, reason):
    with pytest.raises(UsageError, match=reason):
        export(tmp_path / "no-run", tmp_path / name, **options)
