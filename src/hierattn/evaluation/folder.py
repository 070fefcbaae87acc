"""The folder of an evaluation: the one place that knows its files' names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hierattn.errors import UsageError
from hierattn.files import FolderKind
from hierattn.run_folder import RunFolder

KIND = FolderKind(
    "an evaluation",
    mark="report.json",
    older=(
        "predictions.csv", "predictions_validation.csv", "cases.csv", "calibration.json", "report.html", "figures/*",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class EvaluationFolder:
    """The paths of one evaluation. Nothing is read before it is asked for.

    >>> EvaluationFolder(Path("runs/xs/evaluation")).report.name
    'report.json'
    """

    path: Path

    @property
    def predictions(self) -> Path:
        """What was predicted of each evaluated image: the outer fold, or an external set."""
        return self.path / "predictions.csv"

    @property
    def validation(self) -> Path:
        """What was predicted of each image of the inner fold; an evaluation on an external set has none."""
        return self.path / "predictions_validation.csv"

    def isic_form(self, year: str) -> Path:
        """The same answers in the ISIC challenge's own form, where that was asked for."""
        return self.path / f"isic_{year}.csv"

    @property
    def cases(self) -> Path:
        """What is known of each evaluated image beside its diagnosis."""
        return self.path / "cases.csv"

    @property
    def calibration(self) -> Path:
        """Temperature and threshold."""
        return self.path / "calibration.json"

    @property
    def report(self) -> Path:
        """Every figure."""
        return self.path / "report.json"

    @property
    def page(self) -> Path:
        """The report for people."""
        return self.path / "report.html"

    @property
    def figures(self) -> Path:
        """The figures of the page as files."""
        return self.path / "figures"

    def is_complete(self) -> bool:
        """Whether it has all that a comparison reads: an evaluation of an older version may lack some."""
        return all(path.is_file() for path in (self.report, self.predictions, self.cases))


def find_evaluation(folder: Path) -> EvaluationFolder:
    """The evaluation of a run folder, or the folder itself where it is one.

    Raises
    ------
    UsageError
        Where it is neither.
    """
    for evaluation in (EvaluationFolder(RunFolder(folder).evaluation), EvaluationFolder(folder)):
        if evaluation.report.is_file():
            return evaluation
    if not folder.is_dir():
        raise UsageError(f"no folder {folder}: wanted a run folder from 'hierattn train', evaluated")
    raise UsageError(f"no evaluation in {folder}: run 'hierattn evaluate {folder}' first")
