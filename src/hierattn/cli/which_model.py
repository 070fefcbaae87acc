"""Which bundle a command uses: the one named, or the released one for the way the photographs were taken."""

from __future__ import annotations

import sys
from functools import cache
from typing import TYPE_CHECKING, Annotated

import typer

from hierattn.cli.console import completing

if TYPE_CHECKING:
    from hierattn.deploy.predict.predictor import Diagnosis, Predictor

OTHER = {"dermoscopy": "phone", "dermoscopy-large": "phone", "phone": "dermoscopy"}
"""Released name -> the domain that it is not for."""

ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        envvar="HIERATTN_MODEL",
        help="A bundle's path, or a released name: dermoscopy, dermoscopy-large or phone.",
        autocompletion=completing(*OTHER),
    ),
]
DomainOption = Annotated[
    str | None,
    typer.Option(
        "--domain",
        help="The released model for photographs taken by: dermoscopy (the default) or phone.",
        autocompletion=completing("dermoscopy", "phone"),
    ),
]

RuntimeOption = Annotated[
    str,
    typer.Option(
        help="onnxruntime, or openvino where it is installed: pip install 'hierattn[openvino]'.",
        autocompletion=completing("onnxruntime", "openvino"),
    ),
]


def choose_model(model: str | None, domain: str | None) -> str:
    """The bundle's path, or the released name.

    Raises
    ------
    UsageError
        Where both were given, or there is no such domain.

    >>> choose_model(None, None), choose_model("mine.onnx", None), choose_model(None, "phone")
    ('dermoscopy', 'mine.onnx', 'phone')
    """
    from hierattn.deploy.predict.released import DEFAULT_DOMAIN, DOMAINS
    from hierattn.errors import UsageError

    if domain is not None and domain not in DOMAINS:
        raise UsageError(f"--domain {domain!r}: wanted {' or '.join(DOMAINS)}")
    if model is not None and domain is not None:
        raise UsageError(f"--model {model} (or HIERATTN_MODEL) and --domain {domain}: wanted one of them")
    return model or domain or DEFAULT_DOMAIN


def say_which(model: str) -> None:
    """Say on standard error that a released model answers, under which condition, and which others there are."""
    from hierattn.deploy.predict.predictor import find_bundle
    from hierattn.deploy.predict.released import DOMAIN_OF, USE, is_released, released_folder

    if model not in DOMAIN_OF or find_bundle(model).parent != released_folder():
        return
    larger = [name for name, domain in DOMAIN_OF.items() if domain == model != name and is_released(name)]
    others = [f"For photographs taken otherwise: --domain {OTHER[model]}"]
    others += [f"A larger network for such photographs: --model {name}" for name in larger]
    print(f"hierattn: the released {model} model answers, {USE}. {'. '.join(others)}", file=sys.stderr)


@cache
def _second(domain: str) -> Predictor:
    """The other released model, loaded once for all photographs."""
    from hierattn.deploy.predict.predictor import Predictor

    return Predictor.released(domain, threads=1)


def other_domain_hint(model: str, photo: object, diagnosis: Diagnosis) -> str:
    """A line where a photograph is unlike what this released model was trained on, and not unlike the other's.

    Nothing is guessed from the picture itself: both bundles measure how far it is from their own training photographs,
    and the hint is given only where this one rejects it and the other does not. Empty otherwise.

    Parameters
    ----------
    model
        What :func:`choose_model` gave.
    photo
        Whatever a predictor takes.
    diagnosis
        This model's answer.
    """
    from hierattn.deploy.predict.released import is_released
    from hierattn.preprocessing.photo_quality import UNLIKE

    other = OTHER.get(model, "")
    if UNLIKE not in diagnosis.quality.problems or not is_released(other):
        return ""
    second = _second(other)
    if not second.has_novelty or UNLIKE in second(photo).quality.problems:  # type: ignore[call-overload]
        return ""
    return (
        f"The {model} model was not trained on photographs like this one; the {other} model has seen such. If that is "
        f"how it was taken: --domain {other}"
    )
