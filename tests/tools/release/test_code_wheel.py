"""What is no wheel with models is refused; test_package.py tries the wheel that comes out."""

from __future__ import annotations

import zipfile

import pytest
from tools.release.code_wheel import MODELS, write_code_wheel

from hierattn.errors import DataError, UsageError

METADATA = (
    "Metadata-Version: 2.4\nName: hierattn\nVersion: 1.0\n{licence}License-File: LICENSE\n\nWords, Version: 1.0\n"
)
LICENCE = "License-Expression: Apache-2.0 AND CC-BY-NC-4.0\n"


def write_wheel(folder, name="hierattn-1.0-py3-none-any.whl", licence=LICENCE, model="dermoscopy.onnx"):
    path = folder / name
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("hierattn/__init__.py", "")
        wheel.writestr(MODELS + model, b"weights")
        wheel.writestr("hierattn-1.0.dist-info/METADATA", METADATA.format(licence=licence))
        wheel.writestr("hierattn-1.0.dist-info/RECORD", "")
    return path


def test_the_same_wheel_gives_the_same_bytes_with_a_local_version_and_one_licence(tmp_path):
    first = write_code_wheel(write_wheel(tmp_path)).read_bytes()
    copy = write_code_wheel(write_wheel(tmp_path))
    assert copy.name == "hierattn-1.0+code-py3-none-any.whl"
    assert copy.read_bytes() == first
    with zipfile.ZipFile(copy) as wheel:
        text = wheel.read("hierattn-1.0+code.dist-info/METADATA").decode()
    expected = METADATA.format(licence="License-Expression: Apache-2.0\n")
    assert text == expected.replace("\nVersion: 1.0", "\nVersion: 1.0+code")  # and not the one in the description


@pytest.mark.parametrize(
    "name", ["hierattn-1.0+code-py3-none-any.whl", "other-1.0-py3-none-any.whl", "hierattn-1.0.tar.gz"]
)
def test_another_file_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match="wanted a wheel with the models"):
        write_code_wheel(write_wheel(tmp_path, name))


def test_a_wheel_that_cannot_become_one_leaves_nothing(tmp_path):
    for change in ({"model": "__init__.py"}, {"licence": ""}):
        with pytest.raises(DataError):
            write_code_wheel(write_wheel(tmp_path, **change))
    assert [path.name for path in tmp_path.iterdir()] == ["hierattn-1.0-py3-none-any.whl"]
