"""Make the bundles that come with the package from evaluated runs, with everything that lies beside them.

    python -m tools.release.publish_release --dermoscopy runs/ham-xs-taught-160 --phone runs/pad-xs-distilled-160
    python -m tools.release.publish_release --cards --dermoscopy RUN --phone RUN    # write the cards alone again

Each run must have been evaluated (``hierattn evaluate RUN``; ``hierattn shift RUN`` too, so that the card says how it
does on photographs from other sources), and its prepared set must be where its recipe says, or named.
reproduce/release.sh is the whole chain from the data on. The files go to src/hierattn/deploy/predict/released/, all or
none.

Before anything is exported, every run behind the weights is held to its recipe: what its folder says it was trained
with must be what the recipe of this checkout gives with the words of its command.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from hierattn.cli.recipes import find_recipe
from hierattn.deploy.predict.released import NAMES, released_folder
from hierattn.errors import HierAttnError
from hierattn.evaluation.subject import PATHS
from hierattn.run_folder import RunFolder
from hierattn.training.recipe import Recipe
from tools.figure_text import figure, sensitivity, specificity
from tools.marked_text import write_between_marks
from tools.release.candidate import Candidate, examine
from tools.release.lineage import Stage
from tools.release.release import release, rewrite_cards

COMMAND = "python -m tools.release.publish_release"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "released-models.md"


def table(models: Mapping[str, Mapping[str, Any]]) -> str:
    """The table of docs/released-models.md: what ``release.json`` says of each bundle."""
    lines = [
        "| name | network | file | balanced accuracy | melanoma AUC | dangerous ones sent to a doctor | "
        "others not sent | licence |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, model in sorted(models.items()):
        tested = model["triage"]["test"]
        figures = [
            figure(model["figures"]["balanced_accuracy"]),
            figure(model["figures"]["melanoma_auc"]),
            sensitivity(tested),
            specificity(tested),
        ]
        network = f"{model['model']}, {model['parameters'] / 1e6:.2f} M, {model['size']} x {model['size']} pixels"
        file = f"{model['bytes'] / 1e6:.2f} MB, {model['precision']['name']}"
        card = f"[{name}](../src/hierattn/deploy/predict/released/{name}.md)"
        lines.append(f"| {card} | {network} | {file} | {' | '.join(figures)} | {model['licence']} |")
    measured = [
        f"`{name}` on {model['judged_on']['images']:,} photographs of {model['judged_on']['groups']:,} lesions or "
        "patients"
        for name, model in sorted(models.items())
    ]
    note = (
        f"On the fold that training never saw: {'; '.join(measured)}. In brackets 95 % intervals. They are the figures "
        "of the network in float32; each card says what its smaller file costs."
    )
    return "\n".join(lines) + f"\n\n{note}\n"


def write_page(models: Mapping[str, Mapping[str, Any]], page: Path = PAGE) -> None:
    """Put the table between its marks."""
    write_between_marks(page, COMMAND, table(models))


def departures(run: Path, stage: Stage) -> list[str]:
    """What the run of ``stage`` was trained with that its recipe, with its command's words, does not give."""
    trained = Recipe.load(RunFolder(run.parent / stage.name).recipe).to_dict()
    wanted = Recipe.load(find_recipe(stage.recipe), stage.overrides).to_dict()
    differing = []
    for table, values in wanted.items():
        entries = values if isinstance(values, dict) else {"": values}
        for key, value in entries.items():
            other = trained[table][key] if key else trained[table]
            if (table, key) == ("data", "prepared"):
                continue  # the manifest's checksum tells which set it was
            if (table, key) in PATHS:
                value, other = _endings(value), _endings(other)
            if value != other:
                differing.append(f"{f'{table}.{key}'.rstrip('.')} {other!r}, the recipe has {value!r}")
    return differing


def _endings(paths: str | list[str]) -> list[str]:
    """Each path's last two parts: the run and its weights, wherever they lie."""
    return ["/".join(path.split("/")[-2:]) for path in ([paths] if isinstance(paths, str) else paths)]


def main(words: list[str]) -> None:
    """The command line, as this file's first lines show it."""
    parser = _parser()
    options = parser.parse_args(words)
    runs = _given(options)
    if not runs:
        parser.error(f"wanted the run of a bundle: {', '.join(f'--{name} RUN' for name in NAMES)}")
    candidates = {name: examine(name, run) for name, run in runs.items()}
    for candidate in candidates.values():
        _check_recipes(candidate)
    if options.cards:
        models = rewrite_cards(candidates, options.out)
        print(f"cards of {' and '.join(candidates)} written to {options.out}; the bundles are as they were")
    else:
        data, reject = _given(options, "_data"), _given(options, "_reject")
        named = " ".join(f"--{name} runs/{candidate.name}" for name, candidate in candidates.items())
        say = partial(print, flush=True)
        command = f"{COMMAND} {named}"
        models = release(candidates, options.out, data=data, reject=reject, command=command, say=say)["models"]
        for name in runs:
            model = models[name]
            facts = (model["precision"]["name"], f"{model['bytes']:,} bytes", model["licence"], model["sha256"])
            print(f"{name}: {', '.join(facts)}")
        print(f"written to {options.out}; next: python -m tools.results.publish table, and the tests")
    if options.out == released_folder():
        write_page(models)


def _given(options: argparse.Namespace, what: str = "") -> dict[str, Path]:
    """Released name -> the path that its option was given; names without one are left out."""
    paths = {name: getattr(options, f"{name}{what}".replace("-", "_")) for name in NAMES}
    return {name: path for name, path in paths.items() if path is not None}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in NAMES:
        parser.add_argument(f"--{name}", type=Path, metavar="RUN", help=f"the run that becomes {name}.onnx")
        parser.add_argument(f"--{name}-data", type=Path, metavar="PREPARED", help="its prepared set, if it has moved")
        parser.add_argument(
            f"--{name}-reject", type=Path, metavar="PREPARED", help="photographs of another kind, to be rejected"
        )
    parser.add_argument("--out", type=Path, default=released_folder(), help="another folder, for a trial")
    parser.add_argument("--cards", action="store_true", help="write the cards alone again; the bundles stay")
    return parser


def _check_recipes(candidate: Candidate) -> None:
    """Hold every run behind a candidate to its recipe, and say of which this cannot be done."""
    for stage in candidate.stages:
        if stage.told_by:
            print(f"note: {stage.name} is known from {stage.told_by} alone; the card says so")
            continue
        if wrong := departures(candidate.run.resolve(), stage):
            raise SystemExit(f"{stage.name} was not made by {stage.recipe}: {'; '.join(wrong)}")
        if stage.commit.endswith("-dirty") or not stage.commit:
            print(f"note: {stage.name} was made by {stage.commit or 'an unknown commit'}; the card says so")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except HierAttnError as error:
        raise SystemExit(f"release: {error}") from None
