"""One photograph from a file: which kind it is, its bytes say and not its name."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from PIL import Image

from hierattn.deploy.predict.photo_file import decode_photo_file, digest_of, read_photo_file
from hierattn.errors import ImageError


def test_an_image_called_dicom_is_read_as_the_image_that_it_is(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "scan.dcm", "PNG")
    photo = read_photo_file(tmp_path / "scan.dcm")
    assert photo.header is None
    assert (photo.pixels == pixels).all()


def test_what_is_neither_gets_one_line_with_the_name_that_was_given():
    with pytest.raises(ImageError, match="the file"):
        decode_photo_file(b"neither", "the file")


def test_the_digest_is_sha_256():
    assert digest_of(b"abc") == hashlib.sha256(b"abc").hexdigest()
