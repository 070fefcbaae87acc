"""A run folder from weights that came back: what evaluate, export and every later stage read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hierattn.data.prepared_set.packed import PackedSet
from hierattn.errors import UsageError
from hierattn.files import write_text
from hierattn.models.weights.checkpoint import load_checkpoint, save_checkpoint
from hierattn.run_folder import RunFolder


def adopt(weights: Path, run: Path, prepared: Path) -> None:
    """Make the run folder ``run`` of averaged ``weights``, which were trained on a pack of the set ``prepared``.

    Raises
    ------
    UsageError
        Where the pack was of another set, or there is a run already.
    """
    checkpoint = load_checkpoint(weights)
    packed = PackedSet.open(prepared)
    if checkpoint.provenance.get("manifest_sha256") != packed.manifest_sha256:
        raise UsageError(
            f"{weights} was trained on a pack of another set than {prepared}: wanted the set that was packed"
        )
    folder = RunFolder(run)
    folder.create(packed.manifest_sha256, {"gpu_quarter_hour": True, **dict(checkpoint.provenance)})
    recipe = {**checkpoint.recipe, "data": {**checkpoint.recipe["data"], "prepared": str(prepared)}}
    save_checkpoint(folder.best, replace(checkpoint, recipe=recipe))
    if checkpoint.trained_on is not None:
        folder.record_trained_on(checkpoint.trained_on.uses())
    import tomli_w

    write_text(folder.recipe, tomli_w.dumps(recipe))
