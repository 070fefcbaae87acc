"""Whether a photograph's neighbours tell right answers from wrong ones beyond the network's own confidence.

    python -m tools.results.neighbours RUN PREPARED results/neighbours [CACHE]

Only the run's inner fold is judged; no photograph of its outer fold is read. Neighbours are of the training
photographs, one of each lesion. Agreement is the share of them that has the label of the network's answer. RUN has its
evaluation.
``neighbours.json`` holds the figures, ``neighbours.md`` a table; no photograph, no id.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict

from hierattn import metrics
from hierattn.errors import HierAttnError
from hierattn.evaluation.folder import EvaluationFolder
from hierattn.evaluation.measures.calibration import read_calibration
from hierattn.evaluation.measures.intervals import Estimate, bootstrap, interval
from hierattn.evaluation.predictions import Predictions, read_predictions
from hierattn.evaluation.records import to_plain
from hierattn.evaluation.selection import inner_fold
from hierattn.evaluation.similar.features import features_of_rows
from hierattn.evaluation.similar.search import Searched, trained_rows
from hierattn.evaluation.trained_run import TrainedRun
from hierattn.files import write_json, write_text
from hierattn.shares import fraction, percent

COUNTS = (5, 12, 25)
SCORES = ("confidence", "agreement", "both", "with class", "all three", "gain", "gain with class")
RESAMPLES = 1000


def labels_nearby(searched: Searched, features: np.ndarray, classes: tuple[str, ...], count: int) -> np.ndarray:
    """Labels of each photograph's ``count`` nearest neighbours, by their place in ``classes``, (photographs, count)."""
    place = {code: number for number, code in enumerate(classes)}
    records = searched.packed.records
    return np.array([[place[records[row].label] for row, _ in searched.nearest(one, count)] for one in features])


def measure(predictions: Predictions, probabilities: np.ndarray, nearby: np.ndarray) -> dict[str, Any]:
    """What confidence, agreement and both tell of right and wrong, over all photographs and over the cancers.

    Parameters
    ----------
    predictions
        Of the judged photographs, for their labels and groups.
    probabilities
        The same, calibrated, (N, C).
    nearby
        Labels of their neighbours, (N, k).
    """
    answers, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    right, groups = answers == predictions.labels, predictions.group_numbers
    votes = (nearby[:, :, None] == np.arange(len(predictions.classes))).sum(axis=1)
    agreement = votes[np.arange(len(answers)), answers] / nearby.shape[1]
    odds = np.log(confidence / (1 - confidence + 1e-9))[:, None]
    answered = np.eye(len(predictions.classes))[answers]
    columns = ([odds], [odds, agreement], [odds, answered], [odds, answered, agreement])
    alone, *others = (fitted(np.column_stack(some), right, groups) for some in columns)
    differ = votes.max(axis=1) > votes[np.arange(len(answers)), answers]
    least = np.argsort(confidence, kind="stable")[: differ.sum()]
    cancers = np.isin(predictions.labels, [predictions.classes.index(code) for code in predictions.taxonomy.malignant])
    auc = {
        name: dict(zip(SCORES, told(right, (confidence, agreement, *others, alone), groups, kept), strict=True))
        for name, kept in (("all", np.ones_like(right)), ("cancers", cancers))
    }
    flagged = {"photographs": int(differ.sum()), "wrong": int((~right)[differ].sum())}
    return {
        "neighbours": nearby.shape[1],
        "auc": auc,
        "majority_differs": {**flagged, "wrong_of_as_many_least_confident": int((~right)[least].sum())},
        "neighbours_right": float((votes.argmax(axis=1) == predictions.labels).mean()),
    }


def fitted(columns: np.ndarray, right: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """The probability of a right answer by a logistic regression that has not seen the photograph's lesion, (N,)."""
    parts = GroupKFold(5)
    return np.asarray(
        cross_val_predict(LogisticRegression(), columns, right, groups=groups, cv=parts, method="predict_proba")[:, 1]
    )


def told(right: np.ndarray, scores: tuple[np.ndarray, ...], groups: np.ndarray, kept: np.ndarray) -> list[Estimate]:
    """The AUC of each score but the last, and the two gains of :data:`SCORES`, with intervals over lesions."""

    def areas(weights: np.ndarray) -> np.ndarray:
        found = np.stack([metrics.auc(right, score, weights * kept) for score in scores], axis=-1)
        gains = found[..., [2, 4]] - found[..., [5, 3]]
        return np.concatenate([found[..., :5], gains], axis=-1)

    draws = bootstrap(areas, groups, RESAMPLES)
    return [Estimate.of(float(value), interval(draws[:, n])) for n, value in enumerate(areas(np.ones(len(right))))]


def main(run: Path, prepared: Path, out: Path, cache: Path | None = None) -> None:
    """Measure, and write."""
    trained = TrainedRun.open(run)
    packed, folder = trained.open_own_set(prepared), EvaluationFolder(trained.run.evaluation)
    predictions = read_predictions(folder.validation, trained.checkpoint.taxonomy)
    probabilities = read_calibration(folder.calibration).apply(predictions.probabilities)
    row_of = {packed.records[row].image: row for row in inner_fold(packed, trained).tolist()}
    rows = [row_of[image] for image in predictions.images]
    training = trained_rows(run, trained.checkpoint, packed)
    own, others = (
        features_of_rows(run, packed, each, cache=cache, progress=lambda *done: print(*done, flush=True))
        for each in (rows, training)
    )
    searched = Searched(packed, training, others)
    nearby = (labels_nearby(searched, own, predictions.classes, count) for count in COUNTS)
    found = [measure(predictions, probabilities, labels) for labels in nearby]
    top1 = float((probabilities.argmax(axis=1) == predictions.labels).mean())
    about = {"photographs": len(rows), "lesions": len(set(predictions.groups)), "training": len(training), "top1": top1}
    command = f"python -m tools.results.neighbours RUN PREPARED {out}"
    write_json(
        out / "neighbours.json",
        {"run": run.resolve().name, "command": command, **about, "measured": to_plain(found)},
    )
    write_text(out / "neighbours.md", "".join(lines(run.resolve().name, command, about, found)))


def lines(run: str, command: str, about: dict[str, Any], found: list[dict[str, Any]]) -> list[str]:
    """The page, in Markdown."""
    table = [
        f"# Do neighbours tell right answers from wrong ones? {run}\n\n`{command}`\n\n"
        f"On {about['photographs']} photographs of {about['lesions']} lesions of the inner fold, of which the network "
        f"names {percent(about['top1'])} rightly; neighbours among {about['training']} training photographs, one of "
        "each lesion. AUC of telling right answers from wrong ones, 95 % intervals over lesions. *Both*: confidence "
        "and agreement, by a logistic regression that has not seen the lesion; *with class*: confidence and the class "
        "of the answer; *all three*. The first gain is that of *both* over confidence, the second that of *all three* "
        "over *with class*, each by the same regression.\n\n"
        f"| neighbours | of | {' | '.join(SCORES)} |\n|---:|---|{'---|' * len(SCORES)}\n"
    ]
    for one in found:
        for name, auc in one["auc"].items():
            cells = [f"{fraction(each.value)} ({' to '.join(map(fraction, each.interval or ()))})" for each in
                     auc.values()]  # fmt: skip
            table.append(f"| {' | '.join([str(one['neighbours']), name, *cells])} |\n")
    for one in found:
        flags = one["majority_differs"]
        table.append(
            f"\nThe majority of {one['neighbours']} neighbours differs from the answer on {flags['photographs']} "
            f"photographs, {flags['wrong']} of which are wrong; of as many with the least confidence, "
            f"{flags['wrong_of_as_many_least_confident']} are. The neighbours' majority itself names "
            f"{percent(one['neighbours_right'])} rightly.\n"
        )
    return table


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5):
        raise SystemExit(__doc__)
    try:
        main(*map(Path, sys.argv[1:]))
    except HierAttnError as error:
        raise SystemExit(str(error)) from None
