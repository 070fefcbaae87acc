"""What the web app shares with Python, as one JSON: the advice's texts, the classes and the limits of photo quality.

The app's copy, ``apps/web/src/facts.json``, is written by ``python -m hierattn.serve.web_facts FILE`` and compared by a
test, so that a text or a limit is changed here and nowhere else.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from hierattn.bundle.bundle import FORMAT_VERSION, MAX_BYTES
from hierattn.deploy.predict.advice_texts import TEXTS
from hierattn.preprocessing import photo_quality
from hierattn.taxonomy import BY_CODE, CLASS_COLOURS

LIMITS = (
    "WORK_SIDE", "MIN_SIDE", "MIN_SHARPNESS", "MIN_SPREAD", "DARKEST", "BRIGHTEST", "MAX_GLARE", "GLARE_LEVEL",
    "MIN_WARMTH", "MAX_BLUENESS", "MIN_PIGMENT", "PIGMENT_SIDE", "PIGMENT_BLACK",
)  # fmt: skip
"""Names in :mod:`hierattn.preprocessing.photo_quality`."""


def web_facts() -> dict[str, Any]:
    """The JSON's content."""
    return {
        "source": "written by python -m hierattn.serve.web_facts; change the Python, not this file",
        "bundle": {"format_version": FORMAT_VERSION, "max_bytes": MAX_BYTES},
        "quality": {name: getattr(photo_quality, name) for name in LIMITS} | {"PROBLEMS": photo_quality.PROBLEMS},
        "classes": {
            code: {"colour": CLASS_COLOURS[code], "malignancy": lesion.malignancy} for code, lesion in BY_CODE.items()
        },
        "texts": TEXTS,
    }


def main() -> None:
    """Write the file named on the command line."""
    out = Path(sys.argv[1])
    temporary = out.with_name(out.name + ".part")
    temporary.write_text(json.dumps(web_facts(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(temporary, out)


if __name__ == "__main__":
    main()
