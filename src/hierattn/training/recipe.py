"""The recipe: everything that decides a training run, as frozen records (§4.1.1).

A recipe file opens with a comment that states the expected result, time and command. An unknown key, a wrong type or
a value out of range is an error that names the key. ``recipe_file.py`` reads the files.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from hierattn.errors import RecipeError
from hierattn.training.epoch_order import Sampling
from hierattn.training.recipe_file import build_record, read_recipe_values


@dataclass(frozen=True)
class DataRecipe:
    """What is learnt from.

    Attributes
    ----------
    prepared
        The folder that ``hierattn prepare`` or ``hierattn balance`` made. ``{fold}`` in it is replaced by the number of
        the fold: a set balanced for each.
    fold
        The outer fold that training never sees. The next fold, cyclically, is the inner split that chooses the epoch.
    sampling
        ``natural``: every training image once an epoch. ``balanced``: as many draws as images, every class equally
        often, so that rare classes are over-sampled and common ones under-sampled on the fly (§3.2.2).
        ``square-root``: each class as often as the square root of its images says, between the two.
    epoch_images
        Draws an epoch; 0 means as many as there are training images.
    """

    prepared: str = ""
    fold: int = 0
    sampling: Sampling = "balanced"
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
        A checkpoint of ours, a HierAttn bundle of ours (``.onnx``; ``released:dermoscopy`` on the command line), or
        foreign weights that ``models.transfer`` knows (MobileViT's, the published code's, a folded MobileNetV2's
        ``.npz``); ``{fold}`` in it is replaced by the number of the fold. What agrees in role and shape is taken over,
        the classifier only where ``classifier`` says so.
    frozen_epochs
        Epochs in which the transferred layers are frozen (the paper: 30). The schedule runs once over them and once
        more over the rest.
    classifier
        Whether the classifier is taken over too, to train on from weights that know the same classes.
    """

    checkpoint: str = ""
    frozen_epochs: int = 0
    classifier: bool = False


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
    blur, downscale, jpeg, hair, dark_corners
        Probability of a defect that photographs have: out of focus, too few pixels, compressed, hairs, a
        dermatoscope's black surround. How strong each may be stands in ``data/photo_defects.py``.
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
    blur: float = 0.0
    downscale: float = 0.0
    jpeg: float = 0.0
    hair: float = 0.0
    dark_corners: float = 0.0


@dataclass(frozen=True)
class MixingRecipe:
    """Two images and their labels in one. Off in the paper; where both are set, each step draws one of them.

    Attributes
    ----------
    mixup
        Both parameters of the Beta distribution from which the share is drawn (Zhang et al. 2018); 0 is none.
    cutmix
        The same for a pasted rectangle (Yun et al. 2019).
    probability
        Share of the steps that mix at all.
    """

    mixup: float = 0.0
    cutmix: float = 0.0
    probability: float = 1.0


@dataclass(frozen=True)
class DistillationRecipe:
    """Learning from trained networks as well: their probabilities, and their features. Without ``teacher``, from none.

    Attributes
    ----------
    teacher
        A checkpoint of ours with the same classes, or a HierAttn bundle (``.onnx``), which must not have learnt from
        this run's held-out folds; or a list of them, whose probabilities are averaged. ``{fold}`` in it is replaced by
        the number of the fold. A folded MobileNetV2's ``.npz`` has no classifier: only its features are learnt from.
    weight
        Share of the loss that is the teachers' probabilities', 0 to 1 (Hinton et al. 2015).
    temperature
        Softens both sides.
    features
        Weight of a further loss, 0 for none: the mean squared error between what the teachers' last linear layers
        read, standardised, and a linear map, learnt along, of what the student's reads (Romero et al. 2015).
    """

    teacher: tuple[str, ...] = ()
    weight: float = 0.5
    temperature: float = 2.0
    features: float = 0.0


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
    logit_adjustment
        Times the logarithm of a class's share of the training images, added to its logit in the loss (Menon et al.
        2021): what is learnt is then as good for rare classes as for common ones. For ``data.sampling = "natural"``.
    post_hoc_adjustment
        Times the same logarithm, taken from the class's logit wherever the network is validated or saved, by way of its
        classifier's bias; training does not see it (Menon et al. 2021, §4.2). It leans to rare classes: balanced
        accuracy may rise, and top-1 and calibration before a fitted one fall. With any ``data.sampling``; choose it on
        inner folds. Weights that are trained on with their classifier, or teach, have it.
    averaging
        Decay of an exponential moving average of the weights, which is then what is validated and kept; 0 is none.
    gradient_clip
        Largest norm of the gradient; 0 is none.
    early_stopping
        Epochs without a better validation figure after which training ends; 0 (the paper): never.
    """

    epochs: int = 500
    batch_size: int = 64
    learning_rate: float = 0.002
    final_learning_rate: float = 0.0002
    warmup_epochs: float = 15.0
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.999)
    label_smoothing: float = 0.0
    logit_adjustment: float = 0.0
    post_hoc_adjustment: float = 0.0
    averaging: float = 0.0
    gradient_clip: float = 0.0
    early_stopping: int = 0


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
    compile
        ``no``, ``default`` (``torch.compile``) or ``cuda-graphs`` (``torch.compile`` with recorded CUDA graphs).
    choose_by
        The validation figure whose best epoch is kept: the largest, or the smallest ``balanced_loss`` (cross-entropy,
        each class counting alike), which is less of a lottery than the others where classes are rare.
    """

    name: str = "run"
    seed: int = 0
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    compile: Literal["no", "default", "cuda-graphs"] = "no"
    choose_by: Literal["balanced_accuracy", "macro_auc", "top1", "balanced_loss"] = "balanced_accuracy"
    data: DataRecipe = field(default_factory=DataRecipe)
    model: ModelRecipe = field(default_factory=ModelRecipe)
    transfer: TransferRecipe = field(default_factory=TransferRecipe)
    augmentation: AugmentationRecipe = field(default_factory=AugmentationRecipe)
    mixing: MixingRecipe = field(default_factory=MixingRecipe)
    distillation: DistillationRecipe = field(default_factory=DistillationRecipe)
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
        if self.distillation.features and self.compile != "no":
            raise RecipeError(
                f"recipe key distillation.features is set with compile {self.compile!r}: set compile='no'; what a "
                "compiled network's last layer reads is not at hand"
            )
        if self.optimiser.logit_adjustment and self.data.sampling != "natural":
            raise RecipeError(
                f"recipe key optimiser.logit_adjustment is set with data.sampling {self.data.sampling!r}, which has "
                "changed how frequent the classes are: set data.sampling='natural' or optimiser.logit_adjustment=0"
            )

    def to_dict(self) -> dict[str, Any]:
        """Nested plain values, ready for TOML and JSON."""
        values: dict[str, Any] = asdict(self)
        values["optimiser"]["betas"] = list(self.optimiser.betas)
        values["model"]["options"] = dict(self.model.options)
        values["distillation"]["teacher"] = list(self.distillation.teacher)
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """Build a recipe from nested plain values; what is absent keeps its default.

        Raises
        ------
        RecipeError
            For an unknown key, a wrong type or a value out of range; the message names the key.
        """
        recipe: Recipe = build_record(cls, values)
        return recipe

    @classmethod
    def load(cls, path: Path, overrides: Sequence[str] = ()) -> Recipe:
        """Read a TOML file and the recipe it names as its ``base``, and apply ``key=value`` overrides, in order."""
        return cls.from_dict(read_recipe_values(path, overrides))

    def save(self, path: Path) -> None:
        """Write the resolved recipe, under a temporary name first."""
        import tomli_w

        temporary = path.with_name(path.name + ".part")
        temporary.write_bytes(tomli_w.dumps(self.to_dict()).encode())
        os.replace(temporary, path)

    def with_prepared(self, prepared: Path) -> Recipe:
        """The same recipe, learning from another prepared folder."""
        return replace(self, data=replace(self.data, prepared=str(prepared)))

    def with_fold(self, fold: int) -> Recipe:
        """The same recipe with another fold held out, and its number in place of ``{fold}`` in every path."""

        def named(path: str) -> str:
            return path.replace("{fold}", str(fold))

        return replace(
            self,
            data=replace(self.data, fold=fold, prepared=named(self.data.prepared)),
            transfer=replace(self.transfer, checkpoint=named(self.transfer.checkpoint)),
            distillation=replace(self.distillation, teacher=tuple(map(named, self.distillation.teacher))),
        )


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
    ("augmentation.blur", _share, "a probability, 0 to 1"),
    ("augmentation.downscale", _share, "a probability, 0 to 1"),
    ("augmentation.jpeg", _share, "a probability, 0 to 1"),
    ("augmentation.hair", _share, "a probability, 0 to 1"),
    ("augmentation.dark_corners", _share, "a probability, 0 to 1"),
    ("mixing.mixup", lambda value: 0 <= value <= 10, "0 (none) to 10"),
    ("mixing.cutmix", lambda value: 0 <= value <= 10, "0 (none) to 10"),
    ("mixing.probability", _share, "a probability, 0 to 1"),
    ("distillation.weight", _share, "0 to 1"),
    ("distillation.temperature", lambda value: 0 < value <= 100, "above 0, at most 100"),
    ("distillation.features", lambda value: 0 <= value <= 100, "0 (none) to 100"),
    ("optimiser.epochs", lambda value: value >= 1, "1 or more"),
    ("optimiser.batch_size", lambda value: value >= 2, "2 or more: batch normalisation needs two images"),
    ("optimiser.learning_rate", lambda value: 0 < value <= 1, "above 0, at most 1"),
    ("optimiser.final_learning_rate", lambda value: 0 < value <= 1, "above 0, at most 1"),
    ("optimiser.warmup_epochs", lambda value: value >= 0, "0 or more"),
    ("optimiser.weight_decay", lambda value: value >= 0, "0 or more"),
    ("optimiser.label_smoothing", lambda value: 0 <= value < 1, "0 to below 1"),
    ("optimiser.logit_adjustment", lambda value: 0 <= value <= 3, "0 (none) to 3"),
    ("optimiser.post_hoc_adjustment", lambda value: -3 <= value <= 3, "-3 to 3, 0 for none"),
    ("optimiser.early_stopping", lambda value: value >= 0, "0 (never) or more"),
    ("optimiser.averaging", lambda value: 0 <= value < 1, "0 (none) to below 1"),
    ("optimiser.gradient_clip", lambda value: value >= 0, "0 (none) or more"),
)


def _get(recipe: Recipe, key: str) -> Any:
    value: Any = recipe
    for part in key.split("."):
        value = getattr(value, part)
    return value
