"""What the web app takes from Python, as one JSON: texts, classes, and every limit and rule that both sides follow.

The app's copy, ``apps/web/src/facts.json``, is written by ``python -m hierattn.serve.web_facts FILE`` and compared by a
test, so that a text or a limit is changed here and nowhere else. Constants keep the names of their Python owners.
"""

from __future__ import annotations

import sys
from math import isfinite
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

from hierattn import image_spec
from hierattn.bundle import bundle
from hierattn.deploy.predict import advice_texts, answer_check, heatmap_picture, photo_input, session, triage
from hierattn.evaluation.clinical_use import prevalence
from hierattn.evaluation.pages import clinical_use
from hierattn.files import write_json
from hierattn.image_spec import CropRule
from hierattn.preprocessing import adaptive_crop, colour_constancy, photo_quality, photograph
from hierattn.serve import settings, web_app
from hierattn.taxonomy import questions, records
from hierattn.taxonomy.built_in import EIGHT
from hierattn.taxonomy.colours import COLOUR

LANGUAGES = {"en": ("English", "en"), "pt": ("Português", "pt-BR"), "zh": ("中文", "zh-Hans")}
"""For each language of the advice: its own name, and its tag in HTML."""

_BUNDLE = (
    "FORMAT_VERSION", "MAX_BYTES", "PREFIX", "INPUT", "ANSWERS", "PROBABILITIES", "RISK", "HEATMAP", "NOVELTY",
    "PHOTO_PROBABILITIES", "PHOTO_RISK",
)  # fmt: skip
_CROP = (
    "WORK_SIDE", "DARKEST_THRESHOLD", "THRESHOLD_RISE", "MIN_AREA", "MAX_AREA", "MAX_BOX_ASPECT", "CORNER",
    "MIN_CORNER", "FIELD_PERCENTILE", "MIN_CONTRAST", "GAP", "MIN_GAP", "MIN_SOLIDITY", "MIN_BOX_FILL",
)  # fmt: skip
_QUALITY = (
    "WORK_SIDE", "MIN_SIDE", "MIN_SHARPNESS", "MIN_SPREAD", "DARKEST", "BRIGHTEST", "MAX_GLARE", "GLARE_LEVEL",
    "MIN_WARMTH", "MAX_BLUENESS", "MIN_PIGMENT", "PIGMENT_SIDE", "PIGMENT_BLACK", "PROBLEMS", "UNLIKE",
)  # fmt: skip


def web_facts() -> dict[str, Any]:
    """The JSON's content."""
    return {
        "source": "written by python -m hierattn.serve.web_facts; change the Python, not this file",
        "bundle": _constants(bundle, *_BUNDLE),
        "image": _constants(image_spec, "MIN_SIZE", "MAX_SIZE") | {"CROP_RULES": get_args(CropRule)},
        "photo": _constants(photograph, "MIN_SIDE", "MAX_ASPECT", "MAX_BYTES") | _constants(photo_input, "MAX_PIXELS"),
        "crop": _constants(adaptive_crop, *_CROP),
        "colour_constancy": _constants(colour_constancy, "LARGEST_GAIN")
        | {"ORDERS": {name: order if isfinite(order) else None for name, order in colour_constancy.ORDERS.items()}},
        "quality": _constants(photo_quality, *_QUALITY),
        "prediction": _constants(session, "MAX_THREADS") | _constants(answer_check, "SLACK"),
        "triage": _constants(triage, "HALF", "UNFIT_LEVEL", "RISK_LEVELS", "UNCALIBRATED_LEVELS")
        | {"URGENCY": {level: place for place, level in enumerate(reversed(triage.LEVELS))}},
        "prevalence": _constants(prevalence, "PREVALENCES", "PEOPLE") | _constants(clinical_use, "FIRST_CHOICE"),
        "heatmap": _constants(heatmap_picture, "LARGEST_SIDE", "STRONGEST", "FOR", "AGAINST")
        | _constants(bundle, "FEWEST_CELLS"),
        "service": _constants(web_app, "MODEL", "MODELS") | {"MODEL_NAME": settings.MODEL_NAME.pattern},
        "classes": {
            **_constants(records, "FEWEST", "MOST"),
            "COLOUR": COLOUR.pattern,
            "KNOWN": advice_texts.KNOWN,
            "EIGHT": [
                {key: getattr(each, key) for key in ("code", "name", "colour", "colour_dark")} for each in EIGHT.classes
            ],
        },
        "questions": {"NAMES": list(questions.BY_NAME)}
        | _constants(questions, "UNKNOWN", "MOST_POINTS", "LONGEST_TEXT"),
        "languages": {code: {"name": name, "tag": tag} for code, (name, tag) in LANGUAGES.items()},
        "texts": advice_texts.TEXTS,
    }


def _constants(owner: ModuleType, *names: str) -> dict[str, Any]:
    return {name: getattr(owner, name) for name in names}


def main() -> None:
    """Write the file named on the command line."""
    write_json(Path(sys.argv[1]), web_facts(), indent=1)


if __name__ == "__main__":
    main()
