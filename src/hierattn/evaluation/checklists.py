"""What a dermatology AI report should tell, as tables: CLEAR Derm's items, and STARD's with STARD-AI's additions.

Each item names the function that answers it from ``report.json``, or none where only people can: how patients were
recruited, who made the reference diagnosis, what the ethics committee said. An item without an answer is shown as
open, never as done. Item texts are ours, in short. STARD 2015's numbers and topics were checked against a published
table that quotes them (the CLAIM criteria of BMJ Health & Care Informatics). Of CLEAR Derm only the four headings
(data, technique, technical assessment, application) could be checked: its items and their numbers, and STARD-AI's
additions, which stand under their topic, are from memory, and the card says so.

References
----------
Daneshjou et al., Checklist for Evaluation of Image-Based Artificial Intelligence Reports in Dermatology: CLEAR Derm
Consensus Guidelines, JAMA Dermatology, 2022. Bossuyt et al., STARD 2015, BMJ, 2015. Sounderajah et al., STARD-AI,
Nature Medicine, 2025.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hierattn.evaluation.html_report import percent, span

Report = Mapping[str, Any]
Answer = Callable[[Report], str | None]


@dataclass(frozen=True)
class Item:
    """One item: its number or topic, what it asks for, and what answers it (None: people only)."""

    number: str
    asks: str
    answer: Answer | None = None


def _image_types(report: Report) -> str | None:
    source = report["provenance"]["judged_on"]["source"]
    known = {
        "isic2019": "dermoscopy", "ham10000": "dermoscopy", "pad-ufes-20": "clinical photographs taken with phones",
        "synthetic": "rendered lesions, no photographs of people",
    }  # fmt: skip
    return known.get(source)


def _preprocessing(report: Report) -> str:
    spec = report["provenance"]["image_spec"]
    crop = spec.get("crop", "none")
    cropped = "not cropped" if crop in (None, "none", False) else f"cropped by the rule '{crop}'"
    return f"{spec['size']} × {spec['size']} pixels, {spec.get('interpolation', 'bilinear')} resize, {cropped}"


def _synthetic(report: Report) -> str:
    rendered = report["provenance"]["judged_on"]["source"] == "synthetic"
    return "all images are rendered; 'hierattn render' makes them again" if rendered else "no rendered image is judged"


def _reference(report: Report) -> str | None:
    return report["provenance"]["judged_on"].get("citation") or None


def _metadata(report: Report) -> str | None:
    attributes = report.get("subgroups", {}).get("attributes", {})
    return f"figures by {', '.join(attributes)}" if attributes else None


def _skin_tone(report: Report) -> str | None:
    rows = report.get("subgroups", {}).get("attributes", {}).get("skin_type")
    if not rows:
        return None
    return "Fitzpatrick, as the set gives it: " + ", ".join(f"{row['name']} {row['images']}" for row in rows)


def _partitions(report: Report) -> str:
    return str(report["protocol"]["text"])


def _sizes(report: Report) -> str:
    trained = report["provenance"].get("training_images", "unknown")
    inner = report.get("triage", {}).get("validation", {}).get("images", "unknown")
    return f"training {trained}, inner fold {inner}, judged {report['images']} images of {report['groups']} groups"


def _external(report: Report) -> str | None:
    return f"judged on {report['protocol']['set']}, another set" if report["protocol"]["name"] == "foreign" else None


def _distribution(report: Report) -> str:
    return ", ".join(f"{code} {report['classes'][code]['images']}" for code in report["class_order"])


def _algorithm(report: Report) -> str:
    made = report["provenance"]
    return f"{made['model']}, {made['parameters']:,} parameters; the resolved recipe is in report.json"


def _measures(report: Report) -> str:
    figure = report["balanced_accuracy"]
    return f"balanced accuracy {percent(figure['value'])} ({span(figure['interval'])}), and the tables of this card"


def _bias(report: Report) -> str | None:
    gap = report.get("subgroups", {}).get("largest_gap")
    if gap is None:
        return None
    return f"largest gap: {gap['figure'].replace('_', ' ')} {percent(gap['gap'])}, {gap['worst']} against {gap['best']}"


def _robust(report: Report) -> str | None:
    if "robustness" not in report:
        return None
    return f"advice under {len(report['robustness']['changes'])} changes of the photograph, see Robustness"


def _abstains(report: Report) -> str | None:
    return "error against the share answered, see Calibration" if "abstention" in report else None


def _threshold(report: Report) -> str | None:
    triage = report.get("triage")
    if triage is None or triage["risk_threshold"] is None:
        return None
    wished = percent(triage["wished_sensitivity"], 0)
    sure = f", {percent(triage['sure'], 0)} sure of it," if triage.get("sure") else ""
    limit = percent(triage["risk_threshold"])
    return f"risk of {limit} or more, set for {wished} sensitivity{sure} on {triage['fitted_on']}"


def _precision(report: Report) -> str:
    bootstrap = report["bootstrap"]
    return f"95 % intervals, {bootstrap['resamples']} resamples of whole lesions or patients"


def _cross_table(_report: Report) -> str:
    return "the confusion matrix in report.json and report.html"


def _missing(report: Report) -> str | None:
    return "; ".join(report["notes"]) or None


def _software(report: Report) -> str:
    made = report["provenance"]
    return f"hierattn {made.get('hierattn', '')}, commit {made.get('commit') or 'unknown'}; Apache-2.0"


CLEAR_DERM: tuple[Item, ...] = (
    Item("1", "image types", _image_types),
    Item("2", "image artefacts: ink, hair, rulers, and what was done about them", _robust),
    Item("3", "how the images were taken: device, settings"),
    Item("4", "pre-processing", _preprocessing),
    Item("5", "synthetic images, and whether they are public", _synthetic),
    Item("6", "public images are referenced", _reference),
    Item("7", "patients' metadata", _metadata),
    Item("8", "skin tone, and how it was told", _skin_tone),
    Item("9", "bias that metadata may bring"),
    Item("10", "how the data were divided", _partitions),
    Item("11", "sizes of training, validation and test parts", _sizes),
    Item("12", "an external test set", _external),
    Item("13", "images from several vendors"),
    Item("14", "class distribution", _distribution),
    Item("15", "images out of the distribution, and unfit ones", _abstains),
    Item("16", "who labelled, and how"),
    Item("17", "accepted names of diagnoses"),
    Item("18", "histopathology of the malignant"),
    Item("19", "how the algorithm was developed", _algorithm),
    Item("20", "how the public can evaluate it", _software),
    Item("21", "performance measures", _measures),
    Item("22", "benchmarks and comparison with other models and with doctors"),
    Item("23", "assessment of bias", _bias),
    Item("24", "use cases and target conditions", lambda _report: "see Intended use"),
    Item("25", "likely effects on care teams and patients"),
)
STARD_AI: tuple[Item, ...] = (
    Item("1, 2", "title and abstract name accuracy measures", _measures),
    Item("3", "intended use and clinical role", lambda _report: "see Intended use"),
    Item("4", "objectives and hypotheses"),
    Item("5", "data collected before or after the test was planned"),
    Item("6 to 9", "eligibility, setting, dates, and how participants were gathered"),
    Item("10a", "index test, so that it can be repeated", _algorithm),
    Item("10b, 11", "reference standard, and why it was chosen"),
    Item("12a", "threshold of the index test, set beforehand", _threshold),
    Item("12b", "threshold of the reference standard"),
    Item("13", "who knew what when the tests were read", lambda _report: "the network sees the image alone"),
    Item("14, 17", "how accuracy and its variability are estimated", _precision),
    Item("15, 16", "indeterminate and missing results", _missing),
    Item("18", "intended sample size"),
    Item("19", "flow of participants"),
    Item("20, 21", "characteristics of participants and severity of disease", _metadata),
    Item("22", "time and treatment between the tests"),
    Item("23", "cross tabulation of the results", _cross_table),
    Item("24", "accuracy with its precision", _measures),
    Item("25", "adverse events"),
    Item("26, 27", "limits, and what follows for practice", lambda _report: "see Limits"),
    Item("28 to 30", "registration, protocol, funding"),
    Item("AI: data", "source, version, licence and division of the data", _partitions),
    Item("AI: development", "training, software and version", _software),
    Item("AI: fairness", "accuracy in subgroups", _bias),
    Item("AI: generalisation", "another set than the one learnt from", _external),
)
PROVENANCE_OF_ITEMS = (
    "Items are in our own words. STARD 2015's numbers were checked against a published table; CLEAR Derm's items and "
    "numbers, and STARD-AI's additions, are from memory: hold them against the originals before citing."
)
CHECKLISTS: Mapping[str, tuple[Item, ...]] = {"CLEAR Derm": CLEAR_DERM, "STARD-AI": STARD_AI}


def checklists(report: Report) -> dict[str, list[dict[str, str | None]]]:
    """Checklist -> items, each with ``number, asks, answer``; an answer of None is for people to give."""
    return {
        name: [
            {"number": item.number, "asks": item.asks, "answer": None if item.answer is None else item.answer(report)}
            for item in items
        ]
        for name, items in CHECKLISTS.items()
    }
