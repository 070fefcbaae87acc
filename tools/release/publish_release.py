"""Make the bundles that come with the package from judged runs, with everything that lies beside them.

    python -m tools.release.publish_release --dermoscopy runs/ham-xs-taught-160 --phone runs/pad-xs-distilled-160
    python -m tools.release.publish_release --cards --dermoscopy RUN --phone RUN    # the cards alone again, in new
    words

Each run must have been judged (``hierattn evaluate RUN``; ``hierattn shift RUN`` too, so that the card says how it
does on photographs from elsewhere), and its prepared set must be where its recipe says, or named. reproduce/release.sh
is the whole chain from the data on. The files go to src/hierattn/deploy/released/, all or none.

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
from hierattn.deploy.predict.released import DOMAINS, Domain, released_folder
from hierattn.errors import HierAttnError
from hierattn.training.recipe import Recipe
from tools.release.lineage import Stage
from tools.release.release import Candidate, examine, release, rewrite_cards

PAGE = Path(__file__).resolve().parents[2] / "docs" / "released-models.md"
BEGIN, END = (
    "<!-- made by tools/release/publish_release.py: begin -->",
    "<!-- made by tools/release/publish_release.py: end -->",
)


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
            _with_interval(model["figures"]["balanced_accuracy"]),
            _with_interval(model["figures"]["melanoma_auc"]),
            _with_interval({"value": tested["sensitivity"], "interval": tested["interval"]}),
            _with_interval({"value": tested["specificity"], "interval": tested["specificity_interval"]}),
        ]
        network = f"{model['model']}, {model['parameters'] / 1e6:.2f} M, {model['size']} x {model['size']} pixels"
        file = f"{model['bytes'] / 1e6:.2f} MB, {model['precision']['name']}"
        card = f"[{name}](../src/hierattn/deploy/released/{name}.md)"
        lines.append(f"| {card} | {network} | {file} | {' | '.join(figures)} | {model['licence']} |")
    judged = [
        f"`{name}` on {model['judged_on']['images']:,} photographs of {model['judged_on']['groups']:,} lesions or "
        "patients"
        for name, model in sorted(models.items())
    ]
    note = (
        f"On the fold that training never saw: {'; '.join(judged)}. In brackets 95 % intervals. They are the figures "
        "of the network in float32; each card says what its smaller file costs."
    )
    return "\n".join(lines) + f"\n\n{note}\n"


def _with_interval(figure: Mapping[str, Any]) -> str:
    known = figure["interval"]
    return f"{figure['value']:.3f}" + ("" if known is None else f" ({known[0]:.3f} to {known[1]:.3f})")


def write_page(models: Mapping[str, Mapping[str, Any]], page: Path = PAGE) -> None:
    """Put the table between its marks."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    temporary = page.with_name(page.name + ".part")
    temporary.write_text(f"{before}{BEGIN}\n\n{table(models)}\n{END}{after}", encoding="utf-8")
    temporary.replace(page)


def departures(run: Path, stage: Stage) -> list[str]:
    """What the run of ``stage`` was trained with that its recipe, with its command's words, does not give."""
    found = Recipe.load(run.parent / stage.name / "recipe.toml").to_dict()
    wanted = Recipe.load(find_recipe(stage.recipe), stage.overrides).to_dict()
    paths = {("data", "prepared"), ("transfer", "checkpoint"), ("distillation", "teacher")}
    differing = []
    for table, values in wanted.items():
        entries = values if isinstance(values, dict) else {"": values}
        for key, value in entries.items():
            other = found[table][key] if key else found[table]
            if (table, key) == ("data", "prepared"):
                continue  # what it learnt from is told by the manifest's checksum
            if (table, key) in paths:
                value, other = _endings(value), _endings(other)
            if value != other:
                differing.append(f"{f'{table}.{key}'.rstrip('.')} {other!r}, the recipe has {value!r}")
    return differing


def _endings(paths: str | list[str]) -> list[str]:
    """Each path's last two parts: the run and its weights, wherever they lie."""
    return ["/".join(path.split("/")[-2:]) for path in ([paths] if isinstance(paths, str) else paths)]


def main(words: list[str]) -> None:
    """The command line, as this file's first lines show it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for domain in DOMAINS:
        parser.add_argument(f"--{domain}", type=Path, metavar="RUN", help=f"the judged run that becomes {domain}.onnx")
        parser.add_argument(f"--{domain}-data", type=Path, metavar="PREPARED", help="its prepared set, if it has moved")
    parser.add_argument("--out", type=Path, default=released_folder(), help="another folder, for a trial")
    parser.add_argument("--cards", action="store_true", help="write the cards alone again; the bundles stay")
    chosen = parser.parse_args(words)
    runs = {domain: run for domain in DOMAINS if (run := getattr(chosen, domain)) is not None}
    if not runs:
        parser.error("wanted --dermoscopy RUN or --phone RUN")
    candidates: dict[Domain, Candidate] = {domain: examine(domain, run) for domain, run in runs.items()}
    for candidate in candidates.values():
        for stage in candidate.stages:
            if stage.told_by:
                print(f"note: {stage.name} is known by {stage.told_by} alone; the card says so")
                continue
            if wrong := departures(candidate.run.resolve(), stage):
                raise SystemExit(f"{stage.name} was not made by {stage.recipe}: {'; '.join(wrong)}")
            if stage.commit.endswith("-dirty") or not stage.commit:
                print(f"note: {stage.name} was made by {stage.commit or 'an unknown commit'}; the card says so")
    if chosen.cards:
        models = rewrite_cards(candidates, chosen.out)
        if chosen.out == released_folder():
            write_page(models)
        print(f"cards of {' and '.join(candidates)} written to {chosen.out}; the bundles are as they were")
        return
    data = {domain: path for domain in DOMAINS if (path := getattr(chosen, f"{domain}_data")) is not None}
    named = " ".join(f"--{domain} runs/{run.resolve().name}" for domain, run in runs.items())
    say = partial(print, flush=True)
    record = release(
        candidates, chosen.out, data=data, command=f"python -m tools.release.publish_release {named}", say=say
    )
    if chosen.out == released_folder():
        write_page(record["models"])
    for domain in runs:
        model = record["models"][domain]
        facts = (model["precision"]["name"], f"{model['bytes']:,} bytes", model["licence"], model["sha256"])
        print(f"{domain}: {', '.join(facts)}")
    print(f"written to {chosen.out}; next: python -m tools.results.publish table, and the tests")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except HierAttnError as error:
        raise SystemExit(f"release: {error}") from None
