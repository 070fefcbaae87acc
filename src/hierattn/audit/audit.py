"""``audit``: a prepared set and runs in, a page to look through and a table to decide in out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import hierattn
from hierattn.audit.findings import COPIES, KINDS, Auditor, Found, name_images
from hierattn.audit.held_out import HeldOut, open_runs, predict_held_out
from hierattn.audit.label_errors import check_cleanlab
from hierattn.audit.page import render_audit
from hierattn.data.prepare.decisions import write_findings
from hierattn.data.prepared_set.packed import NEAR_DUPLICATES, PackedSet
from hierattn.errors import UsageError
from hierattn.evaluation.predict import choose_device
from hierattn.files import FolderKind, check_replaceable, whole_folder, write_json, write_text
from hierattn.progress import Progress

JSON, PAGE, DECISIONS = "audit.json", "audit.html", "decisions.csv"
KIND = FolderKind("a label audit", mark=JSON)
MOST = 1000


@dataclass(frozen=True)
class AuditOptions:
    """How a set is audited.

    Attributes
    ----------
    most
        Findings of a kind that the page shows, 1 to 1000; the table lists all.
    device
        ``auto``, ``cpu`` or ``cuda``.
    batch_size
        Images in one forward pass.
    """

    most: int = 100
    device: str = "auto"
    batch_size: int = 64

    def __post_init__(self) -> None:
        if not 1 <= self.most <= MOST:
            raise UsageError(f"--most {self.most}: wanted 1 to {MOST} findings of a kind on the page")
        if self.batch_size < 1:
            raise UsageError(f"batch size {self.batch_size}: wanted 1 or more")


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Attributes
    ----------
    folder
        Where its files lie.
    found
        The findings, in the order of the table.
    summary
        The contents of ``audit.json``.
    """

    folder: Path
    found: tuple[Found, ...]
    summary: dict[str, Any]


def audit(
    prepared: Path,
    runs: Sequence[Path],
    out: Path,
    options: AuditOptions | None = None,
    *,
    progress: Progress | None = None,
) -> Audit:
    """Find likely label errors, pictures of something else, and copies with two labels.

    Nothing is changed: the findings are a table for a person to decide in (``prepare --decisions``), and no protocol
    asks for an audit.

    Parameters
    ----------
    prepared
        The prepared set.
    runs
        Run folders, or folders of a cross-validation. With none, labels are not judged.
    out
        The folder to make: ``audit.html``, ``decisions.csv``, ``audit.json``. An earlier audit there is replaced, but
        not one in which something was decided.
    options
        How; the defaults of :class:`AuditOptions`.
    progress
        Told of images done.

    Raises
    ------
    UsageError, DataError, CheckpointError
        Where the set or a run is missing or damaged, a run does not name what it was trained on, or ``out`` must not
        be replaced.
    MissingPackageError
        Where there are runs, and cleanlab is not installed.
    """
    options = options or AuditOptions()
    packed = PackedSet.open(prepared)
    check_replaceable(out, KIND, inputs=[prepared, *runs])
    held_out, notes = None, ["no run was given: labels are not judged, nor is how strange a photograph is"]
    if runs:
        check_cleanlab()
        trained, notes = open_runs(runs)
        device = choose_device(options.device)
        held_out = predict_held_out(packed, trained, device=device, batch_size=options.batch_size, progress=progress)
        notes += held_out.notes
    if not (packed.folder / NEAR_DUPLICATES).is_file():
        notes.append("the set was prepared without near-duplicates: copies with two labels are not looked for")
    auditor, names = Auditor(packed, held_out), name_images(packed)
    found = (*auditor.label_errors(names), *auditor.off_topic(names, progress), *auditor.copies(names))
    summary = _summary(packed, runs, held_out, found, notes)
    facts = {
        "Set": packed.info.get("source", ""),
        "Manifest": packed.manifest_sha256,
        "Runs": ", ".join(path.name for path in runs) or "none",
        "Label errors by": summary["label_errors_by"],
    }
    judged = [] if held_out is None else held_out.rows.tolist()
    with whole_folder(out, KIND, inputs=[prepared, *runs]) as place:
        write_findings(place.folder / DECISIONS, [one.finding for one in found])
        write_text(place.folder / PAGE, render_audit(packed, found, judged, notes, facts, options.most))
        write_json(place.folder / JSON, summary)
    return Audit(out, found, summary)


def _summary(
    packed: PackedSet, runs: Sequence[Path], held_out: HeldOut | None, found: Sequence[Found], notes: Sequence[str]
) -> dict[str, Any]:
    counts = Counter(one.finding.kind for one in found)
    counts[COPIES] //= 2
    originals = sum(record.role == "original" for record in packed.records)
    judged = 0 if held_out is None else len(held_out.rows)
    return {
        "made_by": f"hierattn {hierattn.__version__}",
        "label_errors_by": "–" if held_out is None else f"confident learning, cleanlab {version('cleanlab')}",
        "set": packed.folder.resolve().name,
        "manifest_sha256": packed.manifest_sha256,
        "runs": [path.name for path in runs],
        "photographs": originals,
        "judged": judged,
        "judged_in_an_outer_fold": 0 if held_out is None else int(held_out.outer.sum()),
        "not_judged": originals - judged,
        "findings": {kind: counts[kind] for kind in KINDS},
        "notes": list(notes),
    }
