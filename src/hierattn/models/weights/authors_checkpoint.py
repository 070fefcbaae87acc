"""Read a checkpoint of the published HierAttn code: the same network under other names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from hierattn.errors import CheckpointError, UsageError
from hierattn.models.hierattn import HierAttn
from hierattn.models.registry import VARIANTS, create_model
from hierattn.models.weights.checkpoint import all_finite
from hierattn.models.weights.foreign_names import AUTHORS
from hierattn.models.weights.weight_files import read_state_dict


def import_authors_checkpoint(
    source: Path | str | Mapping[str, Tensor], model_name: str, skip: bool = True
) -> HierAttn:
    """A ready model from a checkpoint of the published HierAttn code.

    Parameters
    ----------
    source
        The file, or its names and tensors.
    model_name
        ``"hierattn_xs"``, ``"hierattn_s"`` or ``"hierattn_m"``.
    skip
        Whether the network was trained with the CTH block's skip connection (Table 6). The file does not say.

    Returns
    -------
    HierAttn
        In evaluation mode, with as many classes as the file's classifier. It reads RGB.

    Raises
    ------
    CheckpointError
        Where the file is damaged, or not that variant's: says what did not fit, and which variant would.
    UsageError
        For a name that is no variant of HierAttn.
    """
    if model_name not in VARIANTS:
        raise UsageError(f"{model_name!r} is no variant of HierAttn: wanted one of {', '.join(VARIANTS)}")
    tensors = read_state_dict(Path(source)) if isinstance(source, Path | str) else source
    names = AUTHORS.translate(tensors)
    if "classifier.weight" not in names or tensors[names["classifier.weight"]].ndim != 2:
        raise CheckpointError("no Classifier.fc.weight: wanted a checkpoint of the published HierAttn code")
    classes = tensors[names["classifier.weight"]].shape[0]
    model = create_model(model_name, num_classes=classes, cth_skip=skip)
    assert isinstance(model, HierAttn)
    target = model.state_dict()
    problems = [f"{name} is missing" for name in target if name not in names]
    problems += [f"{name} has no place here" for name in tensors if name not in set(names.values())]
    problems += [
        f"{names[ours]} has shape {tuple(tensors[names[ours]].shape)}, wanted {tuple(value.shape)}"
        for ours, value in target.items()
        if ours in names and tensors[names[ours]].shape != value.shape
    ]
    if problems:
        more = f" and {len(problems) - 1} more" if len(problems) > 1 else ""
        raise CheckpointError(f"the file is no {model_name}: {problems[0]}{more}{_other_variant(names, tensors)}")
    if not all_finite(tensors):
        raise CheckpointError("the file holds values that are not finite: it is damaged, or its training diverged")
    model.load_state_dict({ours: tensors[theirs] for ours, theirs in names.items()})
    return model.eval()


def _other_variant(names: Mapping[str, str], tensors: Mapping[str, Tensor]) -> str:
    """Which variant's last stage the file holds, for the error message."""
    last = names.get("stages.2.cth.transformer.norm.weight")
    if last is None:
        return ""
    width = tensors[last].numel()
    fits = [name for name, config in VARIANTS.items() if config.transformer_dims[-1] == width]
    return f"; its transformers are {fits[0]}'s" if fits else ""
