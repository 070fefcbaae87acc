"""The recipe: everything that decides a training run, as frozen records and strict TOML (§4.1.1).

A recipe file opens with a comment that states the expected result, time and command. An unknown key, a wrong type or
a value out of range is an error that names the key. ``key=value`` overrides use the same dotted names:
``data.fold=3``, ``optimiser.learning_rate=0.001``.
"""

from __future__ import annotations

import os
import tomllib
import types
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from hierattn.errors import RecipeError


@dataclass(frozen=True)
class DataRecipe:
    """What is learnt from.

    Attributes
    ----------
    prepared
        The folder that ``hierattn prepare`` made.
    fold
        The outer fold that training never sees. The next fold, cyclically, is the inner split that chooses the epoch.
    sampling
        ``natural``: every training image once an epoch. ``balanced``: as many draws as images, every class equally
        often, so that rare classes are over-sampled and common ones under-sampled on the fly (§3.2.2).
    epoch_images
        Draws an epoch; 0 means as many as there are training images.
    """

    prepared: str = ""
    fold: int = 0
    sampling: Literal["natural", "balanced"] = "balanced"
    epoch_images: int = 0


@dataclass(frozen=True)
class ModelRecipe:
    """What learns. ``name`` as in ``hierattn models``; ``options`` are fields of its configuration."""

    name: str = "hierattn_xs"
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TransferRecipe:
    """Transfer learning (§4.1.1, Table 4). Without ``checkpoint`` the model starts from random weights.

    Attributes
    ----------
    checkpoint
        A checkpoint of ours, or foreign weights that ``models.transfer`` knows (MobileViT's, the published code's);
        what agrees in role and shape is taken over, the classifier never is.
    frozen_epochs
        Epochs in which the transferred layers are frozen (the paper: 30). The schedule runs once over them and once
        more over the rest.
    """

    checkpoint: str = ""
    frozen_epochs: int = 0


@dataclass(frozen=True)
class AugmentationRecipe:
    """Random changes of every training image, drawn anew each time (§4.1.1: rotation and horizontal flip).

    Attributes
    ----------
    rotation
        Largest angle in degrees, either way.
    horizontal_flip, vertical_flip
        Probability.
    scale
        Largest relative change of size, either way: 0.2 draws from 1/1.2 to 1.2.
    translation
        Largest shift as a share of the side, either way.
    brightness, contrast, saturation
        Largest relative change, either way.
    colour_cast
        Largest relative change of each channel by itself: other lamps, other cameras.
    """

    rotation: float = 10.0
    horizontal_flip: float = 0.5
    vertical_flip: float = 0.0
    scale: float = 0.0
    translation: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    colour_cast: float = 0.0


@dataclass(frozen=True)
class OptimiserRecipe:
    """AdamW and its schedule (§4.1.1; the paper's sentence contradicts itself, see docs/paper-questions.md).

    Attributes
    ----------
    epochs
        The paper: 500.
    batch_size
        The paper: 64.
    learning_rate, final_learning_rate
        Linear warm-up from the second to the first, then a cosine back to the second.
    warmup_epochs
        The paper: 15. May be a fraction.
    weight_decay
        Decoupled, on every parameter.
    betas
        AdamW's.
    label_smoothing
        Share of the target spread over all classes.
    averaging
        Decay of an exponential moving average of the weights, which is then what is validated and kept; 0 is none.
    gradient_clip
        Largest norm of the gradient; 0 is none.
    """

    epochs: int = 500
    batch_size: int = 64
    learning_rate: float = 0.002
    final_learning_rate: float = 0.0002
    warmup_epochs: float = 15.0
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.999)
    label_smoothing: float = 0.0
    averaging: float = 0.0
    gradient_clip: float = 0.0


@dataclass(frozen=True)
class Recipe:
    """One training run.

    Attributes
    ----------
    name
        Of the run folder, and of the row in every table.
    seed
        Decides initial weights, order, augmentation, dropout: same seed, same machine, same bits.
    precision
        ``32-true`` or, on a device that has it, ``bf16-mixed``.
    choose_by
        The validation figure whose best epoch is kept.
    """

    name: str = "run"
    seed: int = 0
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    choose_by: Literal["balanced_accuracy", "macro_auc", "top1"] = "balanced_accuracy"
    data: DataRecipe = field(default_factory=DataRecipe)
    model: ModelRecipe = field(default_factory=ModelRecipe)
    transfer: TransferRecipe = field(default_factory=TransferRecipe)
    augmentation: AugmentationRecipe = field(default_factory=AugmentationRecipe)
    optimiser: OptimiserRecipe = field(default_factory=OptimiserRecipe)

    def __post_init__(self) -> None:
        for key, accepted, wanted in _RULES:
            value = _get(self, key)
            if not accepted(value):
                raise RecipeError(f"recipe key {key} is {value!r}: wanted {wanted}")
        if self.transfer.frozen_epochs and not self.transfer.checkpoint:
            raise RecipeError("recipe key transfer.frozen_epochs is set without transfer.checkpoint: set both or none")
        if self.transfer.frozen_epochs >= self.optimiser.epochs and self.transfer.frozen_epochs:
            raise RecipeError(
                f"recipe key transfer.frozen_epochs is {self.transfer.frozen_epochs}: wanted fewer than "
                f"optimiser.epochs, {self.optimiser.epochs}"
            )

    def to_dict(self) -> dict[str, Any]:
        """Nested plain values, ready for TOML and JSON."""
        values: dict[str, Any] = asdict(self)
        values["optimiser"]["betas"] = list(self.optimiser.betas)
        values["model"]["options"] = dict(self.model.options)
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """Build a recipe from nested plain values; what is absent keeps its default.

        Raises
        ------
        RecipeError
            For an unknown key, a wrong type or a value out of range; the message names the key.
        """
        return _build(cls, values, prefix="")

    @classmethod
    def load(cls, path: Path, overrides: Sequence[str] = ()) -> Recipe:
        """Read a TOML file and apply ``key=value`` overrides, in order."""
        if not path.is_file():
            raise RecipeError(f"no recipe at {path}: wanted a .toml file; the package's own are under recipes/")
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise RecipeError(f"{path} is not TOML: {error}") from None
        values.setdefault("name", path.stem)
        for override in overrides:
            _apply_override(values, override)
        return cls.from_dict(values)

    def save(self, path: Path) -> None:
        """Write the resolved recipe, under a temporary name first."""
        import tomli_w

        temporary = path.with_name(path.name + ".part")
        temporary.write_bytes(tomli_w.dumps(self.to_dict()).encode())
        os.replace(temporary, path)

    def with_prepared(self, prepared: Path) -> Recipe:
        """The same recipe, learning from another prepared folder."""
        return replace(self, data=replace(self.data, prepared=str(prepared)))


def _share(value: float) -> bool:
    return 0 <= value <= 1


_RULES: tuple[tuple[str, Any, str], ...] = (
    ("seed", lambda value: 0 <= value < 2**31, "0 to 2147483647"),
    ("data.fold", lambda value: value >= 0, "0 or more"),
    ("data.epoch_images", lambda value: value >= 0, "0 (all) or more"),
    ("transfer.frozen_epochs", lambda value: value >= 0, "0 or more"),
    ("augmentation.rotation", lambda value: 0 <= value <= 180, "0 to 180 degrees"),
    ("augmentation.horizontal_flip", _share, "a probability, 0 to 1"),
    ("augmentation.vertical_flip", _share, "a probability, 0 to 1"),
    ("augmentation.scale", _share, "0 to 1"),
    ("augmentation.translation", _share, "0 to 1"),
    ("augmentation.brightness", _share, "0 to 1"),
    ("augmentation.contrast", _share, "0 to 1"),
    ("augmentation.saturation", _share, "0 to 1"),
    ("augmentation.colour_cast", _share, "0 to 1"),
    ("optimiser.epochs", lambda value: value >= 1, "1 or more"),
    ("optimiser.batch_size", lambda value: value >= 2, "2 or more: batch normalisation needs two images"),
    ("optimiser.learning_rate", lambda value: 0 < value <= 1, "above 0, at most 1"),
    ("optimiser.final_learning_rate", lambda value: 0 < value <= 1, "above 0, at most 1"),
    ("optimiser.warmup_epochs", lambda value: value >= 0, "0 or more"),
    ("optimiser.weight_decay", lambda value: value >= 0, "0 or more"),
    ("optimiser.label_smoothing", lambda value: 0 <= value < 1, "0 to below 1"),
    ("optimiser.averaging", lambda value: 0 <= value < 1, "0 (none) to below 1"),
    ("optimiser.gradient_clip", lambda value: value >= 0, "0 (none) or more"),
)


def _get(recipe: Recipe, key: str) -> Any:
    value: Any = recipe
    for part in key.split("."):
        value = getattr(value, part)
    return value


def _build(kind: type[Any], values: Mapping[str, Any], prefix: str) -> Any:
    known = {entry.name for entry in fields(kind)}
    for key in values:
        if key not in known:
            raise RecipeError(f"unknown recipe key {prefix}{key}: wanted one of {', '.join(sorted(known))}")
    hints = get_type_hints(kind)
    built = {key: _convert(hints[key], value, f"{prefix}{key}") for key, value in values.items()}
    return kind(**built)


def _convert(hint: Any, value: Any, key: str) -> Any:
    """Check ``value`` against the annotation ``hint`` and give it that type, without guessing."""
    origin = get_origin(hint)
    if is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, Mapping):
            raise RecipeError(f"recipe key {key} is {value!r}: wanted a table [{key}]")
        return _build(hint, value, prefix=f"{key}.")
    if origin is Literal:
        if value not in get_args(hint):
            raise RecipeError(f"recipe key {key} is {value!r}: wanted one of {', '.join(map(repr, get_args(hint)))}")
        return value
    if origin is tuple:
        if not isinstance(value, list | tuple) or len(value) != len(get_args(hint)):
            raise RecipeError(f"recipe key {key} is {value!r}: wanted {len(get_args(hint))} values")
        return tuple(_convert(part, item, key) for part, item in zip(get_args(hint), value, strict=True))
    if origin in (Union, types.UnionType):
        raise AssertionError(f"{key}: recipes have no optional fields")
    if origin is not None:  # Mapping[str, Any]
        if not isinstance(value, Mapping):
            raise RecipeError(f"recipe key {key} is {value!r}: wanted a table")
        return dict(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise RecipeError(f"recipe key {key} is {value!r}: wanted {hint.__name__}")
    return value


def _apply_override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise RecipeError(f"override {override!r}: wanted key=value, e.g. optimiser.epochs=20")
    *path, last = key.split(".")
    table = values
    for part in path:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise RecipeError(f"override {override!r}: {part} is a value, not a table")
    table[last] = _parse(text)


def _parse(text: str) -> Any:
    """A TOML value where the text is one; else the text itself, so that paths need no quotes."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
