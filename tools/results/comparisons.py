"""Comparisons and ablations under results/: what follows from their predictions. See publish.py.

A published comparison is not copied but made again, so that ``comparison.json`` is what the published predictions give.
``entrants.json`` holds what else the figures need: per model its protocol, network, commit and command, and where its
predictions are: ``comparison-x/sc-honest`` is the table ``sc-honest`` of the folder ``comparison-x`` of the same set. A
run that is published already, alone or in another comparison, has its predictions there alone.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hierattn.evaluation.comparison.comparison import compare, protocol_gaps
from hierattn.evaluation.comparison.entrant import Entrant, read_entrant, run_folders
from hierattn.evaluation.comparison.page import draw_comparison
from hierattn.evaluation.comparison.paper_numbers import ABLATIONS, TABLE_1, PaperRow
from hierattn.evaluation.comparison.tables import FIGURES, csv_table, markdown_table, pairs_table
from hierattn.evaluation.folder import EvaluationFolder
from hierattn.evaluation.pages.figures import save_figures
from hierattn.evaluation.predictions import Predictions
from hierattn.evaluation.records import from_plain, to_plain
from hierattn.evaluation.report import EvaluatedOn, Protocol, Provenance, Report
from hierattn.files import write_json, write_text
from hierattn.run_folder import RunFolder
from tools.machine_paths import plain_values
from tools.results.prediction_tables import PREDICTIONS, read_tables, rounded, same, write_tables
from tools.results.published import COMPARISON, ENTRANTS, new_folder

CLOSE = 1e-9
"""How far a figure may be from the source's: another machine's sums may end in other bits."""


@dataclass(frozen=True)
class PublishedComparison:
    """A published comparison, read.

    Attributes
    ----------
    figures
        ``comparison.json``: ``comparisons``, one a protocol, and the ``gaps`` between two protocols.
    sides
        The entrants of each of its comparisons, in the order of their rows.
    ablation
        Whether they are variants of one model.
    """

    figures: Mapping[str, Any]
    sides: Sequence[Sequence[Entrant]]
    ablation: bool


def publish_comparison(source: Path, folder: Path, runs: Mapping[str, Sequence[Path]]) -> None:
    """Publish what 'hierattn compare' or 'ablate' left in ``source`` as ``folder``, which must not exist yet.

    Parameters
    ----------
    source
        Its --out folder.
    folder
        ``results/<set>/comparison-<name>``.
    runs
        Name -> its run folders, or folders of folds, as the comparison was given them; with both protocols, both.
    """
    original = json.loads((source / COMPARISON).read_text(encoding="utf-8"))
    with new_folder(folder):
        sides = [_public_side(comparison, runs) for comparison in original["comparisons"]]
        places = _write_predictions(folder, [entrant for side in sides for entrant in side])
        first = original["comparisons"][0]
        described = {
            "title": first["title"],
            "resamples": first["bootstrap"]["resamples"],
            "seed": first["bootstrap"]["seed"],
            "ablation": any((source / "figures").glob("variants*.svg")),
            "sides": [
                _describe(side, comparison, runs, places)
                for side, comparison in zip(sides, original["comparisons"], strict=True)
            ],
        }
        again = _compared(described, sides)
        _check_same_runs(original, again, source)
        write_json(folder / COMPARISON, again, indent=0)
        write_json(folder / ENTRANTS, described, indent=0)  # last: what has it is whole


def read_comparison(folder: Path) -> PublishedComparison:
    """Read a published comparison."""
    described, sides = _read_entrants(folder)
    figures = json.loads((folder / COMPARISON).read_text(encoding="utf-8"))
    return PublishedComparison(figures, sides, described["ablation"])


def recomputed(folder: Path) -> dict[str, Any]:
    """``comparison.json`` of a published comparison, computed from its predictions."""
    return _compared(*_read_entrants(folder))


def draw_published(folder: Path, out: Path) -> None:
    """Write the tables and figures of a published comparison to the folder ``out``, as the commands do."""
    published = read_comparison(folder)
    comparisons = published.figures["comparisons"]
    for comparison, side in zip(comparisons, published.sides, strict=True):
        mark = "" if comparison is comparisons[0] else f"-{comparison['protocol']}"
        write_text(out / f"comparison{mark}.csv", csv_table(comparison))
        write_text(out / f"pairs{mark}.csv", pairs_table(comparison))
        drawn = draw_comparison(comparison, side, published.ablation)
        save_figures(out / "figures", {f"{name}{mark}": figure for name, figure in drawn.items()}, pixels=False)
    tables = "\n".join(markdown_table(comparison) for comparison in comparisons)
    gaps = "".join(f"- {gap['sentence']}\n" for gap in published.figures["gaps"])
    write_text(out / "comparison.md", tables + (f"\n{gaps}" if gaps else ""))


def _compared(described: Mapping[str, Any], sides: Sequence[Sequence[Entrant]]) -> dict[str, Any]:
    comparisons = []
    for entrants, side in zip(sides, described["sides"], strict=True):
        paper = {
            entrant["name"]: row
            for entrant in side["entrants"]
            if entrant["paper"] and (row := _paper_row(**entrant["paper"])) is not None
        }
        bootstrap = {key: described[key] for key in ("resamples", "seed")}
        comparisons.append(compare(list(entrants), paper=paper, title=described["title"], **bootstrap))
    gaps = protocol_gaps(comparisons[0], comparisons[1]) if len(comparisons) == 2 else []
    return {"comparisons": comparisons, "gaps": gaps}


def _read_entrants(folder: Path) -> tuple[dict[str, Any], list[list[Entrant]]]:
    """``entrants.json``, and the entrants of each side with their predictions."""
    described = json.loads((folder / ENTRANTS).read_text(encoding="utf-8"))
    tables: dict[str, dict[str, Predictions]] = {}

    def read(entrant: Mapping[str, Any], protocol: str) -> Entrant:
        place, _, table = entrant["predictions"].partition("/")
        if place not in tables:
            path = (folder if place == folder.name else folder.parent / place) / PREDICTIONS
            tables[place] = read_tables(path)
        made = {int(fold): _provenance(report["provenance"]) for fold, report in entrant["reports"].items()}
        return Entrant(entrant["name"], protocol, tables[place][table], made)

    return described, [[read(entrant, side["protocol"]) for entrant in side["entrants"]] for side in described["sides"]]


def _write_predictions(folder: Path, entrants: Sequence[Entrant]) -> dict[tuple[str, str], str]:
    """Write the predictions that are not published yet; (name, protocol) -> where each entrant's are."""
    published = {
        f"{path.parent.name}/{name}": table
        for path in sorted(folder.parent.glob(f"*/{PREDICTIONS}"))
        for name, table in read_tables(path).items()
    }
    places, fresh = {}, {}
    for entrant in entrants:
        place = next((where for where, table in published.items() if same(table, entrant.predictions)), None)
        if place is None:
            fresh[f"{entrant.name}-{entrant.protocol}"] = entrant.predictions
            place = f"{folder.name}/{entrant.name}-{entrant.protocol}"
        places[entrant.name, entrant.protocol] = place
    if fresh:
        write_tables(folder / PREDICTIONS, fresh)
    return places


def _public_side(comparison: Mapping[str, Any], runs: Mapping[str, Sequence[Path]]) -> list[Entrant]:
    """The entrants of one comparison, each image by its public name and probabilities as they are published."""
    entrants = [_entrant(row["name"], runs, comparison) for row in comparison["rows"]]
    names = _public_names(entrants[0].predictions)
    return [
        replace(
            entrant,
            predictions=rounded(replace(entrant.predictions, images=names)),
            made={fold: _provenance(_cut(made)) for fold, made in entrant.made.items()},
        )
        for entrant in entrants
    ]


def _entrant(name: str, runs: Mapping[str, Sequence[Path]], comparison: Mapping[str, Any]) -> Entrant:
    """The entrant of one row, from the run among those of its name that was evaluated by the comparison's protocol."""
    if name not in runs:
        raise SystemExit(f"no run is given for {name}: wanted {name}=RUN, as the comparison was made with")
    for folder in runs[name]:
        of_folds = [run for run in run_folders(folder) if _protocol_of(run).fold in comparison["folds"]]
        if not of_folds:
            continue
        entrant = read_entrant(name, of_folds)
        if entrant.protocol == comparison["protocol"]:
            return entrant
    raise SystemExit(f"{name}: no run of the {comparison['protocol']} protocol with folds {comparison['folds']}")


def _protocol_of(run: Path) -> Protocol:
    return Report.load(EvaluationFolder(RunFolder(run).evaluation).report).protocol


def _public_names(predictions: Predictions) -> tuple[str, ...]:
    """Each image's stem, which is its public id, with a number where several share one."""
    stems = [Path(name.split(" ")[0]).stem for name in predictions.images]
    many = {stem for stem, count in Counter(stems).items() if count > 1}
    seen: Counter[str] = Counter()
    names = []
    for stem in stems:
        seen[stem] += 1
        names.append(f"{stem}#{seen[stem]}" if stem in many else stem)
    return tuple(names)


def _cut(made: Provenance) -> dict[str, Any]:
    """What :func:`~hierattn.evaluation.comparison.comparison.compare` reads of a provenance, without machine paths."""
    data = made.evaluated_on
    cut = Provenance(
        model=made.model,
        options=made.options,
        parameters=made.parameters,
        image_spec={"size": made.image_spec["size"]},
        recipe={key: made.recipe.get(key) for key in ("name", "seed")},
        commit=made.commit,
        evaluated_on=EvaluatedOn(data.source, data.licence, data.citation),
    )
    plain: dict[str, Any] = plain_values(to_plain(cut))
    return plain


def _provenance(plain: Mapping[str, Any]) -> Provenance:
    """A provenance of ``entrants.json``; the first ones say ``judged_on``."""
    return from_plain(Provenance, {"evaluated_on" if key == "judged_on" else key: plain[key] for key in plain})


def _describe(
    side: Sequence[Entrant],
    comparison: Mapping[str, Any],
    runs: Mapping[str, Sequence[Path]],
    places: Mapping[tuple[str, str], str],
) -> dict[str, Any]:
    """One comparison's part of ``entrants.json``."""
    return {
        "protocol": comparison["protocol"],
        "entrants": [
            {
                "name": entrant.name,
                "predictions": places[entrant.name, entrant.protocol],
                "paper": row["paper"] and {key: row["paper"][key] for key in ("where", "title")},
                "reports": {str(fold): {"provenance": _cut(made)} for fold, made in entrant.made.items()},
                "commands": _commands(runs[entrant.name], comparison),
            }
            for entrant, row in zip(side, comparison["rows"], strict=True)
        ],
    }


def _commands(folders: Sequence[Path], comparison: Mapping[str, Any]) -> list[str]:
    """What made the runs of this comparison, once each, without a machine's paths."""
    environments = [
        RunFolder(run).read_environment()
        for folder in folders
        for run in run_folders(folder)
        if _protocol_of(run).fold in comparison["folds"] and _protocol_of(run).name == comparison["protocol"]
    ]
    commands = dict.fromkeys(str(environment["command"]) for environment in environments if environment)
    return [str(plain_values(command)) for command in commands]


def _paper_row(where: str, title: str) -> PaperRow | None:
    rows = [*TABLE_1.values(), *(row for rows in ABLATIONS.values() for row in rows.values())]
    return next((row for row in rows if (row.where, row.title) == (where, title)), None)


def _check_same_runs(original: Mapping[str, Any], again: Mapping[str, Any], source: Path) -> None:
    """Refuse runs that are not those of the comparison: their figures would be others'."""
    for comparison, other in zip(original["comparisons"], again["comparisons"], strict=True):
        for row, made in zip(comparison["rows"], other["rows"], strict=True):
            for figure in FIGURES:
                values = row[figure]["value"], made[figure]["value"]
                if None not in values and abs(values[0] - values[1]) > CLOSE:
                    raise SystemExit(
                        f"{source}: {row['name']} has {figure} {values[0]:.4f}, and its runs give {values[1]:.4f}: "
                        "wanted the runs that it was made of; compare them again"
                    )
