"""A run in progress: what takes part in it, what a state to resume from holds, and what ends an epoch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

import hierattn
from hierattn.data.balance.protocol import check_fold_of_balanced_set
from hierattn.data.prepared_set.asked import answerable, codes_of
from hierattn.data.prepared_set.folds import check_leaks
from hierattn.data.prepared_set.packed import PackedSet
from hierattn.data.prepared_set.parts import Split, known_rows, split, trained_classes
from hierattn.errors import DataError, UsageError
from hierattn.models.asking import AskingNetwork, OnLogits, asking
from hierattn.models.inference import to_unit
from hierattn.models.registry import check_size, create_model, expected_pixels
from hierattn.models.weights.checkpoint import Checkpoint, count_parameters, load_weights, save_checkpoint
from hierattn.run_folder import RunFolder
from hierattn.taxonomy.questions import Question, choose_questions
from hierattn.training import seed as seeds
from hierattn.training.augmentation.hidden_answers import HiddenAnswers
from hierattn.training.augmentation.logit_views import logit_views
from hierattn.training.devices import synchronise_batch_norm
from hierattn.training.epoch_order import Cells
from hierattn.training.feed import TrainingImages
from hierattn.training.listener import Listener
from hierattn.training.loop import Learner, Position, epoch_row, train_epoch
from hierattn.training.optimisation.averaging import WeightAverage
from hierattn.training.optimisation.logit_adjustment import adjusted_classifier
from hierattn.training.optimisation.objective import Objective, class_log_prior
from hierattn.training.optimisation.optimiser import create_optimiser
from hierattn.training.recipe import Recipe
from hierattn.training.run_state import commit, save_state
from hierattn.training.teaching.feature_matching import FeatureMatching
from hierattn.training.teaching.held_out import Admission, HeldOut, seen_in
from hierattn.training.teaching.starting_weights import transfer_into
from hierattn.training.teaching.teachers import Teachers
from hierattn.training.validation import logits_of_all, scores_of, standing, validate

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_UNSAVED = ("interrupted", "waited")
FEWEST_ANSWERS = 5
"""Training images that must have an answer, or a value, before it can be asked for."""
STANDARDISED_OVER = 256
"""Training images over which the teachers' features are standardised."""


class Run:
    """A run in progress: everything that an epoch needs, and what a checkpoint holds.

    Raises
    ------
    LeakError, DataError, UsageError, CheckpointError
        Where the folds leak, a class has no training image, or the recipe's sizes, weights or teacher do not fit.
    """

    def __init__(self, recipe: Recipe, folder: RunFolder, data: PackedSet, fabric: Fabric, listener: Listener) -> None:
        self.recipe, self.folder, self.packed, self.fabric, self.listener = recipe, folder, data, fabric, listener
        check_leaks(data.records)
        check_fold_of_balanced_set(data.info, recipe.data.fold, recipe.data.left_out_source)
        parts = split(data.records, recipe.data.fold, recipe.data.left_out_source, recipe.data.inner_fold)
        present = trained_classes(data.records, parts, recipe.data.left_out_source)
        if recipe.data.left_out_source:
            self._check_left_out(parts, present)
        self.taxonomy = data.taxonomy.subset(code for code in data.taxonomy.codes if code in present)
        self.classes = self.taxonomy.codes
        parts = self._known(parts)
        labels = np.array([self._number(record.label) for record in data.records], dtype=np.int64)
        self.images = _resident(data.images, fabric)
        held_out = HeldOut(data, recipe.data.fold, parts, recipe.data.left_out_source)
        mean, std = expected_pixels(recipe.model.name)
        self.spec = replace(data.image_spec, mean=mean, std=std)
        check_size(recipe.model.name, recipe.model.options, self.spec.size)
        self.admission = Admission(self.classes, self.spec, held_out, listener.note)
        self.trained_on = seen_in(data, parts)
        self.taxonomy = self.taxonomy.asking(self._questions(parts.train))
        self.training = TrainingImages(
            self.images,
            parts.train,
            labels[parts.train],
            self._cells(parts.train, labels[parts.train]),
            codes_of(data.records, self.taxonomy.questions) if self.taxonomy.questions else None,
        )
        self.inner, self.inner_labels = parts.validation, labels[parts.validation]
        self._check_sizes()
        self._build()

    def _check_left_out(self, parts: Split, present: set[str]) -> None:
        source, records = self.recipe.data.left_out_source, self.packed.records
        if len(present) < 2:
            classes = ", ".join(sorted(present)) or "no class"
            raise DataError(
                f"without source {source}, {len(parts.train)} photographs of {classes} "
                "are left to train on: wanted two classes or more; add a source, or leave another one out"
            )
        if not any(records[row].label in present for row in parts.test):
            raise DataError(
                f"source {source} has no photograph to judge: each shares a lesion, a patient or a picture with one "
                "that is trained on, or is of a class that no other source has; it is no other clinic"
            )

    def _number(self, label: str) -> int:
        return self.classes.index(label) if label in self.classes else -1

    def _known(self, parts: Split) -> Split:
        """Without photographs of the inner fold whose class nothing is trained on."""
        known, notes = known_rows(self.packed.records, parts.validation, self.classes)
        for note in notes:
            self.listener.note(f"inner fold: {note}")
        if not len(known):
            raise DataError("no photograph in the inner fold: wanted some to choose the epoch by; prepare other folds")
        return replace(parts, validation=known)

    def _questions(self, rows: np.ndarray) -> tuple[Question, ...]:
        """What the recipe asks, each with the values that the training part has often enough to learn them."""
        ask = self.recipe.questions.ask
        answered = answerable([self.packed.records[row] for row in rows], FEWEST_ANSWERS)
        if missing := [name for name in ask if name not in {question.name for question in answered}]:
            wanted = ", ".join(question.name for question in answered) or "none: the set has no answers"
            raise DataError(
                f"recipe key questions.ask names {', '.join(missing)}, which the training part of {self.packed.folder} "
                f"does not answer: wanted some of {wanted}"
            )
        return choose_questions(ask, answered)

    def _cells(self, rows: np.ndarray, labels: np.ndarray) -> Cells | None:
        if self.recipe.data.sampling != "cells":
            return None
        rules = self.recipe.sampling
        return Cells.of(
            [self.packed.records[row].source for row in rows],
            labels,
            by=rules.by,
            power=rules.power,
            least=rules.least,
            source_weights=rules.source_weights,
        )

    def _check_sizes(self) -> None:
        draws = self.recipe.data.epoch_images or len(self.training.labels)
        if draws < self.recipe.optimiser.batch_size:
            raise UsageError(
                f"an epoch of {draws} images is less than optimiser.batch_size "
                f"{self.recipe.optimiser.batch_size}: set optimiser.batch_size={max(draws // 2, 2)} or smaller"
            )
        missing = [code for i, code in enumerate(self.classes) if i not in set(self.training.labels.tolist())]
        if missing:
            raise DataError(f"no training image of {', '.join(missing)} outside folds: prepare with fewer --folds")

    def _build(self) -> None:
        recipe, fabric, rules = self.recipe, self.fabric, self.recipe.optimiser
        torch.manual_seed(seeds.derive(recipe.seed, "weights"))
        model = create_model(recipe.model.name, num_classes=len(self.classes), **recipe.model.options)
        self.transferred = self._transfer(model)
        self.network = model
        hidden = None
        if self.taxonomy.questions:
            model, hidden = self._asking(model)
        model = synchronise_batch_norm(model.to(memory_format=torch.channels_last), fabric)
        self.plain_model = model
        teachers = self._teachers()
        trained: nn.Module = model
        fixed = isinstance(model, AskingNetwork) and model.fixed
        if isinstance(model, AskingNetwork) and model.fixed:
            trained = OnLogits(model.head)
        self.projection: nn.Module | None = None
        if teachers is not None and recipe.distillation.features:
            trained = FeatureMatching(model, teachers.width)
            self.projection = trained.projection
        optimiser = create_optimiser(trained, rules, fused=fabric.device.type == "cuda")
        stepped, self.optimiser = fabric.setup(_compiled(trained, recipe.compile), optimiser)
        data = replace(self.training, images=self._logit_views(model)) if fixed else self.training
        self.average = WeightAverage(model, rules.averaging) if rules.averaging else None
        self.post_hoc = self._log_prior(rules.post_hoc_logit_adjustment)
        self.learner = Learner(
            fabric=fabric,
            model=stepped,
            optimiser=self.optimiser,
            average=self.average,
            data=data,
            spec=self.spec,
            recipe=recipe,
            objective=Objective(
                rules.label_smoothing,
                self._log_prior(rules.logit_adjustment),
                recipe.distillation.weight if teachers is not None and teachers.classify else 0.0,
                recipe.distillation.temperature,
            ),
            teachers=teachers,
            hidden=hidden,
            on_logits=fixed,
        )
        self.position = Position()
        self._said: np.ndarray | None = None

    def _asking(self, network: nn.Module) -> tuple[AskingNetwork, HiddenAnswers]:
        """The network with a fresh head beside it, and which answers its training hides."""
        rules, questions, training = self.recipe.questions, self.taxonomy.questions, self.training
        assert training.answers is not None
        codes, count = training.answers[training.indices], len(self.classes)
        hidden = HiddenAnswers.of(codes, training.labels, count, all_of=rules.hide_all, most=rules.hide)
        fixed = rules.network == "fixed"
        return asking(network, questions, count, fixed=fixed, **self._head_options), hidden

    def _logit_views(self, model: nn.Module) -> np.ndarray:
        """What the fixed network says of the training images, for which it needs to be where they are."""
        device = self.fabric.device
        return logit_views(
            model.to(device).eval().get_submodule("network"),
            self.images,
            self.training.indices,
            self.spec,
            self.recipe.augmentation,
            seed=self.recipe.seed,
            device=device,
        )

    @property
    def _head_options(self) -> dict[str, Any]:
        rules = self.recipe.questions
        return {"kind": rules.head, "width": rules.width, "dropout": rules.dropout} if rules.ask else {}

    def _log_prior(self, strength: float) -> torch.Tensor | None:
        return class_log_prior(self.training.labels, len(self.classes), strength, self.fabric.device)

    def _transfer(self, model: nn.Module) -> frozenset[str]:
        if not self.recipe.transfer.checkpoint:
            return frozenset()
        report, trained_on = transfer_into(
            model,
            self.recipe.transfer.checkpoint,
            self.admission,
            images=self._first_images(4 * self.recipe.optimiser.batch_size),
            classifier=self.recipe.transfer.classifier,
            averaged_with=self.recipe.transfer.averaged_with,
        )
        self.trained_on = self.trained_on.joined(trained_on)
        if self.fabric.is_global_zero:
            report.save(self.folder.transfer)
        self.listener.note(f"{report.summary()}; the list is in {self.folder.transfer.name}")
        return frozenset(report.transferred)

    def _first_images(self, count: int) -> np.ndarray:
        """Some training images, (count, size, size, 3) uint8, spread over the set, whose order may follow the class."""
        indices = self.training.indices
        return self.packed.images[indices[np.linspace(0, len(indices) - 1, min(count, len(indices))).astype(np.int64)]]

    def _teachers(self) -> Teachers | None:
        rules = self.recipe.distillation
        if not rules.teacher:
            return None
        some = torch.from_numpy(np.ascontiguousarray(self._first_images(STANDARDISED_OVER)))
        teachers = Teachers(
            [Path(path) for path in rules.teacher],
            self.admission,
            images=to_unit(some, self.spec.size),
            with_features=bool(rules.features),
            device=self.fabric.device,
        )
        self.trained_on = self.trained_on.joined(teachers.trained_on)
        return teachers

    def state(self) -> dict[str, Any]:
        """All that a resumed run needs; the generators are not in it because steps derive theirs."""
        return {
            "progress": {key: value for key, value in asdict(self.position).items() if key not in _UNSAVED},
            "model": self.plain_model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "average": self.average.state_dict() if self.average else None,
            "projection": self.projection.state_dict() if self.projection else None,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """The inverse of :meth:`state`."""
        self.position = Position(**state["progress"])
        load_weights(self.plain_model, state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        if self.projection is not None:
            self.projection.load_state_dict(state["projection"])

    def save(self) -> None:
        """Write the state, from one process, once."""
        if self.fabric.is_global_zero:
            save_state(self.folder, self.state())
        self.fabric.barrier()

    def train(self, stop: Any) -> None:
        """Train the rest of the epoch, or to ``stop()``."""
        train_epoch(self.learner, self.position, self.listener, stop)

    def validate_first(self, images: int) -> None:
        """Validate so many images of the inner fold, for a trial: nothing is kept."""
        rows, labels = self.inner[:images], self.inner_labels[:images]
        validate(self.fabric, self.plain_model, self.images, rows, labels, self.spec, self.training.answers)

    @property
    def exhausted(self) -> bool:
        """Whether early stopping ends the run: so many epochs brought no better figure."""
        patience, position = self.recipe.optimiser.early_stopping, self.position
        return bool(patience) and position.best_epoch >= 0 and position.epoch - 1 - position.best_epoch >= patience

    def finish_epoch(self) -> None:
        """Validate, log, save the weights if they are the best so far, and step to the next epoch."""
        with self._averaged() as model, adjusted_classifier(model, self.post_hoc):
            scores = self._scores(model)
            row = epoch_row(self.position, self.recipe, scores)
            score = standing(scores, self.recipe.choose_by)
            better = score > self.position.best
            if better:
                self.position.best, self.position.best_epoch = score, self.position.epoch
                if self.fabric.is_global_zero:
                    save_checkpoint(self.folder.best, self._checkpoint(model, row))
        if self.fabric.is_global_zero:
            self.folder.append_log(row)
        self.listener.epoch(row, better)
        best, best_epoch = self.position.best, self.position.best_epoch
        self.position = Position(epoch=self.position.epoch + 1, best=best, best_epoch=best_epoch)
        self.row = row

    def _scores(self, model: nn.Module) -> dict[str, float]:
        """Of the inner fold; a fixed network reads its photographs once in a run."""
        where = (self.images, self.inner)
        answers = self.training.answers
        if answers is None or not self.learner.on_logits or self.post_hoc is not None:
            return validate(self.fabric, model, *where, self.inner_labels, self.spec, answers)
        assert isinstance(model, AskingNetwork)
        if self._said is None:
            self._said = logits_of_all(self.fabric, model.network, *where, self.spec)
        head, device = model.head, self.fabric.device
        was_training = head.training
        with torch.inference_mode():
            logits = torch.from_numpy(self._said).to(device)
            told = OnLogits(head.eval())(logits, torch.from_numpy(answers[self.inner]).to(device)).cpu().numpy()
        head.train(was_training)
        return scores_of(told, self.inner_labels)

    @contextmanager
    def _averaged(self) -> Iterator[nn.Module]:
        """The model that counts: the averaged weights where there are any, for the time of the block."""
        model = self.plain_model
        if self.average is None:
            yield model
            return
        present = {name: value.clone() for name, value in model.state_dict().items()}
        load_weights(model, self.average.tensors)
        try:
            yield model
        finally:
            load_weights(model, present)

    def _checkpoint(self, model: nn.Module, row: Mapping[str, float]) -> Checkpoint:
        info = self.packed.info
        return Checkpoint(
            model=self.recipe.model.name,
            options=dict(self.recipe.model.options),
            taxonomy=self.taxonomy,
            image_spec=self.spec,
            state_dict=model.state_dict(),
            recipe=self.recipe.to_dict(),
            provenance={
                "hierattn": hierattn.__version__,
                "commit": commit(),
                "parameters": count_parameters(model),
                "source": info.get("source", ""),
                "licence": info.get("licence", ""),
                "citation": info.get("citation", ""),
                "manifest_sha256": self.packed.manifest_sha256,
                "training_images": len(self.training.labels),
                "epoch": int(row["epoch"]),
                "validation": {key: value for key, value in row.items() if key.startswith("validation_")},
            },
            trained_on=self.trained_on,
            answers=self._head_options,
        )


def _compiled(model: nn.Module, how: str) -> nn.Module:
    if how == "no":
        return model
    compiled: nn.Module = torch.compile(model, mode="reduce-overhead" if how == "cuda-graphs" else "default")  # type: ignore[assignment]
    return compiled


def _resident(images: np.ndarray, fabric: Fabric) -> np.ndarray | torch.Tensor:
    """The packed images on the device where they take less than half of its free memory; else where they are."""
    if fabric.device.type != "cuda":
        return images
    free, _ = torch.cuda.mem_get_info(fabric.device)
    if images.nbytes > free // 2:
        return images
    return torch.from_numpy(np.array(images)).to(fabric.device)
