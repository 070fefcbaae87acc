"""The paper's Tables 1 to 6 and its figures' numbers, ours beside them, from the files of a folder: ``hierattn paper``.

Nothing is typed in: the paper's values are ``paper_numbers.py``'s; ours come from ``comparison.json`` of 'compare' and
'ablate', from prepared sets, from the JSON of 'benchmark inference', and from the networks themselves.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

import hierattn
from hierattn.data.prepared_set.manifest import RENDERED
from hierattn.data.prepared_set.packed import PackedSet, is_prepared
from hierattn.errors import DataError, UsageError
from hierattn.evaluation.comparison.page import JSON, PAGE
from hierattn.evaluation.comparison.paper_numbers import (
    ABLATIONS,
    IMAGES,
    PROTOCOL,
    SOURCE,
    TABLE_1,
    TABLE_3,
    PaperRow,
)
from hierattn.evaluation.comparison.tables import measured_on
from hierattn.evaluation.pages.html_report import DASH, decimal, fill_page, span
from hierattn.files import write_text
from hierattn.models.complexity import measure_complexity
from hierattn.models.registry import SPECS, create_model

PAPER_PAGE = "paper.html"
TIMING = "inference.json"
"""What 'hierattn benchmark inference --json' is saved as, in the folder."""
SETS = {"isic": "ISIC 2019", "pad": "PAD-UFES-20"}
NOT_YET = "not measured yet"
_SIDE = ("stem", "early.0", "early.3", "stages.0", "stages.1", "stages.2", "branch", "head_conv")
_OURS = ("ours, paper's protocol, %", "ours, held out, % (95 %)")


@dataclass(frozen=True)
class Measured:
    """One ``comparison.json``: one protocol of it.

    Attributes
    ----------
    comparison
        As ``compare`` returns it.
    ablation
        Its name; empty for models side by side.
    budgets
        One an entrant, of :func:`~hierattn.evaluation.comparison.page.budget_of`.
    page
        Its own page, from the folder.
    """

    comparison: Mapping[str, Any]
    ablation: str
    budgets: Sequence[Mapping[str, Any]]
    page: str

    @property
    def set(self) -> str:
        """``pad`` or, for all others, ``isic``: the paper's column that it stands beside."""
        return "pad" if self.comparison["source"].startswith("pad") else "isic"

    def row(self, name: str, by: str = "name") -> Mapping[str, Any] | None:
        """The row of an entrant, by its name or its model."""
        return next((row for row in self.comparison["rows"] if row[by] == name), None)

    @property
    def budget(self) -> str:
        """In words, beside the paper's."""
        rows, known = self.comparison["rows"], [budget for budget in self.budgets if budget["epochs"]]
        said = [f"{len(self.comparison['folds'])} of {PROTOCOL.folds} folds"]
        said += [f"{_each(budget['epochs'] for budget in known)} of {PROTOCOL.epochs} epochs"] if known else []
        draws = {budget["epoch_images"] for budget in known} - {0, None}
        said += [f"{_each(draws)} images an epoch"] if draws else []
        said += [f"{_each(row['size'] for row in rows)} pixels (the paper: {PROTOCOL.size})"]
        said += [f"frozen epochs: {_each(budget['frozen_epochs'] for budget in known)}"] if known else []
        starts = {budget["start"] or "random weights" for budget in known}
        return ", ".join([*said, *([f"starting from {_each(starts)}"] if starts else [])])


@dataclass
class Section:
    """A table or figure of the paper: its rows, each a list of texts, the first of which names it."""

    title: str
    heads: Sequence[str]
    rows: list[list[str]]
    notes: list[str] = field(default_factory=list)
    pages: list[str] = field(default_factory=list)

    @property
    def columns(self) -> list[tuple[str]]:
        """The headings, as the template's macro takes them."""
        return [(head,) for head in self.heads]


def _each(values: Any) -> str:
    return " or ".join(str(value) for value in sorted(set(values)))


def read_measured(folder: Path) -> list[Measured]:
    """Every comparison in the folders of ``folder``.

    Raises
    ------
    DataError
        Where one is not as 'compare' and 'ablate' write it.
    """
    found = []
    for path in sorted(folder.glob(f"*/{JSON}")):
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            for number, comparison in enumerate(values["comparisons"]):
                place = f"{path.parent.name}/{PAGE}"
                found.append(Measured(comparison, values["ablation"], values["budgets"][number], place))
        except (OSError, ValueError, KeyError, IndexError) as error:
            raise DataError(
                f"{path} is damaged or of an older version ({error!r}): run the same command again"
            ) from None
    return found


def write_paper_page(folder: Path) -> Path:
    """Write the page of all that ``folder`` holds, and return its path.

    Raises
    ------
    UsageError
        Where it holds no comparison.
    DataError
        Where a file in it is damaged.
    """
    measured = read_measured(folder)
    if not measured:
        raise UsageError(f"{folder} holds no comparison: wanted the folder of reproduce/paper.sh or quick.sh")
    sets = {path.name: PackedSet.open(path) for path in sorted(folder.iterdir()) if is_prepared(path)}
    timing = _read_timing(folder / TIMING)
    sections = [_data(sets)]
    sections += [_table_1(name, measured, timing) for name in SETS if _best(measured, "", name) or name == "isic"]
    sections += [_table_2(measured, timing), _table_3()]
    for number, what in ((4, "warmup"), (5, "stochastic-depth"), (6, "skip")):
        sections.append(_ablation(f"Table {number}: {_TITLES[what]}", what, "isic", measured))
    sections += [_auc(measured), *_balance(measured)]
    sections.append(
        _ablation("Ours: permutation of branch attention's pixels (§3.3.3)", "permutation", "isic", measured)
    )
    path = folder / PAPER_PAGE
    write_text(path, fill_page("paper.html.jinja", sections=sections, source=SOURCE, budget=_budget(measured)))
    return path


_TITLES = {
    "warmup": "transfer warm-up",
    "stochastic-depth": "stochastic depth",
    "skip": "skip connection of the CTH block",
}


def _budget(measured: Sequence[Measured]) -> list[tuple[str, str]]:
    rows = [
        ("The paper", f"{PROTOCOL.folds} folds of {PROTOCOL.epochs} epochs at {PROTOCOL.size} pixels in batches of "
                      f"{PROTOCOL.batch_size}, {PROTOCOL.frozen_epochs} epochs frozen; balanced before it was folded"),
    ]  # fmt: skip
    rows += [(f"{each.page.partition('/')[0]}, {each.comparison['protocol']}", each.budget) for each in measured]
    return [*rows, ("Made with", f"hierattn {hierattn.__version__}")]


def _best(measured: Sequence[Measured], ablation: str, of: str) -> dict[str, Measured]:
    """Protocol -> the comparison with most entrants of an ablation (empty: of models) on a set."""
    found: dict[str, Measured] = {}
    for each in measured:
        kind = each.comparison["protocol"]
        more = kind not in found or len(each.comparison["rows"]) > len(found[kind].comparison["rows"])
        if each.ablation == ablation and each.set == of and more:
            found[kind] = each
    return found


def _top1(by: Mapping[str, Measured], name: str, key: str = "name") -> list[str]:
    """Ours by the paper's protocol and on held-out images; a dash where there is none."""
    cells = []
    for protocol in ("paper", "honest"):
        row = by[protocol].row(name, key) if protocol in by else None
        if row is None or row["top1"]["value"] is None:
            cells.append(DASH)
        else:
            interval = f" ({span(row['top1']['interval'])})" if protocol == "honest" else ""
            cells.append(f"{100 * row['top1']['value']:.2f}{interval}")
    return cells


def _notes(by: Mapping[str, Measured]) -> list[str]:
    if not by:
        return [f"{NOT_YET.capitalize()}."]
    notes = [f"{measured_on(each.comparison)} {each.budget}." for each in by.values()]
    if any(each.comparison["source"] == RENDERED for each in by.values()):
        notes.append("Rendered lesions: these figures show that the tools work, and nothing about patients.")
    return notes


def _pages(by: Mapping[str, Measured]) -> list[str]:
    return sorted({each.page for each in by.values()})


def _number(value: float | None, digits: int = 2) -> str:
    return DASH if value is None else f"{value:.{digits}f}"


def _data(sets: Mapping[str, PackedSet]) -> Section:
    """§3.1, Fig. 2: images and imbalance; the paper's balanced sets."""
    rows: list[list[str]] = []
    notes: list[str] = []
    for name, packed in sets.items():
        counts = Counter(record.label for record in packed.records)
        of = "pad" if packed.info.get("source", "").startswith("pad") else "isic"
        images, ratio, balanced = IMAGES[of]
        is_balanced = "balance" in packed.info
        rows.append(
            [
                f"{name} ({SETS[of]}'s column)",
                f"{balanced if is_balanced else images:,}",
                f"{len(packed):,}",
                _number(1.0 if is_balanced else ratio, 1),
                _number(max(counts.values()) / min(counts.values()), 1),
            ]
        )
        notes.append(f"{name}: {', '.join(f'{code} {count:,}' for code, count in sorted(counts.items()))}.")
    heads = ("set", "paper: images", "ours: images", "paper: imbalance", "ours: imbalance")
    return Section("§3.1, §3.2.2, Fig. 2: data", heads, rows, notes or [f"{NOT_YET.capitalize()}."])


def _table_1(of: str, measured: Sequence[Measured], timing: Mapping[str, Any]) -> Section:
    by = _best(measured, "", of)
    rows = []
    for model, paper in TABLE_1.items():
        ours = measure_complexity(model, num_classes=8, size=PROTOCOL.size).parameters
        value = paper.pad if of == "pad" else paper.isic
        times = [_number(paper.milliseconds, 3), _milliseconds(timing, model)]
        cells = [_number(paper.parameters), _number(ours / 1e6), *times, _number(value), *_top1(by, model, "model")]
        rows.append([paper.title, *cells])
    heads = ("model", "paper: parameters, M", "ours, M", "paper: ms", "ours: ms", "paper: top-1, %", *_OURS)
    return Section(f"Table 1, Fig. 7: {SETS[of]}", heads, rows, [*_notes(by), _timed(timing)], _pages(by))


def _table_2(measured: Sequence[Measured], timing: Mapping[str, Any]) -> Section:
    by = _best(measured, "attention", "isic")
    rows = []
    for name, paper in ABLATIONS["attention"].items():
        row = next((each.row(name) for each in by.values()), None)
        model = f"{row['model'] if row else 'hierattn_s'}:attention={name}"
        ours = DASH if row is None else _number(row["parameters"] / 1e6)
        times = [_number(paper.milliseconds, 3), _milliseconds(timing, model)]
        rows.append([paper.title, _number(paper.parameters), ours, *times, _number(paper.isic), *_top1(by, name)])
    heads = ("attention", "paper: parameters, M", "ours, M", "paper: ms", "ours: ms", "paper: top-1, %", *_OURS)
    title = "Table 2: attention after the depth-wise convolution"
    return Section(title, heads, rows, [*_notes(by), _timed(timing)], _pages(by))


def _table_3() -> Section:
    shapes = [_shapes(name) for name in ("hierattn_xs", "hierattn_s")]
    rows = []
    for number, (layer, size, *channels) in enumerate(TABLE_3):
        ours = [shape[number] for shape in shapes]
        rows.append([layer, size, ours[0][0], channels[0], ours[0][1], channels[1], ours[1][1]])
    heads = ("layer", "paper: output", "ours: output", "paper: XS", "ours: XS", "paper: S", "ours: S")
    note = "Branch attention's 8×8 does not follow from §3.3.3, whose pooled maps hold 36 pixels."
    return Section("Table 3: the architecture", heads, rows, [note])


def _shapes(name: str) -> list[tuple[str, str]]:
    """Output size and channels after each of Table 3's rows, of the network itself, and its parameters."""
    model = create_model(name).eval()
    seen: dict[str, torch.Size] = {}

    def keep(part: str) -> Any:
        return lambda _module, _inputs, output: seen.update({part: output.shape})

    for part in _SIDE:
        model.get_submodule(part).register_forward_hook(keep(part))
    with torch.inference_mode():
        model(torch.zeros(1, 3, PROTOCOL.size, PROTOCOL.size))
    dims = iter(model.config.transformer_dims)  # type: ignore[union-attr, arg-type]
    rows = []
    for part in _SIDE:
        _, channels, height, width = seen[part]
        wide = f"{channels} (d = {next(dims)})" if part.startswith("stages") else str(channels)
        rows.append((f"{height}×{width}", wide))
    return [*rows, ("", f"{measure_complexity(name, num_classes=8, size=PROTOCOL.size).parameters / 1e6:.2f} M")]


def _ablation(title: str, what: str, of: str, measured: Sequence[Measured]) -> Section:
    by = _best(measured, what, of)
    rows = []
    for name, paper in _variants(what, by):
        value = None if paper is None else paper.pad if of == "pad" else paper.isic
        rows.append([paper.title if paper else name, _number(value), *_top1(by, name), *_differences(by, name)])
    heads = ("variant", "paper: top-1, %", *_OURS, "balanced accuracy, %", "difference, points", "p, Holm")
    return Section(title, heads, rows, _notes(by), _pages(by))


def _variants(what: str, by: Mapping[str, Measured]) -> Iterator[tuple[str, PaperRow | None]]:
    """The paper's variants, then those that only we have."""
    printed = ABLATIONS.get(what, {})
    yield from printed.items()
    names = dict.fromkeys(row["name"] for each in by.values() for row in each.comparison["rows"])
    yield from ((name, None) for name in names if name not in printed)


def _differences(by: Mapping[str, Measured], name: str) -> list[str]:
    row = by["honest"].row(name) if "honest" in by else None
    if row is None:
        return [DASH, DASH, DASH]
    value, difference = row["balanced_accuracy"]["value"], row["difference"]
    balanced = DASH if value is None else f"{100 * value:.1f}"
    if difference is None or difference["value"] is None:
        return [balanced, DASH, DASH]
    return [balanced, f"{100 * difference['value']:+.1f}", decimal(difference["holm_p"])]


def _auc(measured: Sequence[Measured]) -> Section:
    """Fig. 8, §4.1.3."""
    rows, notes, pages = [], [], []
    for of, title in SETS.items():
        by = _best(measured, "", of)
        pages += _pages(by)
        for model, paper in TABLE_1.items():
            cells = []
            for protocol in ("paper", "honest"):
                row = by[protocol].row(model, "model") if protocol in by else None
                cells.append(DASH if row is None else decimal(row["macro_auc"]["value"], 4))
            printed = paper.pad_auc if of == "pad" else paper.isic_auc
            if printed is not None or set(cells) != {DASH}:
                rows.append([f"{SPECS[model].title}, {title}", _number(printed, 5), *cells])
    heads = ("model", "paper: AUC", "ours, paper's protocol", "ours, held out (macro)")
    notes.append("The paper prints three areas (§4.1.3) and says that all are above 0.99 (ISIC) and 0.98 (PAD).")
    return Section("Fig. 8: area under the ROC curve", heads, rows, notes, pages)


def _balance(measured: Sequence[Measured]) -> list[Section]:
    """Fig. 9, set by set."""
    sections = []
    for of, title in SETS.items():
        if _best(measured, "balance", of) or of == "isic":
            sections.append(_ablation(f"Fig. 9: balancing, {title}", "balance", of, measured))
            sections[-1].notes.append(
                "The paper's validation sets differ from one another; ours are the same outer folds."
            )
    return sections


def _read_timing(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if not [row["mean_ms"] for row in values["rows"]]:
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError):
        raise DataError(f"{path} is not what 'hierattn benchmark inference --json' prints: measure again") from None
    return values


def _milliseconds(timing: Mapping[str, Any], model: str) -> str:
    """The mean over the iterations of one image in PyTorch, as the paper measured."""
    rows = [row for row in timing.get("rows", ()) if row["model"] == model and row["runtime"] == "pytorch"]
    return _number(rows[0]["mean_ms"] if rows else None, 3)


def _timed(timing: Mapping[str, Any]) -> str:
    if not timing:
        return f"Milliseconds: {NOT_YET}. The paper: the mean of {PROTOCOL.iterations} iterations on one RTX A4000."
    row = timing["rows"][0]
    threads = "thread" if row["threads"] == 1 else "threads"
    return (
        f"Milliseconds: the mean of {timing['rounds']} iterations (the paper: {PROTOCOL.iterations}) of {row['batch']} "
        f"image of {timing['size']} pixels, {row['threads']} {threads} of a CPU ({timing['machine']}); the paper's are "
        "of one RTX A4000. Only the order compares."
    )
