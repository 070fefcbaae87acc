"""From a checkpoint and what lies beside it to the network that every exporter takes, and its description."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hierattn.bundle.bundle import Bundle
from hierattn.deploy.export.description import describe, find_calibration, find_reference, find_report
from hierattn.deploy.export.exportable import CalibratedNetwork
from hierattn.deploy.export.own_images import OwnImages
from hierattn.deploy.export.rejection.fit import fit_rejection
from hierattn.deploy.export.rejection.novelty import MIN_IMAGES
from hierattn.errors import CheckpointError, UsageError
from hierattn.evaluation.folder import EvaluationFolder
from hierattn.evaluation.report import report_of
from hierattn.models.weights.checkpoint import Checkpoint, all_finite, count_parameters, load_checkpoint
from hierattn.run_folder import RunFolder


@dataclass(frozen=True)
class Wrapped:
    """What an exporter needs.

    Attributes
    ----------
    checkpoint
        What was trained.
    network
        The network in its wrapper, in evaluation mode.
    bundle
        What the file will say of itself.
    """

    checkpoint: Checkpoint
    network: CalibratedNetwork
    bundle: Bundle


def wrap_run(source: Path, *, heatmap: bool = True, own: OwnImages | None = None) -> Wrapped:
    """As :func:`wrap`, for a run folder or a ``.safetensors`` file, with the evaluation beside the weights."""
    path = RunFolder(source).best if source.is_dir() else source
    evaluation = EvaluationFolder(RunFolder(path.parent).evaluation)
    if evaluation.report.is_file():
        report_of(evaluation, path)
    return wrap(load_checkpoint(path), evaluation.path, heatmap=heatmap, own=own)


def wrap(
    checkpoint: Checkpoint, evaluation: Path | None = None, *, heatmap: bool = True, own: OwnImages | None = None
) -> Wrapped:
    """Put ``checkpoint`` into its wrapper.

    Parameters
    ----------
    checkpoint
        What was trained.
    evaluation
        A folder with ``calibration.json`` and ``report.json``. Where the first is missing, the temperature is 1 and
        there is no threshold; where the second is, there are no figures.
    heatmap
        Whether to compute a heat map, where the network's head allows it.
    own
        The run's own images, for the novelty; None leaves that output out.

    Raises
    ------
    CheckpointError
        Where weights are not finite.
    UsageError
        Where photographs of another kind are to be rejected, and this network or so few images allow no rejection.
    """
    if not all_finite(checkpoint.state_dict):
        raise CheckpointError(f"the weights of {checkpoint.model} are not all finite: train again, this run diverged")
    model = checkpoint.build()
    calibration = find_calibration(evaluation)
    fitted = None if own is None else fit_rejection(model, own, checkpoint.image_spec, checkpoint.classes)
    if own is not None and own.others and fitted is None:
        raise UsageError(
            f"{checkpoint.model} can reject no photographs of another kind: wanted a network whose classifier reads "
            f"the mean of its last map, and {MIN_IMAGES} images or more in the training folds and in the inner one; "
            "leave --reject out"
        )
    network = CalibratedNetwork(
        model,
        checkpoint.image_spec,
        [float(code in checkpoint.taxonomy.triage_group) for code in checkpoint.classes],
        1.0 if calibration is None else calibration.temperature,
        heatmap=heatmap,
        class_bias=() if calibration is None else calibration.class_bias,
        novelty=None if fitted is None else fitted.layer,
        answers_temperature=None if calibration is None else calibration.answers_temperature,
    ).eval()
    described = describe(
        checkpoint,
        count_parameters(model),
        calibration,
        find_report(evaluation),
        network.evidence_from,
        None if fitted is None else fitted.description,
        find_reference(evaluation, checkpoint.taxonomy, calibration),
    )
    return Wrapped(checkpoint, network, described)
