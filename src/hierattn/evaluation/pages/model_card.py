"""``MODEL_CARD.md``: what a model is for, what it was trained on, how well it does for whom, and what is not known.

Every figure comes from the report. The card never calls something fine because nothing is known of it.

References
----------
Mitchell et al., Model Cards for Model Reporting, FAccT 2019.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from hierattn.evaluation.asking.records import ADVICE_BY
from hierattn.evaluation.measures.intervals import Estimate
from hierattn.evaluation.measures.subgroups import ATTRIBUTES, FIGURES
from hierattn.evaluation.pages.checklists import CHECKLISTS, checklists
from hierattn.evaluation.pages.clinical_use import (
    PREVALENCE_LIMIT,
    net_benefit_reading,
    of_100,
    prevalence_heads,
    prevalence_rows,
    span_of_100,
)
from hierattn.evaluation.pages.html_report import (
    DASH,
    area,
    area_span,
    calibration_sentence,
    decimal,
    gap_sentence,
    limits,
    percent,
    plain_reading,
    shown_provenance,
    span,
)
from hierattn.evaluation.report import Report
from hierattn.evaluation.source_figures import SourceFigures
from hierattn.files import check_file_replaceable, write_text
from hierattn.shares import setting

INTENDED = (
    "For research and teaching: to study how well small networks classify photographs of single skin lesions, and how "
    "that should be measured.",
    "Not a medical device. Not for diagnosis, not for deciding whether to see a doctor, and not for lesions of mucosa, "
    "nails or scalp hair, for children, or for any disease that is not among its classes: it names one of its classes "
    "whatever it is shown.",
    "A photograph cannot rule out cancer. Anyone worried about a lesion should have it seen.",
)


_MARK = re.compile(r"<!-- written by hierattn; SHA-256 of the text above: ([0-9a-f]{64}) -->\n")


def write_card(path: Path, report: Report) -> None:
    """Write the card, with a last line that shows whether somebody has changed it since.

    Raises
    ------
    UsageError
        Where a file is there that is no card, or one that somebody changed: people fill in what is open.
    """
    check_file_replaceable(path, "a model card, unchanged,", is_card)
    text = model_card(report)
    write_text(path, f"{text}\n<!-- written by hierattn; SHA-256 of the text above: {_digest(text)} -->\n")


def is_card(path: Path) -> bool:
    """Whether a file is a card as :func:`write_card` wrote it."""
    text, _, last = path.read_text(encoding="utf-8").rpartition("\n<!--")
    mark = _MARK.fullmatch(f"<!--{last}")
    return mark is not None and mark[1] == _digest(text)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def model_card(report: Report) -> str:
    """The card as Markdown."""
    parts = [
        f"# Model card: {report.run}",
        f"{report.provenance.model}, {report.provenance.parameters:,} parameters, {len(report.class_order)} classes. "
        "**Not a medical device.**",
        "## Intended use",
        *(f"- {line}" for line in INTENDED),
        "## Data and licences",
        *(f"- {line}" for line in _data(report)),
        "## How well it does",
        *plain_reading(report),
        _headline(report),
        *_by_source(report),
        "### By class",
        _by_class(report),
        *_subgroups(report),
        *_calibration(report),
        *_questions(report),
        *_net_benefit(report),
        *_by_prevalence(report),
        *_robustness(report),
        "## Limits",
        *(f"- {line}" for line in limits(report)),
        *(f"- {note}" for note in report.notes),
        *_checklists(report),
        "## Where it comes from",
        *(f"- {name}: {value}" for name, value in shown_provenance(report)),
    ]
    text = ""
    for part, following in zip(parts, [*parts[1:], ""], strict=True):
        text += part + ("\n" if part.startswith("- ") and following.startswith("- ") else "\n\n")
    return text.rstrip() + "\n"


def _data(report: Report) -> list[str]:
    made, data = report.provenance, report.provenance.evaluated_on
    images = "an unknown number of" if made.training_images is None else str(made.training_images)
    source = made.source or "a set that the checkpoint does not name"
    return [
        f"Trained on {images} images of {source}{_licence(made.licence)}. A model inherits the conditions of its "
        "training data: a non-commercial set makes a non-commercial model.",
        f"Evaluated on {report.images:,} images of {report.groups:,} lesions or patients of {data.source}"
        f"{_licence(data.licence)}.",
        *([f"Cite: {data.citation}"] if data.citation else []),
        report.protocol.text,
        *([] if report.looks is None else [*report.looks.sentences(), *report.looks.warnings()]),
    ]


def _licence(licence: str) -> str:
    return f", licence {licence}" if licence else ""


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], words: bool = False) -> str:
    """A table; all columns but the first to the right, or to the left where they hold words."""
    others = "---" if words else "---:"
    lines = [heads, ["---", *[others] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def _share(estimate: Estimate | None) -> str:
    if estimate is None or estimate.value is None:
        return DASH
    return percent(estimate.value) + (f" ({span(estimate.interval)})" if estimate.interval else "")


def _area(estimate: Estimate) -> str:
    return area(estimate.value) + (f" ({area_span(estimate.interval)})" if estimate.interval else "")


def _headline(report: Report) -> str:
    rows = [(name, (_area if "AUC" in name else _share)(estimate)) for name, estimate in report.headline.items()]
    if points := report.operating_points.get("malignant"):
        rows += [
            ("cancer: partial AUC above 80 % sensitivity (0.02 to 0.2)", _area(points.partial_auc)),
            ("cancer: sensitivity at 95 % specificity", _share(points.sensitivity_at_95_specificity)),
            ("cancer: specificity at 95 % sensitivity", _share(points.specificity_at_95_sensitivity)),
        ]
    return _table(("figure", "value (95 % interval)"), rows)


def _of_chance(error: Estimate | None) -> str:
    return "" if error is None else f", by chance {area(error.value)}"


def _of_known(source: SourceFigures) -> str:
    if source.known_balanced_accuracy is None or source.known_classes == source.classes:
        return ""
    return f"; {_share(source.known_balanced_accuracy)} over the {source.known_classes} of five groups or more"


def _by_source(report: Report) -> list[str]:
    if not report.by_source:
        return []
    rows = [
        (
            source.source,
            f"{source.images} ({source.groups})",
            f"{_share(source.balanced_accuracy)}, {source.classes} classes{_of_known(source)}",
            *map(_area, (source.macro_auc, source.melanoma_auc)),
            area(source.calibration_error) + _of_chance(source.by_chance),
            _share(source.sensitivity),
            _share(source.specificity),
        )
        for source in report.by_source
    ]
    heads = ("source", "images (groups)", "balanced accuracy", "macro AUC (classes of five groups or more)",
             "melanoma AUC", "calibration error", "sensitivity of the advice", "specificity of the advice")  # fmt: skip
    told = "The figures above are of all sources together, so mostly of the largest. Each by itself:"
    return ["### By source", told, _table(heads, rows)]


def _by_class(report: Report) -> str:
    rows = []
    for code in report.class_order:
        row = report.classes[code]
        shares = map(_share, (row.sensitivity, row.specificity, row.precision))
        rows.append((f"{code} {row.name}", f"{row.images} ({row.groups})", *shares, _area(row.auc)))
    return _table(("class", "images (groups)", "sensitivity", "specificity", "precision", "AUC"), rows)


def _subgroups(report: Report) -> list[str]:
    subgroups = report.subgroups
    if subgroups is None or not subgroups.attributes:
        return [
            "### By subgroup",
            "The data do not say whom the photographs show, so fairness was not measured.",
        ]
    parts = ["### By subgroup", gap_sentence(subgroups)]
    for attribute, members in subgroups.attributes.items():
        rows = [
            (
                member.name + (" (too few to say)" if member.too_few else ""),
                f"{member.images} ({member.groups})",
                _share(member.balanced_accuracy),
                _area(member.malignant_auc),
                _share(member.referred),
                _share(member.spared),
            )
            for member in members
        ]
        parts.append(_table((ATTRIBUTES[attribute], "images (groups)", *FIGURES.values()), rows))
    missing = [title for name, title in ATTRIBUTES.items() if name not in subgroups.attributes]
    if missing:
        parts.append(f"Not reported, because the data do not say or hold one kind only: {', '.join(missing)}.")
    return parts


def _calibration(report: Report) -> list[str]:
    if report.calibration is None:
        return []
    parts = ["### Calibration", calibration_sentence(report)]
    sets = [
        f"- Prediction sets with a target coverage of {setting(row.target)} hold the true class "
        f"{_share(row.coverage)} of the time, with {decimal(row.mean_size, 2)} classes on average."
        for row in report.conformal
    ]
    return parts + sets


def _questions(report: Report) -> list[str]:
    figures = report.answers
    if figures is None:
        return []
    missing = [
        (
            percent(row.missing, 0),
            *map(_share, (row.photograph, row.answers, row.both)),
            f"{of_100(row.gain.value)} ({span_of_100(row.gain.interval)})",
            decimal(row.ece_photograph),
            decimal(row.ece_both),
        )
        for row in figures.missing
    ]
    asked = [(row.name, percent(row.known), percent(row.raised), percent(row.lowered)) for row in figures.asked]
    parts = [
        "### Questions beside the photograph",
        "Every other figure of this card is of the photograph alone. Answers alone: a logistic regression; where it is "
        "good, answers may say less of the lesion than of who was asked. Gain: both less the photograph, paired.",
        _table(
            ("answers hidden", "photograph alone", "answers alone", "both", "gain", "ECE, photograph", "ECE, both"),
            missing,
        ),
        "How often one answer would turn the advice, if answers could lower it, too:",
        _table(("question", "answered", "raises it", "lowers it"), asked),
    ]
    if figures.advice:
        rows = [(ADVICE_BY[row.by], _share(row.sensitivity), _share(row.specificity)) for row in figures.advice]
        parts += [
            "Answers never lower the advice below the photograph's own. The last row is what is given:",
            _table(("advice by", "sensitivity", "specificity"), rows),
        ]
    people = [
        (
            f"{ATTRIBUTES[attribute]}: {row.name}" + (" (too few to say)" if row.too_few else ""),
            f"{row.images} ({row.groups})",
            _share(row.photograph),
            _share(row.both),
            *(_share(row.advice[place].sensitivity) if row.advice else DASH for place in (0, 2)),
            *(_share(row.advice[place].specificity) if row.advice else DASH for place in (0, 2)),
        )
        for attribute, rows_of_attribute in figures.subgroups.items()
        for row in rows_of_attribute
    ]
    if people:
        names = ("balanced accuracy", "sensitivity", "specificity")
        heads = [f"{name}, {by}" for name in names for by in ("photograph", "both")]
        parts.append(_table(("subgroup", "images (groups)", *heads), people))
    return parts


def _net_benefit(report: Report) -> list[str]:
    if report.net_benefit is None:
        return []
    curve = report.net_benefit.curves[0]
    policies = (curve.advice, curve.refer_all, curve.gain)
    rows = [
        (
            setting(threshold),
            *(f"{of_100(each[place].value)} ({span_of_100(each[place].interval)})" for each in policies),
        )
        for place, threshold in enumerate(curve.thresholds)
        if threshold in report.net_benefit.subgroup_thresholds
    ]
    heads = ("threshold of the clinic", "the advice", "refer everyone", "gain over the better of everyone and no one")
    return [
        "### Net benefit",
        " ".join(net_benefit_reading(report)),
        "Lesions rightly referred of 100 people, less unneeded referrals at the weight of the threshold (95 % "
        f"interval); found is what should be seen in a clinic: {', '.join(curve.classes)}.",
        _table(heads, rows),
    ]


def _by_prevalence(report: Report) -> list[str]:
    advice = report.by_prevalence
    if advice is None:
        return []
    rows = [
        (f"{row.setting}, {row.name}", *(f"{value} ({ends})" for value, ends in row.cells))
        for row in prevalence_rows(advice)
        if row.setting
    ]
    return [
        "### At another prevalence",
        f"Sensitivity {_share(advice.sensitivity)} and specificity {_share(advice.specificity)} of the advice for "
        f"{', '.join(advice.classes)}, carried to three settings (95 % interval). {PREVALENCE_LIMIT}",
        _table(prevalence_heads(advice), rows),
    ]


def _robustness(report: Report) -> list[str]:
    robustness = report.robustness
    if robustness is None:
        return ["### Robustness", "Not measured; 'hierattn evaluate --robustness' measures it."]
    rows = []
    for kind in robustness.changes.values():
        flips = kind.severities[robustness.middle]
        change = f"{kind.title}, {flips.level:g} {kind.unit}"
        lesions = _share(flips.lesions.advice_flips) if flips.lesions else DASH
        rows.append((change, lesions, _share(flips.advice_flips), percent(flips.answer_flips)))
    columns = ("change", "lesions whose advice changes", "photographs whose advice changes", "whose answer changes")
    return ["### Robustness", _table(columns, rows)]


def _checklists(report: Report) -> list[str]:
    parts = ["## Checklists", "Filled in from files where files hold the answer; what is **open**, people must answer."]
    for name, items in checklists(report).items():
        known = CHECKLISTS[name]
        rows = [(item["number"] or "", item["asks"] or "", _answered(item), item["remark"] or "") for item in items]
        parts += [f"### {name}", known.known, _table(("item", "asks for", "answer", known.remarks), rows, words=True)]
        left = [f"{item['number']}{' in part' if item['answer'] else ''}" for item in items if item["open"]]
        parts.append(f"Open: {', '.join(left)}.")
    return parts


def _answered(item: Mapping[str, str | None]) -> str:
    answer = item["answer"]
    if answer is None:
        return "**open**"
    return answer + (f"; **open**: {item['open']}" if item["open"] else "")
