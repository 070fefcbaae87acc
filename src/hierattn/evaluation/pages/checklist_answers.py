"""What a report can answer of a reporting checklist: one function an answer, None where it cannot tell.

An answer says what is so, never that something is fine. :mod:`~hierattn.evaluation.pages.checklists` says which item
each answers, and what is left for people.
"""

from __future__ import annotations

from collections.abc import Mapping

from hierattn.data.prepared_set.manifest import RENDERED
from hierattn.evaluation.measures.subgroups import ATTRIBUTES
from hierattn.evaluation.pages.html_report import confidence_of, cropping, gap_sentence, inside, percent, span
from hierattn.evaluation.report import EXTERNAL, Report
from hierattn.shares import setting

PUBLIC_SETS: Mapping[str, str] = {
    "isic2019": "dermoscopy",
    "ham10000": "dermoscopy",
    "pad-ufes-20": "clinical photographs taken with phones",
}
"""Sets that others collected, labelled and published before any network of this package was made -> their kind."""
DRAWN = {
    "hair": "hairs",
    "ink": "pen marks",
    "ruler": "rulers",
    "stickers": "stickers",
    "dark_corners": "dark corners",
    "frame": "black frames",
}
"""Key of a recipe's augmentation -> the artefact that it draws on training images."""


def _source(report: Report) -> str:
    return report.provenance.evaluated_on.source


def image_types(report: Report) -> str | None:
    """Dermoscopy or clinical photographs, where the set is a known one."""
    known = {**PUBLIC_SETS, RENDERED: "rendered lesions, no photographs of people"}
    return known.get(_source(report))


def preprocessing(report: Report) -> str:
    """Size, resize and crop."""
    spec = report.provenance.image_spec
    return f"{spec['size']} × {spec['size']} pixels, {spec.get('interpolation', 'bilinear')} resize, {cropping(spec)}"


def synthetic(report: Report) -> str:
    """Whether rendered images were evaluated."""
    if _source(report) == RENDERED:
        return "all images are rendered; 'hierattn render' makes them again"
    return "no rendered image is evaluated"


def citation(report: Report) -> str | None:
    """What is to be cited for the images."""
    return report.provenance.evaluated_on.citation or None


def data_source(report: Report) -> str | None:
    """Whose images they are."""
    data = report.provenance.evaluated_on
    if _source(report) == RENDERED:
        return "rendered for this study"
    if _source(report) not in PUBLIC_SETS:
        return None
    licence = f", {data.licence}" if data.licence else ""
    return f"a public set, {data.source}{licence}; not collected for this study"


def availability(report: Report) -> str:
    """Data and code, and the conditions of both."""
    data = report.provenance.evaluated_on
    licence = data.licence or "unknown"
    return f"code: {software(report)}; images: {data.source}, licence {licence}, not redistributed with this package"


def retrospective(report: Report) -> str | None:
    """Whether the data were there before the test."""
    return "after (retrospective): the set was published before the network" if _source(report) in PUBLIC_SETS else None


def blind_labels(report: Report) -> str | None:
    """What those who made the diagnoses knew of the network's answers."""
    return "nothing of this network, which came later" if _source(report) in PUBLIC_SETS else None


def metadata(report: Report) -> str | None:
    """By which attributes of the patients figures are reported."""
    attributes = {} if report.subgroups is None else report.subgroups.attributes
    return f"figures by {', '.join(inside(ATTRIBUTES[name]) for name in attributes)}" if attributes else None


def skin_tone(report: Report) -> str | None:
    """Images of each Fitzpatrick type."""
    rows = () if report.subgroups is None else report.subgroups.attributes.get("skin_type", ())
    if not rows:
        return None
    return "Fitzpatrick, as the set gives it: " + ", ".join(f"{row.name} {row.images}" for row in rows)


def image_alone(_report: Report) -> str:
    """The network has no other input."""
    return "the network sees the image alone"


def partitions(report: Report) -> str:
    """How the parts were made."""
    return report.protocol.text


def sizes(report: Report) -> str:
    """Images of each part."""
    images = report.provenance.training_images
    trained = "unknown" if images is None else images
    inner = "unknown" if report.triage is None else report.triage.validation.images
    return f"training {trained}, inner fold {inner}, evaluated {report.images} images of {report.groups} groups"


def external(report: Report) -> str | None:
    """The external set, where one was evaluated."""
    return f"evaluated on {report.protocol.set}, an external set" if report.protocol.name == EXTERNAL else None


def distribution(report: Report) -> str:
    """Images of each class."""
    return ", ".join(f"{code} {report.classes[code].images}" for code in report.class_order)


def alternatives(report: Report) -> str | None:
    """Images of each class among those that need no clinic."""
    if not report.taxonomy.has_referral:
        return None
    others = [code for code in report.class_order if code not in report.taxonomy.triage_group]
    counts = [f"{code} {report.classes[code].images}" for code in others]
    return f"outside the group that is referred to a clinic: {', '.join(counts)}" if counts else None


def algorithm(report: Report) -> str:
    """Which network."""
    made = report.provenance
    return f"{made.model}, {made.parameters:,} parameters; the resolved recipe is in report.json"


def development(report: Report) -> str:
    """How it was trained, and on how many images."""
    name = report.provenance.recipe.get("name")
    return f"{f'recipe {name}; ' if name else ''}{sizes(report)}; {partitions(report)}"


def measures(report: Report) -> str:
    """The headline with its interval."""
    figure = report.balanced_accuracy
    return f"balanced accuracy {percent(figure.value)} ({span(figure.interval)}), and the tables of this card"


def bias(report: Report) -> str | None:
    """The largest gap between subgroups, where two are large enough to name one."""
    subgroups = report.subgroups
    return None if subgroups is None or subgroups.largest_gap is None else gap_sentence(subgroups)


def _robust(report: Report) -> str | None:
    """Whether changed photographs were tried."""
    if report.robustness is None:
        return None
    return f"advice under {len(report.robustness.changes)} changes of the photograph, see Robustness"


def artefacts(report: Report) -> str | None:
    """Artefacts drawn on training images, hairs removed, and what changed photographs showed."""
    shares = report.provenance.recipe.get("augmentation", {})
    drawn = [f"{name} on {percent(shares[key], 0)}" for key, name in DRAWN.items() if shares.get(key)]
    parts = [
        f"drawn on training images: {', '.join(drawn)}" if drawn else None,
        "hairs removed from every image" if report.provenance.image_spec.get("hair_removal") else None,
        _robust(report),
    ]
    return "; ".join(part for part in parts if part) or None


def variability(report: Report) -> str | None:
    """By what variability was analysed."""
    parts = [text for text in (metadata(report), _robust(report)) if text]
    return "; ".join(parts) or None


def indeterminate(_report: Report) -> str:
    """What becomes of doubtful answers."""
    return "every image gets an answer and counts, whatever its confidence; report.html shows what abstaining gains"


def threshold(report: Report) -> str | None:
    """The threshold of the advice, and what it was set on."""
    triage = report.triage
    if triage is None or not triage.has_threshold:
        return None
    target = setting(triage.target_sensitivity)
    said = confidence_of(triage)
    confidence = f", low enough that {said}," if said else ""
    limit = setting(triage.risk_threshold)
    return f"risk of {limit} or more, set beforehand for {target} sensitivity{confidence} on {triage.fitted_on}"


def statistics(report: Report) -> str:
    """How accuracy and its interval are estimated."""
    resamples = report.bootstrap.resamples
    return f"shares and AUC by class, 95 % intervals from {resamples} resamples of whole lesions or patients"


def cross_table(_report: Report) -> str:
    """Where the confusion matrix is."""
    return "the confusion matrix in report.json and report.html"


def missing(report: Report) -> str | None:
    """What the evaluation left out, where it left out anything."""
    return "; ".join(report.notes) or None


def software(report: Report) -> str:
    """Version, commit and licence."""
    made = report.provenance
    return f"hierattn {made.hierattn}, commit {made.commit or 'unknown'}; Apache-2.0"


def intended(_report: Report) -> str:
    """What it is for."""
    return "research and teaching, in no clinical workflow: see Intended use"


def no_practice(_report: Report) -> str:
    """What follows for practice."""
    return "nothing for the care of patients: see Intended use"


def limitations(_report: Report) -> str:
    """What the figures do not say."""
    return "see Limits"


def waiting_room(report: Report) -> str:
    """Whether the shares of diseases are those of a practice."""
    carried = "" if report.by_prevalence is None else "; carried to three settings, see At another prevalence"
    return f"they do not: the shares are those of a collection, not of a waiting room, see Limits{carried}"


def stored_answers(_report: Report) -> str:
    """Whether the answers are kept."""
    return "every answer is in predictions.csv beside report.json, and every figure follows from it"
