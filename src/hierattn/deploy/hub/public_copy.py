"""What may leave this machine of a run: weights, bundle and cards, and nothing that leads back to a photograph.

A checkpoint keeps digests of the photographs that it was trained on, which would tell anybody who holds a photograph
that it was among them; its recipe names folders of the machine. Both stay here. Neither a photograph nor a crop, a heat
map, a figure, a table of predictions or an image's name is ever copied.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from hierattn.bundle.bundle import Bundle, read_bundle
from hierattn.deploy.export.export import export
from hierattn.deploy.hub.hub_cards import croissant, data_card, hub_card
from hierattn.errors import UsageError
from hierattn.evaluation.folder import find_evaluation
from hierattn.evaluation.report import Report, report_of
from hierattn.files import FolderKind, whole_folder, write_bytes, write_json, write_text
from hierattn.hub import BUNDLE, CARD, CONFIG, CROISSANT, DATA_CARD, WEIGHTS
from hierattn.models.timm_networks import PREFIX as TIMM
from hierattn.models.weights.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from hierattn.run_folder import RunFolder

KIND = FolderKind("a model to push", mark=CARD)


def make_public_copy(
    run: Path, out: Path, place: str, *, data: Path | None = None, licence: str | None = None
) -> tuple[Report, tuple[str, ...]]:
    """Write into ``out`` all that would be pushed, for its owner to read first: (the run's report, notes).

    Parameters
    ----------
    run
        A run folder that 'hierattn evaluate' has evaluated.
    out
        The folder to make; an earlier one, unchanged, is replaced.
    place
        The repository, ``OWNER/NAME``.
    data
        Where the prepared set is now, if it has moved.
    licence
        Of the weights; None: that of the data that they were trained on.

    Raises
    ------
    UsageError
        Where the run was not evaluated, or ``out`` holds something else.
    CheckpointError, BundleError, ParityError
        Where the checkpoint is damaged, or its export does not agree with it.
    """
    folder = RunFolder(run)
    evaluation = find_evaluation(run)
    if evaluation.path != folder.evaluation:
        raise UsageError(f"{run} is an evaluation: wanted the run folder that it belongs to")
    report = report_of(evaluation)
    checkpoint = load_checkpoint(folder.best)
    public = replace(checkpoint, trained_on=None, recipe=without_paths(checkpoint.recipe))
    with whole_folder(out, KIND, inputs=[run]) as work:
        save_checkpoint(work.folder / WEIGHTS, public)
        exported = export(run, work.folder / BUNDLE, data=data)
        _describe_again(work.folder / BUNDLE, without_paths(exported.export.bundle.recipe))
        write_json(work.folder / CONFIG, timm_config(public))
        write_text(work.folder / DATA_CARD, data_card(report, public))
        write_json(work.folder / CROISSANT, croissant(report, public))
        write_text(work.folder / CARD, hub_card(report, public, place, licence))
    return report, exported.notes


def without_paths(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe, as nested plain values, without the names of folders and files on this machine.

    >>> without_paths({"name": "xs", "data": {"prepared": "/clinic/patients", "fold": 0}})
    {'name': 'xs', 'data': {'prepared': '', 'fold': 0}}
    """
    values = {key: dict(value) if isinstance(value, Mapping) else value for key, value in recipe.items()}
    if "data" in values:
        values["data"]["prepared"] = ""
    if values.get("transfer", {}).get("checkpoint"):
        values["transfer"]["checkpoint"] = _kept(str(values["transfer"]["checkpoint"]))
    for table, key in (("transfer", "averaged_with"), ("distillation", "teacher")):
        if paths := values.get(table, {}).get(key):
            values[table][key] = [_kept(str(path)) for path in ([paths] if isinstance(paths, str) else paths)]
    return values


def _kept(reference: str) -> str:
    """The last part of a path; a package's or a released model's name as it is."""
    return reference if reference.startswith(("package:", "released:")) else Path(reference).name


def _describe_again(path: Path, recipe: Mapping[str, Any]) -> None:
    """Put another recipe, and no list of photographs, into a bundle's description; its graph stays as it is."""
    import onnx

    content, bundle = read_bundle(path)
    described: Bundle = replace(bundle, recipe=recipe, trained_on="")
    model = onnx.load_from_string(content)
    onnx.helper.set_model_props(model, described.to_metadata())
    write_bytes(path, model.SerializeToString())


def timm_config(checkpoint: Checkpoint) -> dict[str, Any]:
    """``config.json`` as timm reads it, with the classes' codes and names: ``timm.create_model("hf-hub:OWNER/NAME")``.

    For HierAttn's variants ``import hierattn.timm`` must come first; torchvision's networks timm does not have.
    """
    spec, classes = checkpoint.image_spec, checkpoint.taxonomy.classes
    names = {} if checkpoint.model.startswith(TIMM) else {"first_conv": "stem.conv", "classifier": "classifier"}
    return {
        "architecture": checkpoint.model.removeprefix(TIMM),
        "num_classes": len(classes),
        "label_names": [each.code for each in classes],
        "label_descriptions": {each.code: each.name for each in classes},
        "model_args": dict(checkpoint.options),
        "pretrained_cfg": {
            "input_size": [spec.channels, spec.size, spec.size],
            "mean": list(spec.mean),
            "std": list(spec.std),
            "interpolation": spec.interpolation,
            "crop_pct": 1.0,
            "crop_mode": "squash",
            "num_classes": len(classes),
            **names,
        },
        "hierattn": {"image_spec": spec.to_dict(), "bundle": BUNDLE},
    }
