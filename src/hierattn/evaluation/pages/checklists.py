"""What a report on such a network should say, as tables: CLEAR Derm's items, and STARD-AI's, which hold STARD 2015's.

Each item names the function that answers it from the report, or none where only people can: how patients were
recruited, who made the reference diagnosis, what the ethics committee said. An item without an answer is shown as
open, never as done, and one that a file answers in part says what is left. Item texts are ours, in short.

STARD-AI's 48 rows, their numbers and their marks (new, changed) were checked against two transcriptions of the paper's
Table 2 that agree with one another; STARD 2015's 34 rows against its table as printed in open journals. CLEAR Derm's
text was not available: its four headings and what items 1 to 3 ask come from a news report of the paper; all else, the
numbers too, is from memory, and marked so in every card. docs/evaluation.md names the sources.

References
----------
Daneshjou et al., Checklist for Evaluation of Image-Based Artificial Intelligence Reports in Dermatology: CLEAR Derm
Consensus Guidelines From the International Skin Imaging Collaboration Artificial Intelligence Working Group, JAMA
Dermatology 158(1):90-96, 2022, doi:10.1001/jamadermatol.2021.4915. Bossuyt et al., STARD 2015: an updated list of
essential items for reporting diagnostic accuracy studies, BMJ 351:h5527, 2015, doi:10.1136/bmj.h5527. Sounderajah et
al., The STARD-AI reporting guideline for diagnostic accuracy studies using artificial intelligence, Nature Medicine
31(10):3283-3289, 2025, doi:10.1038/s41591-025-03953-8.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hierattn.evaluation.pages import checklist_answers as says
from hierattn.evaluation.report import Report

Answer = Callable[[Report], str | None]

NEWS, MEMORY = "a news report", "memory"
"""Where an item of CLEAR Derm is known from."""


@dataclass(frozen=True)
class Item:
    """One item.

    Attributes
    ----------
    number
        As the checklist counts.
    remark
        CLEAR Derm: where the item is known from. STARD-AI: the number in STARD 2015, with ``changed`` or ``new``.
    asks
        What it asks for.
    answer
        What answers it from the report; None: people only.
    rest
        What people must add even where files answer; empty where nothing.
    """

    number: str
    remark: str
    asks: str
    answer: Answer | None = None
    rest: str = ""


@dataclass(frozen=True)
class Checklist:
    """A checklist: how well its items are known, the heading of their remarks, and the items."""

    known: str
    remarks: str
    items: tuple[Item, ...]


CLEAR_DERM = Checklist(
    "Daneshjou et al., JAMA Dermatology 158(1):90-96, 2022, doi:10.1001/jamadermatol.2021.4915. Its text was not "
    "available. A news report of it confirms its four parts (data, technique, technical assessment, application) and "
    "what items 1 to 3 ask for; every number, and what the other items ask for, is from memory. Hold it against the "
    "original before citing.",
    "known from",
    (
        Item("1", NEWS, "types of images", says.image_types),
        Item("2", NEWS, "artefacts: pen marks, hair, rulers, and what was done about them", says.artefacts,
             "which artefacts the images show"),
        Item("3", NEWS, "how the images were taken: camera, light, conditions, by whom"),
        Item("4", MEMORY, "pre-processing", says.preprocessing),
        Item("5", MEMORY, "synthetic images, and whether they are public", says.synthetic),
        Item("6", MEMORY, "public images are referenced", says.citation),
        Item("7", MEMORY, "patients' metadata", says.metadata),
        Item("8", MEMORY, "skin colour, and how it was told", says.skin_tone, "who told it, and how"),
        Item("9", MEMORY, "bias that patients' metadata may bring", says.image_alone,
             "what the labels owe to knowledge of the patient"),
        Item("10", MEMORY, "how the data were divided", says.partitions),
        Item("11", MEMORY, "sizes of training, validation and test parts", says.sizes),
        Item("12", MEMORY, "an external test set", says.external),
        Item("13", MEMORY, "images from several vendors' devices"),
        Item("14", MEMORY, "class distribution and balance", says.distribution),
        Item("15", MEMORY, "images out of the distribution"),
        Item("16", MEMORY, "who labelled, and how"),
        Item("17", MEMORY, "accepted names of diagnoses"),
        Item("18", MEMORY, "histopathology of the malignant"),
        Item("19", MEMORY, "how the algorithm was developed", says.algorithm),
        Item("20", MEMORY, "how the public can evaluate it", says.software),
        Item("21", MEMORY, "performance measures", says.measures),
        Item("22", MEMORY, "benchmarks, technical comparison, what is new"),
        Item("23", MEMORY, "assessment of bias", says.bias),
        Item("24", MEMORY, "use cases and target conditions", says.intended),
        Item("25", MEMORY, "likely effects on care teams and patients"),
    ),
)  # fmt: skip
STARD_AI = Checklist(
    "Sounderajah et al., Nature Medicine 31(10):3283-3289, 2025, doi:10.1038/s41591-025-03953-8: 40 items in 48 rows, "
    "of which 30 are STARD 2015's (Bossuyt et al., BMJ 351:h5527, 2015), 4 changed and 14 new. Numbers and contents "
    "were checked against two transcriptions of the published table; the words are ours.",
    "STARD 2015",
    (
        Item("1", "1, changed", "title or abstract: an AI-centred accuracy study, with a measure of accuracy"),
        Item("2", "2", "structured abstract"),
        Item("3", "3, changed", "background, intended use, whether the test is new, its place in the workflow",
             says.intended, "scientific and clinical background"),
        Item("4", "4", "objectives and hypotheses"),
        Item("5", "5", "data collected before or after the tests were done", says.retrospective),
        Item("6", "new", "approval of an ethics committee, or why none was needed"),
        Item("7", "6, changed", "eligibility of participants and of data, in the order applied"),
        Item("8", "7", "on what basis participants were found"),
        Item("9", "8", "where and when they were found"),
        Item("10", "9", "a consecutive, random or convenience series"),
        Item("11", "new", "source of the data: routine care, collected for the study, or an open repository",
             says.data_source, "whether its authors took them from routine care"),
        Item("12", "new", "who annotated, with what experience, and how"),
        Item("13", "new", "devices that captured the data; software that made the test", says.software,
             "devices, by maker and model"),
        Item("14", "new", "acquisition protocols and pre-processing", says.preprocessing, "acquisition protocols"),
        Item("15a", "10a", "index test, so that it can be repeated", says.algorithm),
        Item("15b", "new", "how it was developed: training, validation, test, external evaluation, with sizes",
             says.development),
        Item("15c", "12a", "cut-offs of the index test, and whether they were set beforehand", says.threshold),
        Item("15d", "new", "its end user, and the expertise wanted", says.intended, "the expertise wanted"),
        Item("16a", "10b", "reference standard, so that it can be repeated"),
        Item("16b", "11", "why that reference standard"),
        Item("16c", "12b", "cut-offs of the reference standard"),
        Item("17a", "13a", "what the readers of the index test knew", says.image_alone),
        Item("17b", "13b", "what the assessors of the reference standard knew", says.blind_labels,
             "the clinical information that they had"),
        Item("18", "14", "how accuracy is estimated or compared", says.statistics),
        Item("19", "15", "indeterminate results", says.indeterminate, "those of the reference standard"),
        Item("20", "16", "missing data", says.missing),
        Item("21", "17", "analyses of variability, and which were planned", says.variability, "which were planned"),
        Item("22", "18", "intended sample size"),
        Item("23", "new", "error analysis, and assessment of algorithmic bias and fairness", says.bias),
        Item("24", "19", "flow of participants, as a diagram"),
        Item("25", "20, changed", "characteristics of the training, validation and test sets", says.metadata,
             "the training and validation sets"),
        Item("26a", "21a", "severity of disease in those with the target condition"),
        Item("26b", "21b", "other diagnoses in those without it", says.alternatives),
        Item("27", "22", "time and treatment between the tests"),
        Item("28", "new", "whether the sets have the shares of disease of those it is meant for", says.waiting_room),
        Item("29", "new", "external evaluation: how that set differs", says.external, "how it differs"),
        Item("30", "23", "cross tabulation of the results", says.cross_table),
        Item("31", "24", "accuracy and its precision", says.measures),
        Item("32", "25", "adverse events"),
        Item("33", "26", "limits: bias, uncertainty, generalisability", says.limitations),
        Item("34", "27", "what follows for practice", says.no_practice),
        Item("35", "new", "ethics of its use, and fairness"),
        Item("36", "28", "registration"),
        Item("37", "29", "where the protocol is"),
        Item("38", "30", "funding, and the funders' role"),
        Item("39", "new", "commercial interests"),
        Item("40a", "new", "availability of data and code, and the conditions", says.availability),
        Item("40b", "new", "whether the answers are stored and can be audited", says.stored_answers),
    ),
)  # fmt: skip
CHECKLISTS: Mapping[str, Checklist] = {"CLEAR Derm": CLEAR_DERM, "STARD-AI": STARD_AI}


def checklists(report: Report) -> dict[str, list[dict[str, str | None]]]:
    """Checklist -> items, each with ``number, remark, asks, answer, open``.

    ``answer`` is None where only people can give it; ``open`` is what people must give, empty where nothing.
    """
    return {name: [_filled(item, report) for item in known.items] for name, known in CHECKLISTS.items()}


def _filled(item: Item, report: Report) -> dict[str, str | None]:
    answer = None if item.answer is None else item.answer(report)
    left = item.asks if answer is None else item.rest
    return {"number": item.number, "remark": item.remark, "asks": item.asks, "answer": answer, "open": left}
