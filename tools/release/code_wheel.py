"""A wheel of the code alone: ``python -m tools.release.code_wheel dist/hierattn-VERSION-py3-none-any.whl``.

The released models are under CC BY-NC 4.0, which a company may not be able to take in. This copies a wheel without them
into ``hierattn-VERSION+code-py3-none-any.whl`` beside it: the same files but for the models, and metadata that say
Apache-2.0 alone. The local version keeps the two apart, and ``hierattn==VERSION`` is satisfied by either.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import re
import zipfile
from pathlib import Path

from hierattn.errors import DataError, UsageError
from hierattn.files import atomic_file

MODELS = "hierattn/deploy/predict/released/"
"""What the code alone goes without, its ``__init__.py`` excepted."""

LOCAL = "+code"
_KEPT_LICENCE = "LICENSE"


def write_code_wheel(wheel: Path) -> Path:
    """Copy a wheel without its models; the path of the copy.

    Raises
    ------
    UsageError
        For another file, or a wheel of the code alone.
    DataError
        For a wheel that has no models.
    """
    match = re.fullmatch(r"hierattn-([\w.]+)-py3-none-any\.whl", wheel.name)
    if match is None or not wheel.is_file():
        raise UsageError(f"{wheel}: wanted a wheel with the models, hierattn-VERSION-py3-none-any.whl")
    old, new = (f"hierattn-{version}.dist-info" for version in (match[1], match[1] + LOCAL))
    with zipfile.ZipFile(wheel) as source:
        contents = {info.filename: source.read(info) for info in source.infolist()}
    kept = {name.replace(old, new, 1): data for name, data in contents.items() if _is_code(name, old)}
    if len(kept) == len(contents) - 1:  # RECORD alone
        raise DataError(f"{wheel} has no models: wanted a wheel that has them")
    kept[f"{new}/METADATA"] = _metadata(kept[f"{new}/METADATA"].decode()).encode()
    record = "".join(f"{name},sha256={_digest(data)},{len(data)}\n" for name, data in kept.items())
    kept[f"{new}/RECORD"] = f"{record}{new}/RECORD,,\n".encode()
    out = wheel.with_name(f"hierattn-{match[1]}{LOCAL}-py3-none-any.whl")
    with atomic_file(out) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as target:
        for name, data in kept.items():
            info = zipfile.ZipInfo(name, (2020, 2, 2, 0, 0, 0))  # as Hatchling dates them: same input, same bytes
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o100644 << 16
            target.writestr(info, data)
    return out


def _is_code(name: str, info: str) -> bool:
    if name == f"{info}/RECORD":  # written anew
        return False
    licences = f"{info}/licenses/"
    if name.startswith(licences):
        return name == licences + _KEPT_LICENCE
    return not name.startswith(MODELS) or name == f"{MODELS}__init__.py"


def _metadata(text: str) -> str:
    head, blank, description = text.partition("\n\n")
    lines = [
        line
        for line in head.split("\n")
        if not line.startswith("License-File: ") or line == f"License-File: {_KEPT_LICENCE}"
    ]
    head = re.sub(r"^(Version: .*)$", rf"\1{LOCAL}", "\n".join(lines), count=1, flags=re.M)
    head, changed = re.subn(r"^License-Expression: .*$", "License-Expression: Apache-2.0", head, flags=re.M)
    if changed != 1:
        raise DataError(f"{changed} lines 'License-Expression' in the wheel's metadata: wanted one")
    return head + blank + description


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path)
    print(write_code_wheel(parser.parse_args().wheel))
