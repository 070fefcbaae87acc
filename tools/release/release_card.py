"""What lies beside a released bundle for people to read: its card, and the licence of all of them.

The card is the run's model card (:mod:`hierattn.evaluation.pages.model_card`), with what only a release knows before
it: the file, what its precision cost, the commands that made the weights, the change of source, and what it must not
be used for. Every figure comes from a file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hierattn.evaluation.pages.html_report import percent
from hierattn.evaluation.pages.model_card import model_card

if TYPE_CHECKING:
    from tools.release.lineage import Stage
    from tools.release.release import Candidate

TAKEN = {
    "dermoscopy": "photographs taken through a dermatoscope",
    "phone": "photographs taken with a phone's or a camera's own lens",
}
NOT_FOR = (
    "Not for deciding that a lesion needs no doctor, in a clinic or at home: no answer of this model rules cancer out.",
    "Not for commercial use, because of the licences below.",
    "Not for screening people, for insurance, or for choosing who is seen first, without a study on the very people, "
    "cameras and lesions that it would meet.",
    "Not for children, mucosa, nails, scalp hair, tattoos, wounds or rashes: none of them is in its data.",
    "Not for skin that its data hold little of. The tables below say which skin types, ages and body sites were told "
    "apart, and where the data say nothing, nothing is known.",
    "Not for any but {taken}. On others it can be no better than chance, and turns only a part of them away: see the "
    "change of source below.",
)
UNKNOWN_SHIFT = (
    "Not measured: 'hierattn shift RUN --data OTHER' does. Take it for granted that the figures above fall on "
    "photographs from elsewhere."
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
    report = {**candidate.report, "notes": list(candidate.report.get("notes", ()))}
    body = model_card(report).partition("\n")[2].strip()
    taken = TAKEN[candidate.domain]
    parts = [
        f"# Released model: {candidate.domain}",
        f"For {taken}. **Not a medical device. {licence_sentence(candidate.licence)}**",
        "## What it must not be used for",
        "\n".join(f"- {line.format(taken=taken)}" for line in NOT_FOR),
        "## The file",
        _file(model),
        "## How the weights were made",
        "By these commands, in this order, with the recipes of the commits beside them; reproduce/release.sh is all "
        "of it from the data on.",
        _commands(candidate.stages),
        _stages(candidate.stages),
        f"Learnt from photographs under: {candidate.licence}. A model inherits the conditions of what its weights have "
        "seen, and so of every run above.",
        "## Under a change of source",
        candidate.shift_text or UNKNOWN_SHIFT,
        f"## The run {model['run']}, on the fold that it never saw",
        body.replace("\n## ", "\n### ").replace("\n### By", "\n#### By"),
    ]
    return "\n\n".join(parts).rstrip() + "\n"


def licence_sentence(licence: str) -> str:
    """What a licence means for a user, in one sentence."""
    if "NC" in licence:
        return f"Non-commercial use only: it learnt from photographs under {licence}."
    return f"It learnt from photographs under {licence}."


def _file(model: Mapping[str, Any]) -> str:
    cost = model["precision"]
    lines = [
        f"- `{model['file']}`, {model['bytes']:,} bytes, SHA-256 `{model['sha256']}`.",
        f"- {model['model']}, {model['parameters']:,} parameters, {model['size']} x {model['size']} pixels, classes "
        f"{', '.join(model['classes'])}.",
        f"- Stored as {cost['name']}: on the {cost['images']:,} untouched images balanced accuracy is "
        f"{percent(cost['balanced_accuracy'])}, in float32 {percent(cost['balanced_accuracy_float32'])}, and "
        f"{percent(cost['agreement'])} keep their answer.",
        f"- Compared with PyTorch: {model['parity']}.",
    ]
    refused = [row for row in model["tried"] if "refused" in row]
    lines += [f"- {row['precision']} was tried and not taken: {row['refused']}." for row in refused]
    away = model["novelty"].get("turned_away")
    if away is not None:
        lines.append(f"- Of the untouched lesions, {percent(away)} are turned away as unlike the training photographs.")
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
    told = ", ".join(dict.fromkeys(stage.told_by for stage in stages if stage.told_by))
    if told:
        lines.append(
            f"\nThe runs told by {told} are those behind that bundle: its weights, rounded as it stores them, were "
            "read back."
        )
    return "\n".join(lines)


def _before(stage: Stage) -> str:
    """What a run began with, and its teachers."""
    if stage.told_by:
        return f"told by {stage.told_by} | –"
    return f"{stage.began_with or 'random weights'} | {stage.taught_by or '–'}"


def licence_text(models: Mapping[str, Mapping[str, Any]]) -> str:
    """``LICENCE.md`` of all released bundles."""
    rows = ["| bundle | licence | learnt from | its licence |", "|---|---|---|---|"]
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
            "learnt from photographs, and keep the conditions of all of them, of those too that only the weights they "
            "began with had seen. CC BY-NC 4.0 (https://creativecommons.org/licenses/by-nc/4.0/) allows sharing and "
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
