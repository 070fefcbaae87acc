"""How often the answer is right: accuracy, AUC, and the figures of every class, each with its interval (§4.1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hierattn import metrics
from hierattn.evaluation.measures.intervals import (
    Estimate,
    balanced_interval,
    bootstrap,
    interval,
    share_interval,
)
from hierattn.evaluation.predictions import Predictions
from hierattn.evaluation.records import defined
from hierattn.taxonomy.built_in import class_like

FEWEST_OF_CLASS = 5
"""Groups of a class from which on it counts for a source's macro AUC (docs/protocol.md, figures)."""
PER_CLASS = ("sensitivity", "specificity", "precision", "f1", "auc")


@dataclass(frozen=True)
class ClassFigures:
    """One class: its name, how many images and groups are of it, how many are predicted to be, and its figures."""

    name: str
    malignancy: str
    images: int
    groups: int
    predicted: int
    sensitivity: Estimate
    specificity: Estimate
    precision: Estimate
    f1: Estimate
    auc: Estimate


class Classification:
    """The figures of one table of predictions, and their draws under resampling of groups."""

    def __init__(self, predictions: Predictions, resamples: int, seed: int) -> None:
        self.predictions = predictions
        self._malignant = predictions.taxonomy.malignant
        self.groups = predictions.group_numbers
        self.matrix = metrics.confusion_matrix(predictions.labels, predictions.probabilities)
        self.values = self._split(self._statistics(np.ones((1, len(predictions)))))
        self.draws = self._split(bootstrap(self._statistics, self.groups, resamples, seed))

    def _statistics(self, weights: np.ndarray) -> np.ndarray:
        """Weights (B, N) -> [top-1, balanced accuracy, macro AUC, malignant AUC, then PER_CLASS], (B, 4 + 5 C)."""
        labels, probabilities = self.predictions.labels, self.predictions.probabilities
        classes = len(self.predictions.classes)
        of_class, answered = np.eye(classes)[labels], np.eye(classes)[self.predictions.predicted]  # (N, C), one-hot
        shares = metrics.shares_of_counts(weights @ (of_class * answered), weights @ of_class, weights @ answered)
        areas = metrics.auc_per_class(labels, probabilities, weights)
        malignant = metrics.group_scores(labels, probabilities, self.predictions.classes, self._malignant)
        single = [
            shares["top1"],
            shares["balanced_accuracy"],
            metrics.macro_auc_of(areas),
            metrics.auc(*malignant, weights),
        ]
        of_classes = [*(shares[name] for name in PER_CLASS[:-1]), areas]
        return np.concatenate([np.stack(single, axis=1), *of_classes], axis=1)

    def _split(self, statistics: np.ndarray) -> dict[str, np.ndarray]:
        """Name the columns of :meth:`_statistics`: (B,) each, (B, C) those of classes."""
        classes = len(self.predictions.classes)
        if not statistics.size:
            statistics = np.zeros((0, 4 + len(PER_CLASS) * classes))
        names = ("top1", "balanced_accuracy", "macro_auc", "malignant_auc")
        columns = {name: statistics[:, place] for place, name in enumerate(names)}
        for place, name in enumerate(PER_CLASS):
            start = len(names) + place * classes
            columns[name] = statistics[:, start : start + classes]
        return columns

    def count_groups(self, rows: np.ndarray) -> int:
        """Different groups among the images of ``rows``, bool (N,)."""
        return len(np.unique(self.groups[rows]))

    def top1(self) -> Estimate:
        """Top-1 accuracy with its interval."""
        value = float(self.values["top1"][0])
        return Estimate.of(value, share_interval(value, self.draws["top1"], int(self.groups.max(initial=-1)) + 1))

    def balanced_accuracy(self) -> Estimate:
        """Balanced accuracy with its interval."""
        value = float(self.values["balanced_accuracy"][0])
        labels = self.predictions.labels
        sizes = [self.count_groups(labels == index) for index in range(len(self.predictions.classes))]
        return Estimate.of(value, balanced_interval(value, self.draws["balanced_accuracy"], sizes))

    def area(self, name: str) -> Estimate:
        """An AUC with its interval."""
        return Estimate.of(float(self.values[name][0]), interval(self.draws[name]))

    def of_known_classes(self) -> tuple[int, Estimate, Estimate]:
        """How many classes have :data:`FEWEST_OF_CLASS` groups, and over these balanced accuracy and macro AUC.

        A class of one or two lesions would weigh as much as the others, and be missing from many a draw.
        """
        labels = self.predictions.labels
        sizes = [self.count_groups(labels == index) for index in range(len(self.predictions.classes))]
        known = np.array(sizes) >= FEWEST_OF_CLASS

        def mean(name: str, of: dict[str, np.ndarray]) -> np.ndarray:
            return metrics.mean_of_defined(of[name][:, known])

        accuracy, area = (float(mean(name, self.values)[0]) for name in ("sensitivity", "auc"))
        own = [size for size in sizes if size >= FEWEST_OF_CLASS]
        return (
            int(known.sum()),
            Estimate.of(accuracy, balanced_interval(accuracy, mean("sensitivity", self.draws), own)),
            Estimate.of(area, interval(mean("auc", self.draws))),
        )

    def of_class(self, index: int) -> ClassFigures:
        """Everything about one class."""
        lesion = self.predictions.taxonomy.classes[index]
        of_class, predicted = self.predictions.labels == index, self.predictions.predicted == index
        # A share's interval needs the groups that it is a share of.
        of = {"sensitivity": of_class, "specificity": ~of_class, "precision": predicted}
        estimates = {}
        for name in PER_CLASS:
            value, draws = float(self.values[name][0, index]), self.draws[name][:, index]
            known = share_interval(value, draws, self.count_groups(of[name])) if name in of else interval(draws)
            estimates[name] = Estimate.of(value, known)
        return ClassFigures(
            name=lesion.name,
            malignancy=lesion.malignancy,
            images=int(of_class.sum()),
            groups=self.count_groups(of_class),
            predicted=int(predicted.sum()),
            **estimates,
        )

    def of_melanoma(self, name: str) -> Estimate:
        """One figure of melanoma; undefined for a model without that class."""
        melanoma = class_like(self.predictions.taxonomy, "MEL")
        if melanoma is None:
            return Estimate(None, None)
        estimate: Estimate = getattr(self.of_class(self.predictions.classes.index(melanoma)), name)
        return estimate

    def malignant_partial_auc(self) -> float | None:
        """Of cancer against the rest, above 80 % sensitivity: 0.02 is chance, 0.2 perfect."""
        table = self.predictions
        positive, scores = metrics.group_scores(table.labels, table.probabilities, table.classes, self._malignant)
        return defined(float(metrics.partial_auc(positive, scores)))
