"""Comparisons and ablations under results/: predictions by model, and all that follows from them. See publish.py.

A published comparison is made again from the predictions that are published with it, with all their digits, and not
copied: tables, figures and ``comparison.json`` are what those predictions give. ``contestants.json`` holds what else
the figures need: per model and fold its protocol, model, commit and command.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hierattn.evaluation.comparison.comparison import compare, protocol_gaps
from hierattn.evaluation.comparison.entrant import Contestant, read_contestant, run_folders
from hierattn.evaluation.comparison.page import draw_comparison
from hierattn.evaluation.comparison.paper_numbers import ABLATIONS, TABLE_1, PaperRow
from hierattn.evaluation.comparison.tables import csv_table, markdown_table, pairs_table
from hierattn.evaluation.pages.figures import save_figures
from hierattn.evaluation.predictions import Predictions, read_predictions, write_predictions
from hierattn.evaluation.whole_folder import whole_folder
from tools.release.lineage import plain_values

COMPARISON, CONTESTANTS = "comparison.json", "contestants.json"
CLOSE = 1e-9
"""How far a figure may be from the source's: another machine's sums may end in other bits."""


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
    if folder.exists():
        raise SystemExit(f"{folder} exists: wanted a new folder; remove it, or choose another name")
    found = json.loads((source / COMPARISON).read_text(encoding="utf-8"))
    ablation = any((source / "figures").glob("variants*.svg"))
    with whole_folder(folder) as parts:
        (parts / "predictions").mkdir()
        sides = []
        for comparison in found["comparisons"]:
            contestants = [_contestant(row["name"], runs, comparison) for row in comparison["rows"]]
            names = _public_names(contestants[0].predictions)
            public = [_public(contestant, names) for contestant in contestants]
            for contestant in public:
                write_predictions(parts / "predictions" / _file_of(contestant), contestant.predictions)
            sides.append(public)
        (parts / CONTESTANTS).write_text(_described(sides, found, runs, ablation), encoding="utf-8")
        again = recomputed(parts)
        _hold_together(found, again, source)
        for name, text in texts_of(again).items():
            (parts / name).write_text(text, encoding="utf-8")
        _draw(parts, again, sides, ablation)


def redraw(folder: Path) -> None:
    """Write the texts and figures of a published comparison again, from its figures and predictions, in today's form.

    ``comparison.json`` and the predictions stay as they are.
    """
    kept = json.loads((folder / COMPARISON).read_text(encoding="utf-8"))
    described = json.loads((folder / CONTESTANTS).read_text(encoding="utf-8"))
    sides = [[_read(folder, one, side["protocol"]) for one in side["contestants"]] for side in described["sides"]]
    for name, text in texts_of(kept).items():
        if name != COMPARISON:
            (folder / name).write_text(text, encoding="utf-8")
    _draw(folder, kept, sides, described["ablation"])


def _draw(folder: Path, found: Mapping[str, Any], sides: Sequence[Sequence[Contestant]], ablation: bool) -> None:
    for comparison, side in zip(found["comparisons"], sides, strict=True):
        mark = _mark(found, comparison)
        drawn = draw_comparison(comparison, side, ablation)
        save_figures(folder / "figures", {f"{name}{mark}": figure for name, figure in drawn.items()}, pixels=False)


def recomputed(folder: Path) -> dict[str, Any]:
    """``comparison.json`` of a published comparison, computed from its predictions."""
    described = json.loads((folder / CONTESTANTS).read_text(encoding="utf-8"))
    comparisons = []
    for side in described["sides"]:
        contestants = [_read(folder, one, side["protocol"]) for one in side["contestants"]]
        paper = {
            one["name"]: row
            for one in side["contestants"]
            if one["paper"] and (row := _paper_row(**one["paper"])) is not None
        }
        comparisons.append(
            compare(
                contestants,
                paper=paper,
                title=described["title"],
                resamples=described["resamples"],
                seed=described["seed"],
            )
        )
    gaps = protocol_gaps(comparisons[0], comparisons[1]) if len(comparisons) == 2 else []
    return {"comparisons": comparisons, "gaps": gaps}


def texts_of(found: Mapping[str, Any]) -> dict[str, str]:
    """The text files of a published comparison by name."""
    texts = {COMPARISON: json.dumps(found, indent=1, allow_nan=False) + "\n"}
    for comparison in found["comparisons"]:
        mark = _mark(found, comparison)
        texts[f"comparison{mark}.csv"] = csv_table(comparison)
        texts[f"pairs{mark}.csv"] = pairs_table(comparison)
    tables = "\n".join(markdown_table(comparison) for comparison in found["comparisons"])
    gaps = "".join(f"- {gap['sentence']}\n" for gap in found["gaps"])
    texts["comparison.md"] = tables + (f"\n{gaps}" if gaps else "")
    return texts


def published_comparisons(results: Path) -> Iterator[Path]:
    """The folder of every published comparison, by path."""
    for path in sorted(results.rglob(CONTESTANTS)):
        yield path.parent


def _mark(found: Mapping[str, Any], comparison: Mapping[str, Any]) -> str:
    return "" if comparison is found["comparisons"][0] else f"-{comparison['protocol']}"


def _contestant(name: str, runs: Mapping[str, Sequence[Path]], comparison: Mapping[str, Any]) -> Contestant:
    """The contestant of one row, from the run among those of its name that was judged by the comparison's protocol."""
    if name not in runs:
        raise SystemExit(f"no run is given for {name}: wanted {name}=RUN, as the comparison was made with")
    for folder in runs[name]:
        chosen = [run for run in run_folders(folder) if _protocol_of(run)["fold"] in comparison["folds"]]
        if not chosen:
            continue
        contestant = read_contestant(name, chosen)
        if contestant.protocol == comparison["protocol"]:
            return contestant
    raise SystemExit(f"{name}: no run of the {comparison['protocol']} protocol with folds {comparison['folds']}")


def _protocol_of(run: Path) -> dict[str, Any]:
    report = json.loads((run / "evaluation" / "report.json").read_text(encoding="utf-8"))
    protocol: dict[str, Any] = report["protocol"]
    return protocol


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


def _public(contestant: Contestant, names: tuple[str, ...]) -> Contestant:
    """The same under public names, with reports cut to what the figures need.

    Probabilities keep every digit: a hardly trained network may differ in the tenth alone, and its AUC hangs on that.
    """
    return replace(
        contestant,
        predictions=replace(contestant.predictions, images=names),
        reports={fold: _cut(report) for fold, report in contestant.reports.items()},
    )


def _cut(report: Mapping[str, Any]) -> dict[str, Any]:
    """What :func:`~hierattn.evaluation.comparison.comparison.compare` reads of a report, without a machine's paths."""
    made = report["provenance"]
    kept = {
        "model": made["model"],
        "options": made.get("options", {}),
        "parameters": made["parameters"],
        "image_spec": {"size": made["image_spec"]["size"]},
        "recipe": {key: made.get("recipe", {}).get(key) for key in ("name", "seed")},
        "commit": made.get("commit", ""),
        "judged_on": {key: made["judged_on"].get(key, "") for key in ("source", "licence", "citation")},
    }
    protocol = {"name": report["protocol"]["name"], "fold": report["protocol"]["fold"]}
    cut: dict[str, Any] = plain_values({"protocol": protocol, "class_order": report["class_order"], "provenance": kept})
    return cut


def _file_of(contestant: Contestant) -> str:
    return f"{contestant.name}-{contestant.protocol}.csv"


def _described(
    sides: Sequence[Sequence[Contestant]],
    found: Mapping[str, Any],
    runs: Mapping[str, Sequence[Path]],
    ablation: bool,
) -> str:
    first = found["comparisons"][0]
    values = {
        "title": first["title"],
        "resamples": first["bootstrap"]["resamples"],
        "seed": first["bootstrap"]["seed"],
        "ablation": ablation,
        "sides": [
            {
                "protocol": comparison["protocol"],
                "contestants": [
                    {
                        "name": contestant.name,
                        "paper": None
                        if row["paper"] is None
                        else {key: row["paper"][key] for key in ("where", "title")},
                        "reports": {str(fold): report for fold, report in contestant.reports.items()},
                        "commands": _commands(runs[contestant.name], comparison),
                    }
                    for contestant, row in zip(side, comparison["rows"], strict=True)
                ],
            }
            for side, comparison in zip(sides, found["comparisons"], strict=True)
        ],
    }
    return json.dumps(values, indent=1, allow_nan=False) + "\n"


def _commands(folders: Sequence[Path], comparison: Mapping[str, Any]) -> list[str]:
    """What made the runs of this comparison, once each, without a machine's paths."""
    paths = [
        run / "environment.json"
        for folder in folders
        for run in run_folders(folder)
        if _protocol_of(run)["fold"] in comparison["folds"] and _protocol_of(run)["name"] == comparison["protocol"]
    ]
    texts = [path.read_text(encoding="utf-8") for path in paths if path.is_file()]
    return [str(plain_values(one)) for one in dict.fromkeys(str(json.loads(text)["command"]) for text in texts)]


def _read(folder: Path, described: Mapping[str, Any], protocol: str) -> Contestant:
    reports = {int(fold): report for fold, report in described["reports"].items()}
    table = folder / "predictions" / f"{described['name']}-{protocol}.csv"
    return Contestant(described["name"], protocol, read_predictions(table), reports)


def _paper_row(where: str, title: str) -> PaperRow | None:
    rows = [*TABLE_1.values(), *(row for rows in ABLATIONS.values() for row in rows.values())]
    return next((row for row in rows if (row.where, row.title) == (where, title)), None)


def _hold_together(found: Mapping[str, Any], again: Mapping[str, Any], source: Path) -> None:
    """Refuse runs that are not those of the comparison: their figures would be others'."""
    for one, other in zip(found["comparisons"], again["comparisons"], strict=True):
        for row, made in zip(one["rows"], other["rows"], strict=True):
            for figure in ("balanced_accuracy", "top1", "macro_auc", "malignant_auc"):
                values = row[figure]["value"], made[figure]["value"]
                if None not in values and abs(values[0] - values[1]) > CLOSE:
                    raise SystemExit(
                        f"{source}: {row['name']} has {figure} {values[0]:.4f}, and its runs give {values[1]:.4f}: "
                        "wanted the runs that it was made of; compare them again"
                    )
