"""HierAttn: train, evaluate honestly and ship a skin-lesion classifier of one or two million parameters.

This package is light: importing it loads neither torch nor onnxruntime. Three doors open when they are first used:

>>> import hierattn
>>> hierattn.list_models()[:3]
['hierattn_xs', 'hierattn_s', 'hierattn_m']
>>> model = hierattn.create_model("hierattn_xs", num_classes=8)
>>> diagnosis = hierattn.Predictor.load("dermoscopy")("photo.jpg")      # doctest: +SKIP

and the command line, ``hierattn --help``. Not a medical device.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"
_DOORS = {
    "Predictor": "hierattn.deploy.predict.predictor",
    "create_model": "hierattn.models.weights.hub_model",
    "list_models": "hierattn.models.registry",
}
# Loaded when asked for; their types are in __init__.pyi.
__all__ = ["Predictor", "create_model", "list_models"]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _DOORS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_DOORS[name]), name)
