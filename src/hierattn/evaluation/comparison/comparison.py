"""Models side by side on the same held-out images (Table 1, Figs. 7 and 8, and the ablations of Tables 2, 4, 5, 6).

The images of all folds are pooled, each predicted by the network that did not see it. Balanced accuracy has its
interval over lesions; a difference between two models is tested on the same lesions (``paired_tests.py``), and Holm's
correction accounts for the number of pairs. The paper's column is ``paper_numbers.py``'s.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from hierattn import metrics
from hierattn.errors import DataError, UsageError
from hierattn.evaluation.comparison.entrant import Entrant
from hierattn.evaluation.comparison.paper_numbers import SOURCE, TABLE_1, PaperRow, paper_accuracy
from hierattn.evaluation.measures.classification import Classification
from hierattn.evaluation.measures.intervals import LEVEL
from hierattn.evaluation.measures.paired_tests import compare_auc, compare_balanced_accuracy, holm
from hierattn.evaluation.predictions import Predictions
from hierattn.evaluation.records import to_plain
from hierattn.models.complexity import measure_complexity
from hierattn.models.registry import SPECS
from hierattn.progress import Progress, silent
from hierattn.shares import percent


def check_same_images(entrants: Sequence[Entrant]) -> None:
    """Refuse to compare models that were evaluated on other images, or with other folds held out.

    Raises
    ------
    UsageError, DataError
        With fewer than one model, or names what differs.
    """
    if not entrants:
        raise UsageError("nothing to compare: wanted NAME=RUN at least once")
    first = entrants[0]
    for other in entrants[1:]:
        if set(other.folds) != set(first.folds):
            raise UsageError(
                f"{first.name} has folds {_listed(first.folds)} and {other.name} {_listed(other.folds)}: wanted "
                "the same; train what is missing with 'hierattn crossval', or name only common folds with --folds"
            )
        mine, others = first.predictions, other.predictions
        if mine.images != others.images:
            different = len(set(mine.images) ^ set(others.images))
            raise DataError(
                f"{first.name} and {other.name} were evaluated on other images ({different} differ): wanted one set "
                "and one split; evaluate both on the same prepared set"
            )
        if not np.array_equal(mine.folds, others.folds) or mine.taxonomy != others.taxonomy:
            raise DataError(f"{first.name} and {other.name} differ in folds or classes: wanted the same split")


def _listed(folds: Sequence[int]) -> str:
    return ", ".join(map(str, folds)) or "none"


def compare(
    entrants: Sequence[Entrant],
    *,
    paper: Mapping[str, PaperRow] | None = None,
    title: str = "Models",
    resamples: int = 1000,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Everything about models of one protocol, as plain values for JSON.

    Parameters
    ----------
    entrants
        All of one protocol, on the same images. The first is what the others' differences are taken from.
    paper
        Name -> the paper's row; by default Table 1's row of the entrant's model.
    title
        Of the comparison.
    resamples, seed
        Of every bootstrap and exchange.
    progress
        Told of the steps done.

    Returns
    -------
    dict
        ``title, protocol, source, images, groups, folds, paper_source, rows, pairs``. A row: ``name, title, model,
        options, parameters, multiply_adds, size``, the figures (value and interval), ``fold_mean, fold_deviation`` of
        balanced accuracy, ``difference`` (to the first; None for it), ``paper``. A pair: ``first, second`` and, for
        ``balanced_accuracy`` and ``malignant_auc``, ``value`` (second less first), ``interval, p, holm_p``. With
        ``left_out_source``, where training left one out.

    Raises
    ------
    UsageError
        Where the runs are of more than one protocol.
    """
    check_same_images(entrants)
    protocols = {entrant.protocol for entrant in entrants}
    if len(protocols) > 1:
        raise UsageError(f"runs of the protocols {', '.join(sorted(protocols))}: wanted one, or --protocol both")
    first = entrants[0]
    tell = progress or silent
    rows = []
    for done, entrant in enumerate(entrants):
        tell("intervals", done, len(entrants))
        rows.append(_row(entrant, paper, resamples, seed))
    tell("intervals", len(entrants), len(entrants))
    pairs = _pairs(entrants, resamples, seed, tell)
    for row in rows:
        row["difference"] = _to_first(pairs, first.name, row["name"])
    comparison = {
        "title": title,
        "protocol": first.protocol,
        **({"left_out_source": first.left_out} if first.left_out else {}),
        "source": first.source,
        "licence": first.provenance.evaluated_on.licence,
        "citation": first.provenance.evaluated_on.citation,
        "images": len(first.predictions),
        "groups": len(np.unique(first.predictions.group_numbers)),
        "classes": list(first.predictions.classes),
        "folds": sorted(first.folds),
        "paper_source": SOURCE,
        "bootstrap": {"resamples": resamples, "seed": seed, "level": LEVEL, "unit": "group"},
        "rows": rows,
        "pairs": pairs,
    }
    plain: dict[str, Any] = to_plain(comparison)
    return plain


def _row(entrant: Entrant, paper: Mapping[str, PaperRow] | None, resamples: int, seed: int) -> dict[str, Any]:
    made = entrant.provenance
    model, options, size = made.model, dict(made.options), int(made.image_spec["size"])
    figures = Classification(entrant.predictions, resamples, seed)
    of_folds = [_balanced(entrant.of_fold(fold)) for fold in entrant.folds]
    known = TABLE_1.get(model) if paper is None else paper.get(entrant.name)
    if paper is None and options:
        known = None  # another network than the paper's
    return {
        "name": entrant.name,
        "title": SPECS[model].title if model in SPECS else model,
        "model": model,
        "options": options,
        "recipe": str(made.recipe.get("name", "")),
        "commit": made.commit,
        "parameters": made.parameters,
        "multiply_adds": _multiply_adds(model, len(entrant.predictions.classes), size, options),
        "size": size,
        "balanced_accuracy": figures.balanced_accuracy(),
        "top1": figures.top1(),
        "macro_auc": figures.area("macro_auc"),
        "malignant_auc": figures.area("malignant_auc"),
        "fold_mean": float(np.mean(of_folds)),
        "fold_deviation": float(np.std(of_folds, ddof=1)) if len(of_folds) > 1 else float("nan"),
        "of_folds": of_folds,
        "paper": None
        if known is None
        else {
            "where": known.where,
            "title": known.title,
            "accuracy": paper_accuracy(known, entrant.source),
            "parameters_millions": known.parameters,
        },
    }


def _balanced(predictions: Predictions) -> float:
    return metrics.balanced_accuracy(predictions.labels, predictions.probabilities)


def _multiply_adds(model: str, classes: int, size: int, options: Mapping[str, Any]) -> int | None:
    if model not in SPECS:
        return None
    return measure_complexity(model, num_classes=classes, size=size, **options).multiply_adds


def _pairs(entrants: Sequence[Entrant], resamples: int, seed: int, tell: Progress) -> list[dict[str, Any]]:
    """Every pair, tested on the same lesions; Holm's correction over all pairs, for each figure by itself."""
    pairs: list[dict[str, Any]] = []
    couples = list(combinations(entrants, 2))
    for done, (first, second) in enumerate(couples, start=1):
        table, rival = first.predictions, second.predictions
        groups = table.group_numbers
        balanced = compare_balanced_accuracy(
            table.labels, rival.predicted, table.predicted, groups, resamples=resamples, seed=seed
        )
        scores = [
            metrics.group_scores(each.labels, each.probabilities, each.classes, table.taxonomy.malignant)
            for each in (rival, table)
        ]
        cancer = compare_auc(scores[0][0], scores[0][1], scores[1][1], groups)
        pairs.append(
            {
                "first": first.name,
                "second": second.name,
                "balanced_accuracy": {"value": balanced.value, "interval": balanced.interval, "p": balanced.p},
                "malignant_auc": {"value": cancer.value, "interval": cancer.interval, "p": cancer.p},
            }
        )
        tell("pairs of models", done, len(couples))
    for figure in ("balanced_accuracy", "malignant_auc"):
        adjusted = holm([pair[figure]["p"] for pair in pairs])
        for pair, value in zip(pairs, adjusted, strict=True):
            pair[figure]["holm_p"] = float(value)
    return pairs


def _to_first(pairs: Sequence[Mapping[str, Any]], first: str, name: str) -> dict[str, Any] | None:
    return next((pair["balanced_accuracy"] for pair in pairs if (pair["first"], pair["second"]) == (first, name)), None)


def protocol_gaps(honest: Mapping[str, Any], paper: Mapping[str, Any]) -> list[dict[str, Any]]:
    """How much the paper's protocol flatters each model that was evaluated by both: paper less honest.

    Returns
    -------
    list
        A dict a name in both: ``name, honest, paper`` (balanced accuracies), ``gap`` and ``sentence``.

    Raises
    ------
    UsageError
        Where no model was evaluated by both protocols.
    """
    by_paper = {row["name"]: row["balanced_accuracy"]["value"] for row in paper["rows"]}
    gaps = []
    for row in honest["rows"]:
        value, other = row["balanced_accuracy"]["value"], by_paper.get(row["name"])
        if value is None or other is None or math.isnan(value):
            continue
        gap = other - value
        gaps.append({"name": row["name"], "honest": value, "paper": other, "gap": gap, "sentence": _gap(row, other)})
    if not gaps:
        raise UsageError("no model was evaluated by both protocols: wanted NAME=HONEST_RUN and NAME=PAPER_RUN")
    return gaps


def _gap(row: Mapping[str, Any], by_paper: float) -> str:
    value = row["balanced_accuracy"]["value"]
    points = 100 * (by_paper - value)
    verb = "flatters" if points >= 0 else "undersells"
    return (
        f"{row['name']}: {percent(by_paper, 1)} by the paper's protocol, {percent(value, 1)} on held-out images: "
        f"the paper's protocol {verb} by {abs(points):.1f} points, because it balances before it folds and so "
        "evaluates images that were selected for it, with augmented copies among them."
    )
