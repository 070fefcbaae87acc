"""``report.html``: one file that a person can read, print and send; it loads nothing from a network.

The words are made here, from ``report.json``'s figures; the page is ``report.html.jinja`` beside this module.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from hierattn import shares
from hierattn.data.prepared_set.manifest import RENDERED
from hierattn.evaluation.asking.records import ADVICE_BY
from hierattn.evaluation.measures.calibration import Calibration
from hierattn.evaluation.measures.intervals import Interval
from hierattn.evaluation.measures.subgroups import ATTRIBUTES, Subgroups
from hierattn.evaluation.measures.subgroups import FIGURES as SUBGROUP_FIGURES
from hierattn.evaluation.pages import clinical_use
from hierattn.evaluation.pages.drawn_names import drawn_names
from hierattn.evaluation.pages.figures import MOST_CURVES, MOST_IN_CELLS, css_variables, svg
from hierattn.evaluation.records import defined
from hierattn.evaluation.report import Report
from hierattn.files import write_text
from hierattn.run_folder import epoch_number
from hierattn.taxonomy.built_in import class_like
from hierattn.taxonomy.colours import PALETTE
from hierattn.taxonomy.records import NO_REFERRAL, Taxonomy

if TYPE_CHECKING:  # which draws with torch
    from hierattn.evaluation.pages.gallery import Picture

DASH = "–"
NAMED_FIRST = " Named are melanoma, other cancers, what is referred, and then the most frequent classes."
"""What the page says of the ROC curves of many classes."""
LARGEST_MATRIX = 30
"""Classes of a confusion matrix that the page shows."""
MOST_CONFUSIONS = 20
"""The most frequent mistakes that the page lists where the matrix has too many cells for their counts."""
WIDEST_HEADS = 60
"""Letters in the heads of a matrix's columns, all together; more are turned."""
FIGURE_TEXTS: dict[str, tuple[str, str]] = {
    "roc": (
        "ROC curves",
        "Each class against the rest, at every threshold. A curve through the upper left corner is perfect; the "
        "diagonal is guessing.{named}",
    ),
    "reliability": (
        "Does 80 % mean 80 %?",
        "Above: the share of answers that is right, by the confidence they were given with. On the diagonal, "
        "confidence means what it says. Below: the number of images at each confidence.",
    ),
    "risk": (
        "Where the threshold falls",
        "Calibrated risk: the summed probability of {group}. Bars above zero: lesions that should be seen in a clinic; "
        "below: all others. Right of the dashed line, the advice is to see a clinic.",
    ),
    "risk_coverage": (
        "What saying “I cannot tell” gains",
        "Only the photographs with the highest confidence are answered; the others are left to a doctor. The curve "
        "shows the share of wrong answers against the share answered. A flat curve would mean that confidence is "
        "uninformative.",
    ),
    "robustness": (
        "The same lesion, another photograph",
        "How often the advice (or, without a threshold, the answer) changes when only the photograph changes, at five "
        "severities.",
    ),
    "learning_curves": (
        "Training",
        "The dotted line marks the epoch whose weights are kept, chosen on the inner fold.",
    ),
}


def percent(value: float | None, digits: int = 1) -> str:
    """A share as text, ``0.6543 -> "65.4 %"``; a dash where it is undefined."""
    return DASH if value is None else shares.percent(value, digits).replace(" ", "\N{NARROW NO-BREAK SPACE}")


def decimal(value: float | None, digits: int = 3) -> str:
    """A number as text; a dash where it is undefined."""
    return DASH if value is None else f"{value:.{digits}f}"


def area(value: float | None, digits: int = 3) -> str:
    """An area under a curve, or a share as a decimal number; a dash where it is undefined."""
    return DASH if value is None else shares.fraction(value, digits)


def span(interval: Sequence[float] | None, digits: int = 1) -> str:
    """An interval of a share in per cent, ``"60 to 71"``; a dash where it is unknown."""
    return DASH if interval is None else " to ".join(shares.hundredths(end, digits) for end in interval)


def plain_reading(report: Report) -> list[str]:
    """The headline in sentences."""
    present = [code for code in report.class_order if report.classes[code].images]
    balanced = report.balanced_accuracy
    sentences = []
    if balanced.value is not None and len(present) > 1:
        interval = "" if balanced.interval is None else f" (95 % interval {_of_hundred(balanced.interval)})"
        sentences.append(
            f"Shown every class equally often, the model names the right one of {len(report.class_order)} classes "
            f"{_times(str(shares.of_hundred(balanced.value)))} in 100{interval}; always giving the same answer would "
            f"be right {_times(f'{100 / len(present):.3g}')}."
        )
    code = class_like(report.taxonomy, "MEL")
    if code in present:
        place = report.class_order.index(code)
        found = report.confusion_matrix[place][place]
        sentences.append(
            f"Of {report.classes[code].images} photographs of melanoma it calls {found} melanoma"
            f"{_worst_confusion(report, code)}."
        )
    if not report.taxonomy.has_referral:
        sentences.append(NO_REFERRAL)
    return sentences


def _times(number: str) -> str:
    """How often, in words: "once", "12.5 times"."""
    return "once" if number == "1" else f"{number} times"


def _of_hundred(interval: Sequence[float]) -> str:
    """An interval by the rule of the number before it, so that it holds that number."""
    return " to ".join(str(shares.of_hundred(end)) for end in interval)


def _worst_confusion(report: Report, code: str) -> str:
    order = report.class_order
    row = list(report.confusion_matrix[order.index(code)])
    row[order.index(code)] = 0
    if not max(row):
        return ""
    other = order[row.index(max(row))]
    return f", and {max(row)} of the others {report.taxonomy.by_code[other].name}, its most frequent mistake there"


def triage_reading(triage: Calibration, taxonomy: Taxonomy) -> dict[str, Any] | None:
    """The threshold in natural frequencies; None where it could not be set or tested."""
    tested = triage.test
    if not triage.has_threshold or tested is None:
        return None
    sensitivity = defined(tested.sensitivity)
    return {
        "threshold": shares.setting(triage.risk_threshold),
        "target": shares.setting(triage.target_sensitivity),
        "confidence": confidence_of(triage),
        "found": _crowd(tested.sensitivity, tested.interval, tested.missed, tested.positives),
        "spared": _crowd(
            tested.specificity,
            tested.specificity_interval,
            tested.false_alarms,
            tested.images - tested.positives,
        ),
        "validation_sensitivity": percent(defined(triage.validation.sensitivity)),
        "group": _listed(sorted(taxonomy.triage_group)),
        "reached": sensitivity is not None and sensitivity >= triage.target_sensitivity,
        "fitted_on": triage.fitted_on,
    }


def confidence_of(triage: Calibration) -> str:
    """With which confidence new lesions reach the target sensitivity, of each source by itself; "" where unknown.

    A source with too few lesions for the confidence is named: the figure of all lesions together would promise it more.
    """
    known = [source for source in triage.sources if not math.isnan(source.threshold)]
    if not known:
        return f"new lesions reach it with {shares.setting(triage.confidence)} confidence" if triage.confidence else ""
    said = [
        f"new lesions of {source.source} reach it "
        + (
            f"with {shares.setting(source.confidence)} confidence"
            if source.confidence
            else f"at least half the time ({source.lesions} lesions are too few for more)"
        )
        for source in sorted(known, key=lambda source: -source.confidence)
    ]
    few = [source.source for source in triage.sources if math.isnan(source.threshold)]
    return "; ".join(said) + (f"; of those of {_listed(few)} nothing is known" if few else "")


@dataclass(frozen=True)
class Crowd:
    """A share of good news as so many of 100, rounded down, and as it was counted: ``failed`` of ``images`` are not."""

    hundred: int
    span: str
    failed: int
    images: int

    @property
    def rest(self) -> int:
        """The bad news, of 100."""
        return 100 - self.hundred


def _crowd(share: float, interval: Interval | None, failed: int, images: int) -> Crowd | None:
    if defined(share) is None:
        return None
    ends = DASH if interval is None else _of_hundred(interval)
    return Crowd(shares.of_hundred(share), ends, failed, images)


def calibration_sentence(report: Report) -> str:
    """What the calibration does to these probabilities; empty without one.

    In another taxonomy they were calibrated before they were added up, and a bundle's answers are calibrated, so that
    there is nothing before to compare with.
    """
    gain = report.calibration
    if gain is None:
        return ""
    error, brier = gain.expected_calibration_error, gain.brier
    if report.judged_in or report.bundle:
        how = "Calibrated by the bundle itself" if report.bundle else "Calibrated as in the model's own evaluation"
        if report.bundle and report.triage is not None and not report.triage.fitted_on:
            how = "Never calibrated"
        added = ", before classes were added up" if report.judged_in else ""
        said = f"{how}{added}: calibration error {percent(error.after)}, Brier score {area(brier.after)}."
    else:
        said = (
            f"Temperature {gain.temperature:.3f}: calibration error {percent(error.before)} before, "
            f"{percent(error.after)} after; Brier score {area(brier.before)} and {area(brier.after)}."
        )
    chance = gain.by_chance
    if chance is None or chance.value is None:
        return said
    return (
        f"{said} On as many photographs, exactly right probabilities would have a calibration error of "
        f"{percent(chance.value)} ({span(chance.interval)}) by chance."
    )


def gap_sentence(subgroups: Subgroups) -> str:
    """The largest gap between two subgroups, in a sentence."""
    gap = subgroups.largest_gap
    if gap is None:
        return (
            f"No two subgroups can be compared: a figure needs {subgroups.fewest_groups} lesions or patients, and the "
            "same number of classes, in both."
        )
    if not gap.gap:
        return "Subgroups that are large enough to compare differ in no figure."
    overlap = {
        None: "",
        True: " Their intervals overlap: it may be chance.",
        False: " Their intervals do not overlap.",
    }[gap.intervals_overlap]
    show = area if "auc" in gap.figure else percent
    return (
        f"Largest gap: {SUBGROUP_FIGURES[gap.figure]} is {show(gap.worst_value)} for "
        f"{inside(ATTRIBUTES[gap.attribute])} {gap.worst} and {show(gap.best_value)} for {gap.best}.{overlap}"
    )


def inside(title: str) -> str:
    """A title as it stands inside a sentence.

    >>> inside("Skin type (Fitzpatrick)")
    'skin type (Fitzpatrick)'
    """
    return title[:1].lower() + title[1:]


def _listed(codes: Sequence[str], shown: int = 12) -> str:
    """Codes in a sentence; of many, the first few and how many more."""
    return _joined(codes) if len(codes) <= shown else f"{', '.join(codes[:shown])} and {len(codes) - shown} more"


def _joined(words: Sequence[str]) -> str:
    return "".join(words) if len(words) < 2 else f"{', '.join(words[:-1])} and {words[-1]}"


def tiles(report: Report) -> list[dict[str, Any]]:
    """The headline figures: name, value, interval, what guessing gives, and a hint."""
    present = sum(1 for code in report.class_order if report.classes[code].images)
    chance = 1 / present if present else None
    hints = {
        "balanced accuracy": (chance, "mean sensitivity over the classes present"),
        "top-1 accuracy": (None, "share of images; common classes count most"),
        "macro AUC": (0.5, "mean over classes, each against the rest"),
        "cancer AUC": (0.5, f"{_listed(sorted(report.taxonomy.malignant))} against all other classes"),
        "melanoma sensitivity": (None, "melanomas that are called melanoma"),
    }
    return [
        {
            "name": name[0].upper() + name[1:],
            "estimate": estimate,
            "chance": hints[name][0],
            "hint": hints[name][1],
            "text": area(estimate.value) if "AUC" in name else percent(estimate.value),
            "span": area_span(estimate.interval) if "AUC" in name else span(estimate.interval),
        }
        for name, estimate in report.headline.items()
    ]


def area_span(interval: Sequence[float] | None, digits: int = 3) -> str:
    """An interval of an area, ``"0.601 to 0.712"``; a dash where it is unknown."""
    return DASH if interval is None else " to ".join(shares.fraction(end, digits) for end in interval)


def limits(report: Report) -> list[str]:
    """What the figures do not say, for this very set."""
    few = [code for code in report.class_order if 0 < report.classes[code].groups < 30]
    missing = [code for code in report.class_order if not report.classes[code].images]
    lines = [
        "Intervals show how much a figure could vary with another sample of lesions from the same source. They do not "
        "cover another clinic, camera, skin tone or age than those in the data.",
        "The class frequencies here are those of a collection, not of a waiting room: how often a positive result is "
        "right depends on how common the disease is where the model is used.",
    ]
    if report.provenance.evaluated_on.source == RENDERED:
        lines.insert(0, "These lesions are rendered. The figures show that the tools work, and nothing about patients.")
    if few:
        lines.append(f"{_listed(few)}: fewer than 30 lesions each, so their figures are uncertain.")
    if missing:
        lines.append(f"{_listed(missing)}: no image here, so not measured.")
    if not report.taxonomy.malignant:
        lines.append("The classes do not say which of them are cancer, so no figure is of cancer.")
    lines.append("A photograph cannot rule out cancer. No figure here is a reason not to see a doctor.")
    return lines


def cropping(spec: Mapping[str, Any]) -> str:
    """The crop of a report's ``image_spec`` in words; a report of an older version has a truth value there.

    >>> cropping({"crop": "none"}), cropping({"crop": "surround"})
    ('not cropped', "cropped by the rule 'surround'")
    """
    crop = spec.get("crop", "none")
    if crop is True:
        return "cropped"
    return "not cropped" if crop in (None, "none", False) else f"cropped by the rule '{crop}'"


def shown_provenance(report: Report) -> list[tuple[str, str]]:
    """What made this, as names and texts; what nobody knows is left out."""
    made, recipe, bootstrap = report.provenance, report.provenance.recipe, report.bootstrap
    size = made.image_spec["size"]
    rows = (
        ("Model", made.model),
        ("Parameters", made.parameters),
        ("Recipe", recipe.get("name")),
        ("Seed", recipe.get("seed")),
        ("Training images", made.training_images),
        ("Epoch kept", None if made.epoch is None else epoch_number(made.epoch)),
        ("Trained with", made.hierattn),
        ("Evaluated with", made.evaluated_by),
        ("Commit", made.commit),
        ("Manifest", made.manifest_sha256),
        ("Bundle", report.bundle),
        ("Data", made.evaluated_on.source),
        ("Licence", made.evaluated_on.licence),
        ("Cite", made.evaluated_on.citation),
        ("Image", f"{size} × {size} pixels, {cropping(made.image_spec)}"),
        ("Intervals", f"95 %, {bootstrap.resamples} resamples of groups, seed {bootstrap.seed}"),
    )
    return [(name, _text(value)) for name, value in rows if value not in (None, "")]


def _text(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) and value >= 10_000 else str(value)


def render(report: Report, figures: Mapping[str, Figure], gallery: Mapping[str, Sequence[Picture]]) -> str:
    """The whole page as text."""
    group = _listed(sorted(report.taxonomy.triage_group))
    present = sum(1 for code in report.class_order if report.classes[code].images)
    named = NAMED_FIRST if present > MOST_CURVES else ""
    drawn = {
        # Our own drawing, with its label escaped: the only markup that is trusted.
        name: (Markup(svg(figures[name], title, report.taxonomy)), title, text.format(group=group, named=named))
        for name, (title, text) in {**FIGURE_TEXTS, **clinical_use.FIGURE_TEXTS}.items()
        if name in figures
    }
    advice = report.by_prevalence
    return fill_page(
        "report.html.jinja",
        script="" if advice is None else "prevalence.js",
        report=report,
        benefit=clinical_use.net_benefit_reading(report),
        prevalences=[] if advice is None else clinical_use.prevalence_rows(advice),
        prevalence_limit=clinical_use.PREVALENCE_LIMIT,
        prevalence_heads=() if advice is None else clinical_use.prevalence_heads(advice),
        tiles=tiles(report),
        reading=plain_reading(report),
        triage=None if report.triage is None else triage_reading(report.triage, report.taxonomy),
        figures=drawn,
        limits=limits(report),
        provenance=shown_provenance(report),
        gallery=gallery,
        lesions=report.taxonomy.by_code,
        variable=_class_variables(report.taxonomy),
        confusions=_confusions(report),
        most_in_cells=MOST_IN_CELLS,
        largest_matrix=LARGEST_MATRIX,
        turned=sum(map(len, report.class_order)) > WIDEST_HEADS,
        numbered=_numbered(report),
        calibration=calibration_sentence(report),
        taxonomy=report.taxonomy,
        attributes=ATTRIBUTES,
        advice_by=ADVICE_BY,
        gap="" if report.subgroups is None else gap_sentence(report.subgroups),
        looks=[] if report.looks is None else report.looks.sentences(),
        warnings=[] if report.looks is None else report.looks.warnings(),
    )


def _class_variables(taxonomy: Taxonomy) -> dict[str, str]:
    """Code -> the variable of the style sheet with its colour, without the dashes before it."""
    variables = css_variables(taxonomy)
    return {each.code: variables[each.colour.lower()].removeprefix("--") for each in taxonomy.classes}


def _confusions(report: Report) -> list[tuple[str, str, int, float]]:
    """Of a large matrix, the most frequent mistakes: true class, answer, images, share of it."""
    if len(report.class_order) <= MOST_IN_CELLS:
        return []
    cells = [
        (count, row, column)
        for row, counts in enumerate(report.confusion_matrix)
        for column, count in enumerate(counts)
        if count and row != column
    ]
    cells.sort(key=lambda cell: (-cell[0], cell[1:]))
    order = report.class_order
    return [
        (order[row], order[column], count, count / sum(report.confusion_matrix[row]))
        for count, row, column in cells[:MOST_CONFUSIONS]
    ]


def _numbered(report: Report) -> list[str]:
    """What figures call the classes whose codes they cannot draw, e.g. ``class 5: 皮炎``."""
    pairs = zip(drawn_names(report.class_order, length=99), report.class_order, strict=True)
    return [f"{label}: {code}" for label, code in pairs if label != code]


def breakable(text: str) -> Markup:
    """A text that may be broken after each underscore: codes are long words.

    >>> breakable("a_b<")
    Markup('a_<wbr>b&lt;')
    """
    return Markup("_<wbr>").join(text.split("_"))


@cache
def _templates() -> Environment:
    """The templates beside this module, each compiled once."""
    page = Environment(
        loader=PackageLoader("hierattn.evaluation.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page.filters.update(
        percent=percent,
        decimal=decimal,
        area=area,
        span=span,
        area_span=area_span,
        setting=shares.setting,
        hundredths=shares.hundredths,
        breakable=breakable,
        of_100=clinical_use.of_100,
        span_of_100=clinical_use.span_of_100,
    )
    return page


def fill_page(template: str, taxonomy: Taxonomy | None = None, script: str = "", **values: Any) -> str:
    """A page from a template beside this module, in the house's style (``page.css``); all values are escaped.

    ``taxonomy`` is of the classes whose colours are in it; ``script`` is the name of a file of ours, the only script
    that the page lets run.
    """
    ours = resources.files("hierattn.evaluation.pages").joinpath("templates")
    style = ours.joinpath("page.css").read_text(encoding="utf-8")
    code = ours.joinpath(script).read_text(encoding="utf-8") if script else ""
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    pairs = {f"--hue-{number}": pair for number, pair in enumerate(PALETTE)}
    for number, each in enumerate(() if taxonomy is None else taxonomy.classes):
        pairs[f"--class-{number}"] = (each.colour, each.colour_dark)
    colours = {
        name: " ".join(f"{variable}: {pair[place]};" for variable, pair in pairs.items())
        for place, name in enumerate(("class_colours", "class_colours_dark"))
    }
    style = Template(style).substitute(colours)
    trusted = {"style": Markup(style), "script": Markup(code), "script_digest": digest}  # our own files
    return _templates().get_template(template).render(**trusted, **values)


def write_html_report(
    path: Path,
    report: Report,
    figures: Mapping[str, Figure],
    gallery: Mapping[str, Sequence[Picture]] | None = None,
) -> None:
    """Write the page."""
    write_text(path, render(report, figures, gallery or {}))
