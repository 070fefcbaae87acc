"""A checkpoint: weights with everything that is needed to use them, in one safetensors file.

Tensors lie under their ``state_dict`` names; the rest is JSON in the file's metadata under ``hierattn``, and the
photographs that the weights have seen (trained_on.py) under ``hierattn.trained_on``. Reading one never executes
anything. Older versions are still read: version 2 had the codes of some of the paper's eight classes in the place of a
taxonomy; version 1 also kept the photographs under another key, and its recipe may have former keys.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from hierattn.errors import CheckpointError, RecipeError, TaxonomyError
from hierattn.files import write_bytes
from hierattn.image_spec import ImageSpec
from hierattn.models.weights.trained_on import TrainedOn, from_text
from hierattn.run_folder import current_keys
from hierattn.taxonomy.built_in import EIGHT
from hierattn.taxonomy.records import Taxonomy

FORMAT_VERSION = 4
"""What is read; what asks nothing is written as version 3, which older versions read, too."""
_DESCRIPTION = "hierattn"
_TRAINED_ON = {1: "hierattn.learnt_from", 2: "hierattn.trained_on", 3: "hierattn.trained_on", 4: "hierattn.trained_on"}
"""Format version -> the metadata key of the photographs."""


@dataclass(frozen=True)
class Checkpoint:
    """Weights and what they need.

    Attributes
    ----------
    model
        A registered model's name, e.g. ``"hierattn_xs"``.
    options
        What :func:`~hierattn.models.registry.create_model` was given beyond the name and the number of classes.
    taxonomy
        The classes in the order of the outputs.
    image_spec
        What the network expects of an image.
    state_dict
        The weights, on the CPU.
    recipe
        The resolved recipe, as nested plain values; empty for imported weights.
    provenance
        Version, commit, data set, licence, manifest digest, epoch, validation figures, ...: plain values.
    trained_on
        The photographs that the weights have seen; None where the file does not say.
    answers
        The options of the head that reads answers to the taxonomy's questions, as
        :func:`~hierattn.models.asking.asking` takes them; empty for a network that reads photographs alone.
    """

    model: str
    taxonomy: Taxonomy
    image_spec: ImageSpec
    state_dict: Mapping[str, Tensor]
    options: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    trained_on: TrainedOn | None = None
    answers: Mapping[str, Any] = field(default_factory=dict)

    @property
    def network_weights(self) -> Mapping[str, Tensor]:
        """The weights of the network that reads the photograph, without the head that reads answers."""
        if not self.answers:
            return self.state_dict
        part = "network."
        return {name[len(part) :]: value for name, value in self.state_dict.items() if name.startswith(part)}

    @property
    def classes(self) -> tuple[str, ...]:
        """The codes of the classes in the order of the outputs."""
        return self.taxonomy.codes

    def fresh(self) -> nn.Module:
        """The network that the file names, with fresh weights."""
        from hierattn.models.asking import asking
        from hierattn.models.registry import create_model

        model = create_model(self.model, num_classes=len(self.classes), **self.options)
        return asking(model, self.taxonomy.questions, len(self.classes), **self.answers) if self.answers else model

    def build(self) -> nn.Module:
        """The model with these weights, in evaluation mode.

        Raises
        ------
        CheckpointError
            Where the weights do not fit the network that the file names.
        """
        model = self.fresh()
        try:
            load_weights(model, self.state_dict)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:300]
            raise CheckpointError(f"the weights do not fit {self.model}: {reason}") from None
        return model.eval()


def load_weights(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Put tensors by name into a model that has exactly these names.

    Torch keeps the version of a layout beside a state_dict; a plain dictionary, as safetensors or an average of weights
    gives, has none, and MnasNet asks for it.

    Raises
    ------
    RuntimeError
        Torch's, where names or shapes differ.
    """
    weights = OrderedDict(tensors)
    weights._metadata = getattr(model.state_dict(), "_metadata", None)  # type: ignore[attr-defined]
    model.load_state_dict(weights)


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write ``checkpoint`` to ``path`` (``*.safetensors``), whole or not at all."""
    described = {
        "format_version": FORMAT_VERSION if checkpoint.answers else 3,
        "model": checkpoint.model,
        "options": dict(checkpoint.options),
        "taxonomy": checkpoint.taxonomy.to_dict(),
        "image_spec": checkpoint.image_spec.to_dict(),
        "recipe": checkpoint.recipe,
        **({"answers": dict(checkpoint.answers)} if checkpoint.answers else {}),
        "provenance": checkpoint.provenance,
    }
    tensors = {name: value.detach().to("cpu").contiguous().clone() for name, value in checkpoint.state_dict.items()}
    metadata = {_DESCRIPTION: json.dumps(described)}
    if checkpoint.trained_on is not None:
        metadata[_TRAINED_ON[FORMAT_VERSION]] = checkpoint.trained_on.to_text()
    # Its own way to a file goes through another, private one beside it, which a kill would leave there for ever.
    write_bytes(path, save(tensors, metadata=metadata))


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises
    ------
    CheckpointError
        Where the file is missing, damaged, not ours, or of a newer format.
    """
    if not path.is_file():
        raise CheckpointError(f"no checkpoint at {path}: wanted a .safetensors file from 'hierattn train'")
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, RuntimeError) as error:
        raise CheckpointError(f"{path} is not a whole safetensors file ({error}); train or copy it again") from None
    return _from_metadata(path, metadata, tensors)


def is_described(path: Path) -> bool:
    """Whether a safetensors file holds our description beside its tensors, whatever these are called.

    Raises
    ------
    CheckpointError
        Where it is no whole safetensors file.
    """
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return _DESCRIPTION in (file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is not a whole safetensors file ({error}); train or copy it again") from None


def _from_metadata(path: Path, metadata: Mapping[str, str], tensors: dict[str, Tensor]) -> Checkpoint:
    if _DESCRIPTION not in metadata:
        raise CheckpointError(f"{path} holds weights without our description: wanted a checkpoint of a run of ours")
    try:
        described = json.loads(metadata[_DESCRIPTION])
        version = int(described["format_version"])
        if version > FORMAT_VERSION:
            raise CheckpointError(f"{path} has format {version}, this hierattn reads {FORMAT_VERSION}; update hierattn")
        trained_on = metadata.get(_TRAINED_ON[version])
        return Checkpoint(
            model=str(described["model"]),
            options=dict(described["options"]),
            taxonomy=EIGHT.subset(described["classes"]) if version < 3 else Taxonomy.from_dict(described["taxonomy"]),
            image_spec=ImageSpec.from_dict(described["image_spec"]),
            state_dict=tensors,
            recipe=current_keys(described["recipe"]),
            provenance=dict(described["provenance"]),
            trained_on=None if trained_on is None else from_text(trained_on),
            answers=dict(described.get("answers", {})),
        )
    except (KeyError, TypeError, ValueError, RecipeError, TaxonomyError) as error:
        raise CheckpointError(f"{path} has a damaged description ({error}); train or copy it again") from None


def count_parameters(model: nn.Module) -> int:
    """The number of learnable values of ``model``."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def all_finite(state_dict: Mapping[str, Tensor]) -> bool:
    """Whether every floating value of ``state_dict`` is finite."""
    return all(bool(torch.isfinite(value).all()) for value in state_dict.values() if value.is_floating_point())
