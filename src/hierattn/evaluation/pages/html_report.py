"""``report.html``: one file that a person can read, print and send; it asks nothing of a network.

The words are made here, from ``report.json``'s figures; the page is ``report.html.jinja`` beside this module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from hierattn.evaluation.measures.subgroups import ATTRIBUTES
from hierattn.evaluation.measures.subgroups import FIGURES as SUBGROUP_FIGURES
from hierattn.evaluation.pages.figures import CLASS_COLOURS, svg
from hierattn.evaluation.pages.gallery import Picture
from hierattn.taxonomy import BY_CODE, TRIAGE_GROUP

DASH = "–"
FIGURE_TEXTS: dict[str, tuple[str, str]] = {
    "roc": (
        "ROC curves",
        "Each class against the rest, at every threshold. A curve through the upper left corner is perfect; the "
        "diagonal is guessing.",
    ),
    "reliability": (
        "Does 80 % mean 80 %?",
        "Above: of the answers given with some confidence, the share that is right. On the diagonal, confidence can "
        "be taken at its word. Below: how many images lie where.",
    ),
    "risk": (
        "Where the threshold falls",
        "Calibrated risk: the summed probability of {group}. Above the line at zero, lesions that should be seen; "
        "below it, the rest. Right of the dashed line, the advice is to see a clinic.",
    ),
    "risk_coverage": (
        "What saying “I cannot tell” gains",
        "Only the surest photographs are answered, the others are left to a doctor: the share answered, and the share "
        "of wrong answers among them. A flat curve would mean that confidence says nothing.",
    ),
    "robustness": (
        "The same lesion, another photograph",
        "How often the advice (or, without a threshold, the answer) changes when only the photograph does, at five "
        "severities.",
    ),
    "learning_curves": (
        "How it learnt",
        "The dotted line marks the epoch whose weights were kept, chosen on the inner fold.",
    ),
}
PROVENANCE: tuple[tuple[str, str], ...] = (
    ("Model", "model"),
    ("Parameters", "parameters"),
    ("Training images", "training_images"),
    ("Epoch kept", "epoch"),
    ("Trained with", "hierattn"),
    ("Evaluated with", "evaluated_by"),
    ("Commit", "commit"),
    ("Manifest", "manifest_sha256"),
)


def percent(value: float | None, digits: int = 1) -> str:
    """A share as text, ``0.6543 -> "65.4 %"``; a dash where it is undefined."""
    return DASH if value is None else f"{100 * value:.{digits}f}\N{NARROW NO-BREAK SPACE}%"


def decimal(value: float | None, digits: int = 3) -> str:
    """A number as text; a dash where it is undefined."""
    return DASH if value is None else f"{value:.{digits}f}"


def span(interval: Sequence[float] | None, digits: int = 1) -> str:
    """An interval of a share in per cent, ``"60 to 71"``; a dash where it is unknown."""
    return DASH if interval is None else f"{100 * interval[0]:.{digits}f} to {100 * interval[1]:.{digits}f}"


def plain_reading(report: Mapping[str, Any]) -> list[str]:
    """The headline in sentences."""
    present = [code for code in report["class_order"] if report["classes"][code]["images"]]
    balanced = report["balanced_accuracy"]
    sentences = []
    if balanced["value"] is not None and len(present) > 1:
        known = "" if balanced["interval"] is None else f" (95 % interval {span(balanced['interval'], 0)})"
        sentences.append(
            f"Shown every class equally often, it names the right one of {len(report['class_order'])} classes "
            f"{100 * balanced['value']:.0f} times in 100{known}; always giving the same answer would be right "
            f"{100 / len(present):.3g} times."
        )
    melanoma = report["classes"].get("MEL")
    if melanoma and melanoma["images"]:
        found = melanoma["sensitivity"]["value"]
        sentences.append(
            f"Of {melanoma['images']} photographs of melanoma it calls {round(found * melanoma['images'])} melanoma"
            f"{_worst_confusion(report, 'MEL')}."
        )
    return sentences


def _worst_confusion(report: Mapping[str, Any], code: str) -> str:
    order = report["class_order"]
    row = list(report["confusion_matrix"][order.index(code)])
    row[order.index(code)] = 0
    if not max(row):
        return ""
    other = order[row.index(max(row))]
    return f", and {max(row)} of the others {BY_CODE[other].name}, its most frequent mistake there"


def triage_reading(triage: Mapping[str, Any]) -> dict[str, Any] | None:
    """The threshold in natural frequencies; None where it could not be set or tested."""
    tested = triage["test"]
    if triage["risk_threshold"] is None or tested is None:
        return None
    sensitivity, specificity = tested["sensitivity"], tested["specificity"]
    return {
        "threshold": percent(triage["risk_threshold"]),
        "wished": percent(triage["wished_sensitivity"], 0),
        "sure": percent(triage["sure"], 0) if triage.get("sure") else "",
        "found": None if sensitivity is None else round(100 * sensitivity),
        "found_span": span(tested["interval"], 0),
        "spared": None if specificity is None else round(100 * specificity),
        "spared_span": span(tested["specificity_interval"], 0),
        "validation_sensitivity": percent(triage["validation"]["sensitivity"]),
        "group": _joined(sorted(TRIAGE_GROUP)),
        "positives": tested["positives"],
        "others": tested["images"] - tested["positives"],
        "kept": sensitivity is not None and sensitivity >= triage["wished_sensitivity"],
        "fitted_on": triage["fitted_on"],
    }


def gap_sentence(subgroups: Mapping[str, Any]) -> str:
    """The largest gap between two subgroups, in a sentence."""
    gap = subgroups["largest_gap"]
    if gap is None:
        return f"No two subgroups have {subgroups['fewest_groups']} lesions or more each, so no gap can be named."
    sure = {
        None: "",
        True: " Their intervals overlap: it may be chance.",
        False: " Their intervals do not overlap.",
    }[gap["intervals_overlap"]]
    figure = SUBGROUP_FIGURES[gap["figure"]]
    unit = "" if "auc" in gap["figure"] else "\N{NARROW NO-BREAK SPACE}%"
    low, high = (
        (decimal(gap[key]) if not unit else f"{100 * gap[key]:.1f}{unit}") for key in ("worst_value", "best_value")
    )
    return (
        f"Largest gap: {figure} is {low} for {inside(ATTRIBUTES[gap['attribute']])} {gap['worst']} and {high} for "
        f"{gap['best']}.{sure}"
    )


def inside(title: str) -> str:
    """A title as it stands inside a sentence.

    >>> inside("Skin type (Fitzpatrick)")
    'skin type (Fitzpatrick)'
    """
    return title[:1].lower() + title[1:]


def _joined(words: Sequence[str]) -> str:
    return words[0] if len(words) < 2 else f"{', '.join(words[:-1])} and {words[-1]}"


def tiles(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The headline figures: name, value, interval, what guessing gives, and a hint."""
    present = sum(1 for code in report["class_order"] if report["classes"][code]["images"])
    chance = 1 / present if present else None
    rows = (
        ("Balanced accuracy", "balanced_accuracy", chance, "mean sensitivity over the classes present"),
        ("Top-1 accuracy", "top1", None, "share of images; common classes count most"),
        ("Macro AUC", "macro_auc", 0.5, "mean over classes, each against the rest"),
        ("Cancer AUC", "malignant_auc", 0.5, "BCC, MEL and SCC against all other classes"),
        ("Melanoma sensitivity", "melanoma_sensitivity", None, "melanomas that are called melanoma"),
    )
    return [
        {
            "name": name,
            "value": report[key]["value"],
            "interval": report[key]["interval"],
            "chance": chance_here,
            "hint": hint,
            "text": decimal(report[key]["value"]) if "AUC" in name else percent(report[key]["value"]),
            "span": _area_span(report[key]["interval"]) if "AUC" in name else span(report[key]["interval"]),
        }
        for name, key, chance_here, hint in rows
    ]


def _area_span(interval: Sequence[float] | None, digits: int = 3) -> str:
    return DASH if interval is None else f"{interval[0]:.{digits}f} to {interval[1]:.{digits}f}"


def limits(report: Mapping[str, Any]) -> list[str]:
    """What the figures do not say, for this very set."""
    judged = report["provenance"]["judged_on"]["source"]
    few = [code for code in report["class_order"] if 0 < report["classes"][code]["groups"] < 30]
    missing = [code for code in report["class_order"] if not report["classes"][code]["images"]]
    said = [
        "Intervals say how far chance in the choice of lesions may have moved a figure. They do not cover another "
        "clinic, camera, skin tone or age than those in the data.",
        "The shares of classes here are those of a collection, not of a waiting room: how often an alarm is right "
        "depends on how common the disease is where it is used.",
    ]
    if judged == "synthetic":
        said.insert(0, "These lesions are rendered. The figures show that the tools work, and nothing about patients.")
    if few:
        said.append(f"{_joined(few)}: fewer than 30 lesions each, so their rows can turn out otherwise.")
    if missing:
        said.append(f"{_joined(missing)}: no image here, so nothing is known of them.")
    said.append("A photograph cannot rule out cancer. No figure here is a reason not to see a doctor.")
    return said


def cropping(spec: Mapping[str, Any]) -> str:
    """The crop of a report's ``image_spec`` in words; a report of an older version has a truth value there.

    >>> cropping({"crop": "none"}), cropping({"crop": "surround"})
    ('not cropped', "cropped by the rule 'surround'")
    """
    crop = spec.get("crop", "none")
    if crop is True:
        return "cropped"
    return "not cropped" if crop in (None, "none", False) else f"cropped by the rule '{crop}'"


def shown_provenance(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What made this, as names and texts."""
    known = report["provenance"]
    recipe = known.get("recipe", {})
    rows = [(name, _text(known[key])) for name, key in PROVENANCE if known.get(key) not in (None, "")]
    told = (("Recipe", recipe.get("name")), ("Seed", recipe.get("seed")))
    rows[2:2] = [(name, _text(value)) for name, value in told if value not in (None, "")]
    judged = known["judged_on"]
    rows += [(name, judged[key]) for name, key in (("Data", "source"), ("Licence", "licence"), ("Cite", "citation"))]
    spec = known["image_spec"]
    rows.append(("Image", f"{spec['size']} × {spec['size']} pixels, {cropping(spec)}"))
    bootstrap = report["bootstrap"]
    rows.append(("Intervals", f"95 %, {bootstrap['resamples']} resamples of groups, seed {bootstrap['seed']}"))
    return [(name, value) for name, value in rows if value]


def _text(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) and value >= 10_000 else str(value)


def render(report: Mapping[str, Any], figures: Mapping[str, Figure], gallery: Mapping[str, Sequence[Picture]]) -> str:
    """The whole page as text. ``report`` is what :mod:`~hierattn.evaluation.report` made."""
    group = _joined(sorted(TRIAGE_GROUP))
    drawn = {
        # Our own drawing, with its label escaped: the only markup that is trusted.
        name: (Markup(svg(figures[name], title)), title, text.format(group=group))
        for name, (title, text) in FIGURE_TEXTS.items()
        if name in figures
    }
    return fill_page(
        "report.html.jinja",
        report=report,
        tiles=tiles(report),
        reading=plain_reading(report),
        triage=triage_reading(report["triage"]) if "triage" in report else None,
        figures=drawn,
        limits=limits(report),
        provenance=shown_provenance(report),
        gallery=gallery,
        lesions=BY_CODE,
        attributes=ATTRIBUTES,
        subgroup_figures=SUBGROUP_FIGURES,
        gap=gap_sentence(report["subgroups"]) if "subgroups" in report else "",
        colours=CLASS_COLOURS,
    )


def fill_page(template: str, **values: Any) -> str:
    """A page from a template beside this module, in the house's style (``page.css``); all values are escaped."""
    page = Environment(
        loader=PackageLoader("hierattn.evaluation.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page.filters.update(percent=percent, decimal=decimal, span=span, area_span=_area_span)
    style = resources.files("hierattn.evaluation.pages").joinpath("templates", "page.css").read_text(encoding="utf-8")
    return page.get_template(template).render(style=Markup(style), **values)  # our own file


def write_html_report(
    path: Path,
    report: Mapping[str, Any],
    figures: Mapping[str, Figure],
    gallery: Mapping[str, Sequence[Picture]] | None = None,
) -> None:
    """Write the page, under a temporary name first."""
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(render(report, figures, gallery or {}), encoding="utf-8")
    temporary.replace(path)
