"""What lies beside a released bundle for people to read: its card, and the licence of all of them.

The card is the run's model card (:mod:`hierattn.evaluation.pages.model_card`), with what only a release knows before
it: the file, what its precision cost, the commands that made the weights, the change of source, and what it must not
be used for. Every figure comes from a file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hierattn.evaluation.pages.html_report import percent
from hierattn.evaluation.pages.model_card import model_card
from hierattn.evaluation.records import to_plain
from hierattn.evaluation.report import Report
from tools.figure_text import figure, sensitivity
from tools.release.candidate import Candidate
from tools.release.lineage import Stage
from tools.results.published import RESULTS, published_runs

TAKEN = {
    "dermoscopy": "photographs taken through a dermatoscope",
    "phone": "photographs taken with a phone's or a camera's own lens",
}
SETS = {"dermoscopy": "two-sources", "phone": "pad-ufes-20"}
"""Domain -> the folder of results/ that its runs are in."""
NOT_FOR = (
    "Not for deciding that a lesion needs no doctor, in a clinic or at home: no answer of this model rules cancer out.",
    "Not for commercial use, because of the licences below.",
    "Not for screening people, for insurance, or for choosing who is seen first, without a study on the very people, "
    "cameras and lesions that it would meet.",
    "Not for children, mucosa, nails, scalp hair, tattoos, wounds or rashes: none of them is in its data.",
    "Not for skin that its data hold little of. The tables below say which skin types, ages and body sites were "
    "measured; of those that they lack, nothing is known.",
    "Not for any but {taken}. On others it can be no better than chance, and rejects only a part of them: see the "
    "change of source below.",
)
REMARKS = {
    "two-lite0-192-longer": "**It failed the rule that was set for it first**: melanoma AUC on phone photographs, "
    "which neither dermoscopy model has seen, fell by more than the rule allowed. It was "
    "released by a second rule, written when its figures on the outer folds were known, and decided by "
    "leave-one-source-out alone: docs/protocol.md, changes after freezing. What lies on the skin moves its advice more "
    "often than that of the small one. docs/released-models.md has the figures.",
}
"""Run -> what the protocol wants said of how it came to be released."""
UNKNOWN_SHIFT = (
    "Not measured: 'hierattn shift RUN --data OTHER' does. Expect the figures above to fall on photographs from other "
    "sources."
)


def release_card(candidate: Candidate, model: Mapping[str, Any]) -> str:
    """The card of one released bundle, Markdown.

    Parameters
    ----------
    candidate
        The run behind it.
    model
        Its part of ``release.json``.
    """
    body = model_card(candidate.report).partition("\n")[2].strip()
    taken = TAKEN[candidate.domain]
    parts = [
        f"# Released model: {candidate.released_as}",
        f"For {taken}. **Not a medical device. {licence_sentence(candidate.licence)}**",
        *([REMARKS[candidate.name]] if candidate.name in REMARKS else []),
        "## What it must not be used for",
        "\n".join(f"- {line.format(taken=taken)}" for line in NOT_FOR),
        "## The file",
        _file(model),
        "## How the weights were made",
        "By these commands, in this order, with the recipes of the commits beside them; reproduce/release.sh is all "
        "of it from the data on.",
        _commands(candidate.stages),
        _stages(candidate.stages),
        f"Trained on photographs under: {candidate.licence}. A model inherits the conditions of all photographs that "
        "its weights have seen, and so of every run above.",
        "## Under a change of source",
        *never_seen(candidate.domain),
        candidate.shift_text or UNKNOWN_SHIFT,
        f"## The run {model['run']}, on its held-out outer fold",
        *looked_before(candidate.domain, candidate.report),
        body.replace("\n## ", "\n### ").replace("\n### By", "\n#### By"),
    ]
    return "\n\n".join(parts).rstrip() + "\n"


def never_seen(domain: str, results: Path = RESULTS) -> list[str]:
    """What runs of the same set showed on the source that each left out, which stands first; empty where none did."""
    runs = [run for run in published_runs(results, left_out=True) if run.path.parent.name == SETS[domain]]
    lines = []
    for run in runs:
        report = run.report
        lines.append(
            f"- {report.protocol.source}, never seen by {run.path.name} ({report.provenance.model}): {report.images:,} "
            f"photographs, melanoma AUC {figure(to_plain(report.melanoma_auc))}, referral sensitivity at the threshold "
            f"{sensitivity(to_plain(report)['triage']['test'])}."
        )
    said = (
        "On a clinic that a network of this data has never seen (leave one source out; another network than this one, "
        "whose training took all of these sources):"
    )
    return [said, "\n".join(lines)] if lines else []


def looked_before(domain: str, report: Report, results: Path = RESULTS) -> list[str]:
    """Which published networks were judged on the fold of ``report`` too; empty where none was."""
    names = [
        run.path.name
        for run in published_runs(results)
        if run.path.parent.name == SETS[domain] and run.report.folds == report.folds and run.report.run != report.run
    ]
    if not names:
        return []
    return [
        f"This fold has judged other published networks too: {', '.join(names)}. The looks that are counted below are "
        "those recorded in one prepared folder; earlier ones, and what they were not allowed to decide, are in "
        "docs/protocol.md."
    ]


def licence_sentence(licence: str) -> str:
    """What a licence means for a user, in one sentence."""
    if "NC" in licence:
        return f"Non-commercial use only: it was trained on photographs under {licence}."
    return f"It was trained on photographs under {licence}."


def _file(model: Mapping[str, Any]) -> str:
    cost = model["precision"]
    lines = [
        f"- `{model['file']}`, {model['bytes']:,} bytes, SHA-256 `{model['sha256']}`.",
        f"- {model['model']}, {model['parameters']:,} parameters, {model['size']} x {model['size']} pixels, classes "
        f"{', '.join(model['classes'])}.",
        f"- Stored as {cost['name']}: on the {cost['images']:,} images of the outer fold balanced accuracy is "
        f"{percent(cost['balanced_accuracy'])}, in float32 {percent(cost['balanced_accuracy_float32'])}, and "
        f"{percent(cost['agreement'])} keep their answer.",
        f"- Compared with PyTorch: {model['parity']}.",
    ]
    refused = [row for row in model["tried"] if "refused" in row]
    lines += [f"- {row['precision']} was tried and not taken: {row['refused']}." for row in refused]
    novelty = model["novelty"]
    rejected = novelty.get("rejected")
    if rejected is not None:
        lines.append(
            f"- Of the outer fold's lesions, {percent(rejected)} are rejected as unlike the training photographs."
        )
    lines += [
        f"- Of {kind['images']:,} photographs of another kind ({kind['name']}) that it was not fitted to, "
        f"{percent(kind['rejected'])} are rejected. Below, under a change of source, this part of the rejection is not "
        "counted."
        for kind in novelty.get("other_kinds", ())
    ]
    return "\n".join(lines)


def _commands(stages: Sequence[Stage]) -> str:
    return "```sh\n" + "\n".join(stage.command for stage in stages) + "\n```"


def _stages(stages: Sequence[Stage]) -> str:
    lines = ["| run | recipe | commit | images of | licence | began with | teacher |", "|---|---|---|---|---|---|---|"]
    lines += [
        f"| {stage.name} | {stage.recipe} | `{stage.commit or 'unknown'}` | {stage.training_images:,} of "
        f"{stage.source or 'unknown'} | {stage.licence or 'unknown'} | {_before(stage)} |"
        for stage in stages
    ]
    bundles = ", ".join(dict.fromkeys(stage.told_by for stage in stages if stage.told_by))
    if bundles:
        lines.append(
            f"\nThe runs recorded in {bundles} are those behind that bundle: its weights, rounded as it stores them, "
            "were read back."
        )
    return "\n".join(lines)


def _before(stage: Stage) -> str:
    """What a run began with, and its teachers."""
    if stage.told_by:
        return f"recorded in {stage.told_by} | –"
    return f"{stage.began_with or 'random weights'} | {stage.taught_by or '–'}"


def licence_text(models: Mapping[str, Mapping[str, Any]]) -> str:
    """``LICENCE.md`` of all released bundles."""
    rows = ["| bundle | licence | trained on | its licence |", "|---|---|---|---|"]
    citations: dict[str, None] = {}
    for name, model in sorted(models.items()):
        seen = dict.fromkeys((stage["source"], stage["licence"]) for stage in model["stages"])
        rows += [f"| {name} | {model['licence']} | {source} | {licence} |" for source, licence in seen]
        citations |= dict.fromkeys(part for stage in model["stages"] for part in stage["citation"].split("; ") if part)
    return "\n".join(
        [
            "# Licence of the released models",
            "",
            "The code of this package is under Apache-2.0. **The bundles in this folder are not.** Their weights were "
            "trained on photographs and keep the conditions of all of them, those included that only their starting "
            "weights had seen. CC BY-NC 4.0 (https://creativecommons.org/licenses/by-nc/4.0/) allows sharing and "
            "changing with attribution, and no commercial use.",
            "",
            *rows,
            "",
            "Attribution:",
            "",
            *(f"- {citation}" for citation in citations),
            "",
            "Not medical devices. No warranty of any kind.",
            "",
        ]
    )
