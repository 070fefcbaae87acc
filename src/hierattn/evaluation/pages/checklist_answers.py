"""What ``report.json`` can answer of a reporting checklist: one function an answer, None where it cannot tell.

An answer says what is so, never that something is fine. :mod:`~hierattn.evaluation.pages.checklists` says which item
each answers, and what is left for people.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hierattn.evaluation.measures.subgroups import ATTRIBUTES
from hierattn.evaluation.pages.html_report import cropping, gap_sentence, inside, percent, span
from hierattn.taxonomy import TRIAGE_GROUP

Report = Mapping[str, Any]

PUBLIC_SETS: Mapping[str, str] = {
    "isic2019": "dermoscopy",
    "ham10000": "dermoscopy",
    "pad-ufes-20": "clinical photographs taken with phones",
}
"""Sets that others collected, labelled and published before any network of this package was made -> their kind."""
RENDERED = "synthetic"


def _source(report: Report) -> str:
    return str(report["provenance"]["judged_on"]["source"])


def image_types(report: Report) -> str | None:
    """Dermoscopy or clinical photographs, where the set is a known one."""
    known = {**PUBLIC_SETS, RENDERED: "rendered lesions, no photographs of people"}
    return known.get(_source(report))


def preprocessing(report: Report) -> str:
    """Size, resize and crop."""
    spec = report["provenance"]["image_spec"]
    return f"{spec['size']} × {spec['size']} pixels, {spec.get('interpolation', 'bilinear')} resize, {cropping(spec)}"


def synthetic(report: Report) -> str:
    """Whether rendered images were judged."""
    if _source(report) == RENDERED:
        return "all images are rendered; 'hierattn render' makes them again"
    return "no rendered image is judged"


def citation(report: Report) -> str | None:
    """What is to be cited for the images."""
    return report["provenance"]["judged_on"].get("citation") or None


def data_source(report: Report) -> str | None:
    """Whose images they are."""
    known = report["provenance"]["judged_on"]
    if _source(report) == RENDERED:
        return "rendered for this study"
    if _source(report) not in PUBLIC_SETS:
        return None
    licence = f", {known['licence']}" if known.get("licence") else ""
    return f"a public set, {known['source']}{licence}; not collected for this study"


def availability(report: Report) -> str:
    """Data and code, and the conditions of both."""
    known = report["provenance"]["judged_on"]
    licence = known.get("licence") or "unknown"
    return f"code: {software(report)}; images: {known['source']}, licence {licence}, not given on by this package"


def retrospective(report: Report) -> str | None:
    """Whether the data were there before the test."""
    return "after (retrospective): the set was published before the network" if _source(report) in PUBLIC_SETS else None


def blind_labels(report: Report) -> str | None:
    """What those who made the diagnoses knew of the network's answers."""
    return "nothing of this network, which came later" if _source(report) in PUBLIC_SETS else None


def metadata(report: Report) -> str | None:
    """By what of the patients the figures are told apart."""
    attributes = report.get("subgroups", {}).get("attributes", {})
    return f"figures by {', '.join(inside(ATTRIBUTES[name]) for name in attributes)}" if attributes else None


def skin_tone(report: Report) -> str | None:
    """Images of each Fitzpatrick type."""
    rows = report.get("subgroups", {}).get("attributes", {}).get("skin_type")
    if not rows:
        return None
    return "Fitzpatrick, as the set gives it: " + ", ".join(f"{row['name']} {row['images']}" for row in rows)


def image_alone(_report: Report) -> str:
    """The network has no other input."""
    return "the network sees the image alone"


def partitions(report: Report) -> str:
    """How the parts were made."""
    return str(report["protocol"]["text"])


def sizes(report: Report) -> str:
    """Images of each part."""
    trained = report["provenance"].get("training_images", "unknown")
    inner = report.get("triage", {}).get("validation", {}).get("images", "unknown")
    return f"training {trained}, inner fold {inner}, judged {report['images']} images of {report['groups']} groups"


def external(report: Report) -> str | None:
    """Another set than the one learnt from, where one was judged."""
    return f"judged on {report['protocol']['set']}, another set" if report["protocol"]["name"] == "foreign" else None


def distribution(report: Report) -> str:
    """Images of each class."""
    return ", ".join(f"{code} {report['classes'][code]['images']}" for code in report["class_order"])


def alternatives(report: Report) -> str | None:
    """Images of each class among those that need no clinic."""
    others = [code for code in report["class_order"] if code not in TRIAGE_GROUP]
    found = [f"{code} {report['classes'][code]['images']}" for code in others]
    return f"outside the group that is sent to a clinic: {', '.join(found)}" if found else None


def algorithm(report: Report) -> str:
    """Which network."""
    made = report["provenance"]
    return f"{made['model']}, {made['parameters']:,} parameters; the resolved recipe is in report.json"


def development(report: Report) -> str:
    """How it was trained, and on how many images."""
    name = report["provenance"].get("recipe", {}).get("name")
    return f"{f'recipe {name}; ' if name else ''}{sizes(report)}; {partitions(report)}"


def measures(report: Report) -> str:
    """The headline with its interval."""
    figure = report["balanced_accuracy"]
    return f"balanced accuracy {percent(figure['value'])} ({span(figure['interval'])}), and the tables of this card"


def bias(report: Report) -> str | None:
    """The largest gap between subgroups, where two are large enough to name one."""
    known = report.get("subgroups")
    return gap_sentence(known) if known and known.get("largest_gap") else None


def robust(report: Report) -> str | None:
    """Whether changed photographs were tried."""
    if "robustness" not in report:
        return None
    return f"advice under {len(report['robustness']['changes'])} changes of the photograph, see Robustness"


def variability(report: Report) -> str | None:
    """By what accuracy was looked at apart."""
    parts = [text for text in (metadata(report), robust(report)) if text]
    return "; ".join(parts) or None


def indeterminate(_report: Report) -> str:
    """What becomes of doubtful answers."""
    return "every image gets an answer, however unsure, and counts; what leaving out the unsure gains is in report.html"


def threshold(report: Report) -> str | None:
    """The threshold of the advice, and what it was set on."""
    triage = report.get("triage")
    if triage is None or triage["risk_threshold"] is None:
        return None
    wished = percent(triage["wished_sensitivity"], 0)
    sure = f", {percent(triage['sure'], 0)} sure of it," if triage.get("sure") else ""
    limit = percent(triage["risk_threshold"])
    return f"risk of {limit} or more, set beforehand for {wished} sensitivity{sure} on {triage['fitted_on']}"


def statistics(report: Report) -> str:
    """How accuracy and its interval are estimated."""
    resamples = report["bootstrap"]["resamples"]
    return f"shares and AUC by class, 95 % intervals from {resamples} resamples of whole lesions or patients"


def cross_table(_report: Report) -> str:
    """Where the confusion matrix is."""
    return "the confusion matrix in report.json and report.html"


def missing(report: Report) -> str | None:
    """What the evaluation left out, where it left out anything."""
    return "; ".join(report["notes"]) or None


def software(report: Report) -> str:
    """Version, commit and licence."""
    made = report["provenance"]
    return f"hierattn {made.get('hierattn', '')}, commit {made.get('commit') or 'unknown'}; Apache-2.0"


def intended(_report: Report) -> str:
    """What it is for."""
    return "research and teaching, in no clinical workflow: see Intended use"


def no_practice(_report: Report) -> str:
    """What follows for practice."""
    return "nothing for the care of patients: see Intended use"


def limitations(_report: Report) -> str:
    """What the figures do not say."""
    return "see Limits"


def waiting_room(_report: Report) -> str:
    """Whether the shares of diseases are those of a practice."""
    return "they do not: the shares are those of a collection, not of a waiting room, see Limits"


def stored_answers(_report: Report) -> str:
    """Whether the answers are kept."""
    return "every answer is in predictions.csv beside report.json, and every figure follows from it"
