"""From evaluated runs to the bundles that come with the package: lineage, precision, parity, card, licence, checksums.

``python -m tools.release.publish_release`` is the command. A bundle is made in each precision of :data:`PRECISIONS`,
and the smallest one that loses nothing worth a byte is released: its loss is measured on the inner fold, so that no
choice is made on the held-out outer fold, and is then reported on the outer fold as well. All files appear together or
not at all.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx

from hierattn import metrics
from hierattn.deploy.export.onnx import Export, export_onnx
from hierattn.deploy.export.own_images import OwnImages, open_own_images
from hierattn.deploy.export.precisions import answers
from hierattn.deploy.export.wrapped import Wrapped, wrap_run
from hierattn.deploy.predict.released import LICENCE, MAX_RELEASED_BYTES, RELEASE, SUMS
from hierattn.errors import BundleError, ParityError, UsageError
from hierattn.evaluation.records import to_plain
from hierattn.files import write_json, write_text
from hierattn.shares import percent
from hierattn.taxonomy.built_in import EIGHT
from hierattn.taxonomy.records import Taxonomy
from tools.machine_paths import plain_values
from tools.release.candidate import Candidate
from tools.release.release_card import licence_text, release_card

PRECISIONS = ("int8-weights", "mixed", "float16")
"""Tried in this order, the smaller first. ``int8``, whose layers compute in whole numbers too, is larger and rounds
more: it is for speed, and a released file is for fidelity in few bytes."""

MOST_LOSS = 0.005
"""Of balanced accuracy, and of sensitivity at the stored threshold, on the inner fold: half a point. One dangerous
photograph may go all the same: the threshold is one's own risk, and any rounding may put that on the other side."""

Say = Callable[[str], None]


def release(
    candidates: Mapping[str, Candidate],
    folder: Path,
    *,
    data: Mapping[str, Path] | None = None,
    reject: Mapping[str, Path] | None = None,
    command: str = "",
    say: Say = print,
) -> dict[str, Any]:
    """Make and write the released files of each candidate; what ``folder`` holds of other bundles stays.

    Parameters
    ----------
    candidates
        By the name of their bundle.
    folder
        :func:`hierattn.deploy.predict.released.released_folder`, or another for a trial.
    data
        Where the prepared sets are now, if they have moved.
    reject
        Prepared sets of photographs of another kind, which the bundle is to reject.
    command
        The command that is doing this, for the record.
    say
        Hears what is being done.

    Returns
    -------
    dict
        What ``release.json`` holds: ``models`` by name.

    Raises
    ------
    UsageError, DataError, BundleError, ParityError
        Where a run cannot be exported, or no precision is small and faithful enough. Nothing is written then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    work = folder / ".release"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        models = _former(folder)
        for name, candidate in candidates.items():
            unlike = [path for path in [(reject or {}).get(name)] if path is not None]
            own = open_own_images(candidate.run, (data or {}).get(name), unlike)
            export, tried = _best_export(candidate, own, work, say)
            models[name] = _describe(candidate, export, tried)
            write_text(work / f"{name}.md", release_card(candidate, models[name]))
        record = {"made_by": command, "models": {name: models[name] for name in sorted(models)}}
        write_json(work / RELEASE, record, indent=1)
        write_text(work / LICENCE, licence_text(models))
        _move_all(work, folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return record


def rewrite_cards(candidates: Mapping[str, Candidate], folder: Path) -> dict[str, Any]:
    """Write the cards of bundles that are released already again, and the checksums; the bundles stay as they are.

    Parameters
    ----------
    candidates
        The runs behind them, by name.
    folder
        Where the bundles lie.

    Returns
    -------
    dict
        What ``release.json`` holds: the models by name.

    Raises
    ------
    UsageError
        Where a bundle was made from another run, or its run was evaluated differently since. Nothing is written then.
    """
    models = _former(folder)
    texts = {}
    for name, candidate in candidates.items():
        model = models.get(name, {"run": "no run", "figures": {}})
        if model["run"] != candidate.name:
            raise UsageError(f"{name} was released from {model['run']}, not from {candidate.run}: release it anew")
        if any(to_plain(getattr(candidate.report, key)) != figure for key, figure in model["figures"].items()):
            raise UsageError(f"{candidate.run} has other figures than {name} was released with: release it anew")
        texts[f"{name}.md"] = release_card(candidate, model)
    for name, text in texts.items():
        write_text(folder / name, text)
    _write_sums(folder)
    return models


def _former(folder: Path) -> dict[str, Any]:
    path = folder / RELEASE
    return dict(json.loads(path.read_text(encoding="utf-8"))["models"]) if path.is_file() else {}


def _best_export(candidate: Candidate, own: OwnImages, work: Path, say: Say) -> tuple[Export, list[dict[str, Any]]]:
    """The smallest export that keeps to :data:`MOST_LOSS`, as ``work/<name>.onnx``, and what was tried."""
    wrapped = _with_lineage(wrap_run(candidate.run, own=own), candidate)
    exact = _torch_probabilities(wrapped, own)
    tried: list[dict[str, Any]] = []
    for precision in PRECISIONS:
        out = work / f"{candidate.released_as}.onnx"
        say(f"{candidate.released_as}: exporting in {precision}")
        try:
            export = export_onnx(wrapped, out, precision=precision, own=own)
        except ParityError as error:
            tried.append({"precision": precision, "refused": str(error).split(";")[0]})
            say(f"{candidate.released_as}: {precision} refused: {error}")
            continue
        cost = _inner_loss(wrapped, exact, out, own)
        row = {"precision": precision, "bytes": export.size, "inner_fold": cost}
        tried.append(row)
        say(
            f"{candidate.released_as}: {precision}, {export.size:,} bytes; on the inner fold balanced accuracy "
            f"{cost['balanced_accuracy']:.4f}, in float32 {cost['balanced_accuracy_float32']:.4f}; "
            f"{percent(cost['agreement'], 2)} keep their answer"
        )
        if not (reason := refusal(export.size, cost)):
            return export, tried
        row["refused"] = reason
        out.unlink()
    reasons = "; ".join(f"{row['precision']}: {row['refused']}" for row in tried)
    raise BundleError(f"no precision of {candidate.run} can be released ({reasons}): wanted one of at most "
                      f"{MAX_RELEASED_BYTES:,} bytes that loses at most {MOST_LOSS:g}")  # fmt: skip


def refusal(size: int, cost: Mapping[str, Any]) -> str:
    """Why an export of ``size`` bytes with this loss on the inner fold is not released; empty where it may be.

    >>> refusal(1_300_000, {"lost_balanced_accuracy": -0.002, "lost_sensitivity": 0.0, "positives": 90})
    ''
    """
    if size > MAX_RELEASED_BYTES:
        return f"{size:,} bytes are more than {MAX_RELEASED_BYTES:,}"
    allowed = {"balanced_accuracy": MOST_LOSS, "sensitivity": max(MOST_LOSS, 1.5 / max(cost["positives"], 1))}
    wrong = [
        f"{100 * cost[f'lost_{name}']:.2f} points of {name.replace('_', ' ')} (at most {100 * most:.2f})"
        for name, most in allowed.items()
        if not cost[f"lost_{name}"] <= most
    ]
    return f"on the inner fold it loses {' and '.join(wrong)}" if wrong else ""


def _inner_loss(wrapped: Wrapped, exact: Any, path: Path, own: OwnImages) -> dict[str, Any]:
    """What a precision costs on the whole inner fold, against PyTorch's own answers there, ``exact``."""
    rows = own.validation
    labels = own.labels[rows]
    rounded = answers(onnx.load(path), own, rows).probabilities.astype(float)
    group = [code in wrapped.bundle.triage.group for code in wrapped.checkpoint.classes]
    positive = [group[label] for label in labels]
    threshold = wrapped.bundle.triage.threshold
    caught = [
        float((values[positive][:, group].sum(axis=1) >= threshold).mean()) if any(positive) else float("nan")
        for values in (exact, rounded)
    ]
    balanced = [metrics.balanced_accuracy(labels, values) for values in (exact, rounded)]
    return {
        "images": len(rows),
        "positives": sum(positive),
        "agreement": float((exact.argmax(axis=1) == rounded.argmax(axis=1)).mean()),
        "balanced_accuracy": balanced[1],
        "balanced_accuracy_float32": balanced[0],
        "lost_balanced_accuracy": balanced[0] - balanced[1],
        "sensitivity": caught[1],
        "sensitivity_float32": caught[0],
        "lost_sensitivity": caught[0] - caught[1],
    }


def _torch_probabilities(wrapped: Wrapped, own: OwnImages) -> Any:
    """The wrapper's calibrated probabilities on the inner fold, by PyTorch, float64 (images, classes)."""
    import numpy as np
    import torch

    with torch.inference_mode():
        batches = own.batches(own.validation, 64)
        parts = [wrapped.network(torch.from_numpy(batch))[0].numpy() for batch in batches]
    return np.concatenate(parts).astype(np.float64)


def with_present_words(taxonomy: Taxonomy) -> Taxonomy:
    """The same classes with the package's present words for patients: a run's set may be older than they are."""
    known = {each.code: each for each in EIGHT.classes}
    classes = (replace(each, plain=known[each.code].plain) if each.code in known else each for each in taxonomy.classes)
    return replace(taxonomy, classes=tuple(classes))


def _with_lineage(wrapped: Wrapped, candidate: Candidate) -> Wrapped:
    """The same, whose description names every run behind the weights and their inherited licence, in present words."""
    bundle = wrapped.bundle
    training_data = {
        **bundle.training_data,
        "licence": candidate.licence,
        "all_sources": [
            {key: getattr(stage, key) for key in ("source", "licence", "training_images", "citation")}
            for stage in candidate.stages
        ],
    }
    provenance = {
        **bundle.provenance,
        "released_as": candidate.released_as,
        "commands": [stage.command for stage in candidate.stages],
        "commits": [stage.commit for stage in candidate.stages],
    }
    return replace(
        wrapped,
        bundle=replace(
            bundle,
            taxonomy=with_present_words(bundle.taxonomy),
            training_data=training_data,
            provenance=plain_values(provenance),
            recipe=plain_values(dict(bundle.recipe)),
            intended_use=f"{bundle.intended_use} Non-commercial use only ({candidate.licence})."
            if "NC" in candidate.licence
            else bundle.intended_use,
        ),
    )


def _describe(candidate: Candidate, export: Export, tried: list[dict[str, Any]]) -> dict[str, Any]:
    """A model's part of ``release.json``: figures copied from files, nothing typed in."""
    report, bundle = candidate.report, export.bundle
    triage = to_plain(report.triage)
    content = export.path.read_bytes()
    headline = ("balanced_accuracy", "top1", "macro_auc", "melanoma_auc", "malignant_auc", "melanoma_sensitivity")
    return {
        "file": export.path.name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "model": bundle.model,
        "parameters": bundle.parameters,
        "classes": list(bundle.classes),
        "size": bundle.image_spec.size,
        "licence": candidate.licence,
        "run": candidate.name,
        "precision": dict(bundle.precision),
        "tried": tried,
        "parity": str(export.parity),
        "novelty": dict(bundle.novelty),
        "judged_on": {
            "source": report.provenance.evaluated_on.source,
            "images": report.images,
            "groups": report.groups,
            "folds": list(report.folds),
            "manifest_sha256": report.provenance.evaluated_on.manifest_sha256,
        },
        "figures": {name: to_plain(getattr(report, name)) for name in headline},
        "triage": {"threshold": triage["risk_threshold"], "test": triage["test"]},
        "stages": [stage.to_dict() for stage in candidate.stages],
    }


def _move_all(work: Path, folder: Path) -> None:
    """Give the new files their names, the list of checksums last: until then a changed bundle is refused."""
    for path in sorted(work.iterdir()):
        path.replace(folder / path.name)
    _write_sums(folder)


def _write_sums(folder: Path) -> None:
    """``SHA256SUMS`` of all released files in ``folder``."""
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for path in sorted(folder.iterdir())
        if path.suffix in (".onnx", ".md", ".json") and path.is_file()
    ]
    write_text(folder / SUMS, "".join(lines))
