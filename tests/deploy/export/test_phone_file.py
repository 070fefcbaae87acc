"""The files for phones: only a whole file of ours is taken for one, and each format by its own mark."""

from __future__ import annotations

import pytest

from hierattn.deploy.export.phone_file import MODEL, PROGRAM, is_sealed, read_sealed, seal
from hierattn.errors import BundleError


def test_a_file_is_read_as_its_own_format_alone(tmp_path):
    for form, other in ((PROGRAM, MODEL), (MODEL, PROGRAM)):
        content = b"\x00\x00\x00\x00" + form.mark + bytes(range(200))
        path = tmp_path / f"file{form.suffix}"
        path.write_bytes(seal(content))
        assert read_sealed(path, form) == content
        with pytest.raises(BundleError, match=f"is no {other.kind}"):
            read_sealed(path, other)


def test_only_a_whole_file_of_ours_may_be_replaced_by_an_export(tmp_path):
    path = tmp_path / "file.pte"
    whole = seal(bytes(100))
    for content, ours in ((whole, True), (whole[:-1], False), (bytes(100), False), (b"", False)):
        path.write_bytes(content)
        assert is_sealed(path) == ours
    assert not is_sealed(tmp_path / "missing.pte")
