"""An evaluated run that is to be released, with all that its card says of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hierattn.deploy.predict.released import DOMAIN_OF, Domain
from hierattn.errors import UsageError
from hierattn.evaluation.folder import find_evaluation
from hierattn.evaluation.report import HONEST, Report, report_of
from hierattn.run_folder import RunFolder
from tools.release.lineage import Stage, licence_of, lineage

SHIFT = "shift.md"
"""What 'hierattn shift' leaves in a run's ``shift`` folder, for people."""


@dataclass(frozen=True)
class Candidate:
    """An evaluated run that is to be released.

    Attributes
    ----------
    released_as
        The name of its bundle, one of :data:`hierattn.deploy.predict.released.NAMES`.
    run
        Its folder.
    report
        Of its outer fold.
    shift_text
        What 'hierattn shift' measured, Markdown without its title; empty where it was not asked.
    stages
        Every run behind its weights, itself last.
    """

    released_as: str
    run: Path
    report: Report
    shift_text: str
    stages: tuple[Stage, ...]

    @property
    def domain(self) -> Domain:
        """What kind of photograph it is for."""
        return DOMAIN_OF[self.released_as]

    @property
    def name(self) -> str:
        """Of its run."""
        return self.run.resolve().name

    @property
    def licence(self) -> str:
        """What the weights inherit."""
        return licence_of(self.stages)


def examine(released_as: str, run: Path) -> Candidate:
    """Read a run that is to be released, and refuse one that could not stand up to its card.

    Raises
    ------
    UsageError
        Where it was not evaluated on a held-out outer fold, has no calibrated threshold, or rendered lesions made it.
    """
    report = report_of(find_evaluation(run))
    protocol = report.protocol.name
    if protocol != HONEST:
        raise UsageError(f"{run} was evaluated by the protocol {protocol!r}: wanted the honest one, on an outer fold")
    if report.triage is None or not report.triage.has_threshold:
        raise UsageError(f"{run} has no risk threshold: wanted a calibration; run 'hierattn evaluate {run}' again")
    shift = RunFolder(run).shift / SHIFT
    text = shift.read_text(encoding="utf-8").partition("\n")[2].strip() if shift.is_file() else ""
    return Candidate(released_as, run, report, text, lineage(run))
