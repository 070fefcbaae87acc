"""The cards of a model on the hub: its own with front matter, and of its training data a card and a Croissant record.

Figures come from the report, with their intervals in the text of the model card; the front matter carries the hub's
form of them, which knows no interval. Of the data only what is said of the set as a whole is told: source, licence,
citation and counts.

References
----------
Akhtar et al., Croissant: A Metadata Format for ML-Ready Datasets, DEEM 2024.
"""

from __future__ import annotations

import re
from typing import Any

from hierattn.errors import require
from hierattn.evaluation.measures.intervals import Estimate
from hierattn.evaluation.pages.model_card import model_card
from hierattn.evaluation.report import Report
from hierattn.hub import BUNDLE, PREFIX
from hierattn.models.weights.checkpoint import Checkpoint

TAGS = ("hierattn", "image-classification", "dermatology", "skin-lesion", "medical", "onnx")
_LICENCES = re.compile(r"cc0-1\.0|cc-by(-nc)?(-sa|-nd)?-(2\.0|3\.0|4\.0)|apache-2\.0|mit|bsd-3-clause")
"""Names that the hub knows, of those that data sets of skin lesions have."""
_METRICS = (
    ("top1", "accuracy", "Top-1 accuracy"),
    ("balanced_accuracy", "balanced_accuracy", "Balanced accuracy"),
    ("macro_auc", "roc_auc", "Macro AUC"),
    ("melanoma_sensitivity", "recall", "Melanoma sensitivity"),
)
"""Attribute of the report, the hub's name of the metric, what it is called."""


def hub_licence(licence: str) -> str:
    """The hub's name of a licence, ``other`` where it has none.

    >>> hub_licence("CC BY-NC 4.0"), hub_licence("CC0-1.0"), hub_licence("terms of its page")
    ('cc-by-nc-4.0', 'cc0-1.0', 'other')
    """
    name = "-".join(licence.lower().replace("(", " ").split())
    return name if _LICENCES.fullmatch(name) else "other"


def hub_card(report: Report, checkpoint: Checkpoint, place: str, licence: str | None = None) -> str:
    """``README.md``: front matter in the hub's form, how to load the model, and the model card.

    Parameters
    ----------
    report
        Of the run's evaluation.
    checkpoint
        What is pushed.
    place
        The repository, ``OWNER/NAME``.
    licence
        Of the weights; None: that of the data that they were trained on, else of those that they were evaluated on.
    """
    require("huggingface_hub", "hub")
    from huggingface_hub import EvalResult, ModelCardData

    made, data = report.provenance, report.provenance.evaluated_on
    stated = licence or str(checkpoint.provenance.get("licence") or "") or data.licence
    named = hub_licence(stated)
    results = [
        EvalResult(
            task_type="image-classification",
            task_name="Skin-lesion classification",
            dataset_type=_identifier(data.source),
            dataset_name=data.source or "a set without a name",
            dataset_split=f"outer fold {report.protocol.fold}"
            if report.protocol.fold is not None
            else report.protocol.set,
            metric_type=kind,
            metric_name=name,
            metric_value=round(value, 6),
        )
        for attribute, kind, name in _METRICS
        if (value := _value(getattr(report, attribute))) is not None
    ]
    front = ModelCardData(
        license=named,
        license_name=_identifier(stated or "unknown") if named == "other" else None,
        library_name="hierattn",
        pipeline_tag="image-classification",
        tags=[*TAGS, made.model.partition(":")[2] or made.model],
        metrics=sorted({result.metric_type for result in results}) or None,
        model_name=place.partition("/")[2],
        eval_results=results or None,
    )
    lines = [
        "---",
        front.to_yaml(),
        "---",
        "",
        f"Weights under: {stated or 'a licence that the data do not state: ask their owner before you use this'}.",
        "",
        "```python",
        "import hierattn",
        "",
        f'diagnosis = hierattn.Predictor.load("{PREFIX}{place}")("photo.jpg")  # {BUNDLE}, without torch',
        f'model = hierattn.create_model("{PREFIX}{place}")  # PyTorch',
        "```",
        "",
        model_card(report),
        "The record of the photographs that these weights have seen was left out, and so were the recipe's paths.",
        "",
    ]
    return "\n".join(lines)


def _value(estimate: Estimate) -> float | None:
    return estimate.value


def _identifier(text: str) -> str:
    """A name in the hub's letters.

    >>> _identifier("ISIC 2019 (HAM)")
    'isic-2019-ham'
    """
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.") or "unknown"


def _trained_data(report: Report, checkpoint: Checkpoint) -> dict[str, str]:
    made = checkpoint.provenance
    source = str(made.get("source") or "a set without a name")
    count = made.get("training_images")
    images = "an unknown number of" if count is None else count
    return {
        "name": source,
        "licence": str(made.get("licence") or ""),
        "citation": str(made.get("citation") or ""),
        "description": (
            f"The training data of {report.run}: {images} photographs of single skin lesions, "
            f"{len(checkpoint.classes)} classes. This record describes them; it distributes none of them."
        ),
    }


def data_card(report: Report, checkpoint: Checkpoint) -> str:
    """The card of the training data, with the hub's front matter for data sets."""
    require("huggingface_hub", "hub")
    from huggingface_hub import DatasetCardData

    data = _trained_data(report, checkpoint)
    named = hub_licence(data["licence"])
    front = DatasetCardData(
        license=named,
        license_name=_identifier(data["licence"] or "unknown") if named == "other" else None,
        task_categories=["image-classification"],
        pretty_name=data["name"],
        tags=["dermatology", "skin-lesion", "croissant"],
    )
    classes = [f"| {each.code} | {each.name} |" for each in checkpoint.taxonomy.classes]
    lines = [
        "---", front.to_yaml(), "---", "", f"# Training data: {data['name']}", "", data["description"], "",
        f"Licence: {data['licence'] or 'not stated'}.", "",
        *([f"Cite: {data['citation']}", ""] if data["citation"] else ()),
        "| code | class |", "| --- | --- |", *classes, "",
    ]  # fmt: skip
    return "\n".join(lines)


def croissant(report: Report, checkpoint: Checkpoint) -> dict[str, Any]:
    """The training data in Croissant 1.0: the set as a whole and its classes; no file and no photograph of it."""
    data = _trained_data(report, checkpoint)
    codes = [{"classes/code": each.code, "classes/name": each.name} for each in checkpoint.taxonomy.classes]
    return {
        "@context": {
            "@language": "en",
            "@vocab": "https://schema.org/",
            "citeAs": "cr:citeAs",
            "conformsTo": "dct:conformsTo",
            "cr": "http://mlcommons.org/croissant/",
            "data": {"@id": "cr:data", "@type": "@json"},
            "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
            "dct": "http://purl.org/dc/terms/",
            "field": "cr:field",
            "key": "cr:key",
            "rai": "http://mlcommons.org/croissant/RAI/",
            "recordSet": "cr:recordSet",
            "sc": "https://schema.org/",
        },
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": _identifier(data["name"]),
        "description": data["description"],
        "license": data["licence"] or "not stated",
        **({"citeAs": data["citation"]} if data["citation"] else {}),
        "keywords": ["dermatology", "skin lesion"],
        "rai:personalSensitiveInformation": "Photographs of skin; none is distributed, and no patient is named.",
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "classes",
                "name": "classes",
                "key": {"@id": "classes/code"},
                "field": [
                    {"@type": "cr:Field", "@id": f"classes/{part}", "name": part, "dataType": "sc:Text"}
                    for part in ("code", "name")
                ],
                "data": codes,
            }
        ],
    }
