"""What flips the advice of a run, on lesions of its outer fold: a table and every figure, for results/.

    python -m tools.results.artefacts RUN PREPARED results/artefacts 300

Of the outer fold so many photographs are taken, one of each lesion first (all with 0). It is a look at that fold, and
is recorded in the set as one. ``artefacts.json`` holds the figures, ``artefacts.md`` the table; no photograph, no id.
'hierattn shift' measures the same on the whole fold.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from hierattn.data.prepared_set.looker import looking_by
from hierattn.errors import HierAttnError
from hierattn.evaluation.clinical_use.artefacts import measure_artefacts
from hierattn.evaluation.folder import EvaluationFolder
from hierattn.evaluation.measures.calibration import read_calibration
from hierattn.evaluation.measures.robustness import choose_rows
from hierattn.evaluation.pages.clinical_use import artefact_lines
from hierattn.evaluation.predict import Network, predictions_of
from hierattn.evaluation.predictions import rows_of
from hierattn.evaluation.records import to_plain
from hierattn.evaluation.selection import outer_fold
from hierattn.evaluation.trained_run import TrainedRun
from hierattn.files import write_json, write_text
from hierattn.preprocessing.cleaning import clean_changed


def main(run: Path, prepared: Path, out: Path, most: int) -> None:
    """Measure, record the look, and write."""
    trained = TrainedRun.open(run)
    packed, checkpoint = trained.open_own_set(prepared), trained.checkpoint
    rows = outer_fold(packed, trained).rows
    network = Network(checkpoint.build(), checkpoint.taxonomy, checkpoint.image_spec, batch_size=64)
    records = [packed.records[int(row)] for row in rows]
    uniform = np.full((len(rows), len(checkpoint.classes)), 1 / len(checkpoint.classes))
    chosen = choose_rows(predictions_of(records, checkpoint.taxonomy, uniform), most or len(rows))
    images = packed.images[rows[chosen]]
    answers = network.probabilities(images, np.arange(len(images)))
    some = predictions_of([records[place] for place in chosen], checkpoint.taxonomy, answers)
    found = measure_artefacts(
        lambda pictures: network.probabilities(clean_changed(pictures, packed.image_spec), np.arange(len(pictures))),
        images,
        rows_of(some, np.arange(len(some))),
        read_calibration(EvaluationFolder(trained.run.evaluation).calibration),
        progress=lambda step, done, total: print(f"{step}: {done} of {total}", flush=True),
    )
    if found is None:
        raise SystemExit(f"{run} has no threshold of the advice")
    with looking_by("artefacts"):
        looked = trained.record_look(packed, len(some), {}, **trained.judged)
    command = f"python -m tools.results.artefacts RUN PREPARED {out} {most}"
    lines = [f"# What flips the advice of {run.resolve().name}\n\n", f"`{command}`\n", *artefact_lines(found)]
    lines += ["\n", *(f"{line}\n" for line in (*looked.warnings(), *looked.sentences()))]
    write_json(out / "artefacts.json", {"run": run.resolve().name, "command": command, **to_plain(found)})
    write_text(out / "artefacts.md", "".join(lines))


if __name__ == "__main__":
    if len(sys.argv) != 5:
        raise SystemExit(__doc__)
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
    except HierAttnError as error:
        raise SystemExit(str(error)) from None
