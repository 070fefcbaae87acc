"""The built-in taxonomies, side by side: the paper's eight, ISIC 2018's seven, PAD-UFES-20's six, and two binary ones.

What maps to what (mapping.py) follows from names, aliases and ``gathers``:

========== ================================================================================================
eight      isic2018 (ACK and SCC are counted to AKIEC), melanoma, malignant; to pad only without DF and VASC,
           which PAD lacks
isic2018   eight, melanoma, malignant
pad        eight, isic2018, melanoma, malignant
========== ================================================================================================

**SCC is counted to AKIEC, as the data do.** HAM10000's akiec (Tschandl, Rosendahl and Kittler 2018) is actinic
keratosis and intraepithelial carcinoma (Bowen's disease). ISIC 2019 labels the same photographs anew: what it calls SCC
among them was akiec, every one, and so was what it calls AK (tests/taxonomy/test_mapping.py counts them). SCC of other
sources may be invasive, which HAM10000 has no class for; a doctor must see both, so that the risk stays the same sum.
As AKIEC is pre-malignant, the cancer AUC in isic2018 does not count SCC as cancer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

from hierattn.errors import TableError
from hierattn.taxonomy.records import LesionClass, Taxonomy
from hierattn.taxonomy.spelling import spelled

EIGHT = Taxonomy(
    "eight",
    (
        LesionClass(
            "ACK", "actinic keratosis",
            ("AK", "akiec", "solar keratosis", "solar or actinic keratosis",
             "actinic keratosis intraepithelial carcinoma",
             "actinic keratosis and intraepithelial carcinoma", "actinic keratosis bowens disease",
             "actinic keratosis and intraepithelial carcinoma bowens disease"),
            "pre-malignant", True, {"en": "rough patch from long sun exposure"}, "#e69f00", "#f0b429",
        ),
        LesionClass(
            "BCC", "basal cell carcinoma", ("basal cell cancer", "basalioma"),
            "malignant", True, {"en": "common, slow-growing skin cancer"}, "#0072b2", "#4a9fe0",
        ),
        LesionClass(
            "BKL", "benign keratosis",
            ("SEK", "benign keratosis like lesion", "seborrheic keratosis", "pigmented benign keratosis",
             "solar lentigo", "senile lentigo", "actinic lentigo", "lichenoid keratosis",
             "lichen planus like keratosis", "benign lichenoid keratosis", "seborrheic wart", "sk", "pbk", "lplk"),
            "benign", False, {"en": "warty growth or age spot"}, "#56b4e9", "#8fd0f5",
        ),
        LesionClass(
            "DF", "dermatofibroma", (), "benign", False, {"en": "firm bump in the skin"}, "#8f8f1d", "#c9c552",
        ),
        LesionClass(
            "MEL", "melanoma", ("malignant melanoma", "cutaneous melanoma", "melanoma nos"),
            "malignant", True, {"en": "the most dangerous skin cancer"}, "#d55e00", "#ff7f3f",
        ),
        LesionClass(
            "NV", "melanocytic nevus",
            ("NEV", "nevus", "common nevus", "atypical nevus", "dysplastic nevus", "benign nevus", "pigmented nevus",
             "mole"),
            "benign", False, {"en": "ordinary mole"}, "#6e7378", "#a7adb4",
        ),
        LesionClass(
            "SCC", "squamous cell carcinoma",
            ("squamous cell cancer", "cutaneous squamous cell carcinoma", "squamous cell carcinoma nos", "cscc",
             "spinalioma"),
            "malignant", True, {"en": "skin cancer that can spread"}, "#cc79a7", "#e59ac3",
        ),
        LesionClass(
            "VASC", "vascular lesion",
            ("vascular", "vascular skin lesion", "hemangioma", "angioma", "cherry angioma", "angiokeratoma",
             "pyogenic granuloma"),
            "benign", True, {"en": "growth of blood vessels"}, "#009e73", "#2ec79a",
        ),
    ),
)  # fmt: skip
"""The paper's eight (§3.1), in alphabetical order. ``refer`` is §5's group: VASC is there because the paper asks for
close monitoring of it, not because it is cancer."""


def _names(classes: Iterable[LesionClass]) -> tuple[str, ...]:
    return tuple(name for each in classes for name in (each.code, each.name, *each.aliases))


def _renamed(code: str, new: str, *, name: str = "", also: Iterable[LesionClass] = ()) -> LesionClass:
    """A class of the eight under another set's code."""
    each = EIGHT.by_code[code]
    aliases = (
        name for name in (each.code, each.name, *each.aliases, *_names(also)) if name.casefold() != new.casefold()
    )
    return replace(each, code=new, name=name or each.name, aliases=tuple(dict.fromkeys(aliases)))


ISIC2018 = Taxonomy(
    "isic2018",
    (
        EIGHT.by_code["MEL"],
        EIGHT.by_code["NV"],
        EIGHT.by_code["BCC"],
        _renamed(
            "ACK", "AKIEC", name="actinic keratosis and intraepithelial carcinoma",
            also=[EIGHT.by_code["SCC"], LesionClass("x", "bowens disease")],
        ),
        EIGHT.by_code["BKL"],
        EIGHT.by_code["DF"],
        EIGHT.by_code["VASC"],
    ),
)  # fmt: skip
"""ISIC 2018 Task 3 and HAM10000, in the challenge's order."""

PAD = Taxonomy(
    "pad",
    (
        EIGHT.by_code["ACK"],
        EIGHT.by_code["BCC"],
        EIGHT.by_code["MEL"],
        _renamed("NV", "NEV"),
        EIGHT.by_code["SCC"],
        _renamed("BKL", "SEK", name="seborrheic keratosis"),
    ),
)
"""PAD-UFES-20."""

_BENIGN = [each for each in EIGHT.classes if each.malignancy != "malignant"]
_CANCER = [each for each in EIGHT.classes if each.malignancy == "malignant"]

MELANOMA = Taxonomy(
    "melanoma",
    (
        LesionClass(
            "other", "not melanoma",
            ("non melanoma", "nonmelanoma", "no melanoma", "benign", "0", *_names(
                each for each in EIGHT.classes if each.code != "MEL"
            )),
            "unknown", False, {"en": "any spot but melanoma"}, "#6e7378", "#a7adb4", ("benign", "pre-malignant"),
        ),
        replace(EIGHT.by_code["MEL"], aliases=(*EIGHT.by_code["MEL"].aliases, "1")),
    ),
)  # fmt: skip
"""Melanoma or not, as ISIC 2016, 2017 and 2020 ask."""

MALIGNANT_OR_BENIGN = Taxonomy(
    "malignant",
    (
        LesionClass(
            "benign", "benign", ("non malignant", "nonmalignant", "not malignant", "0", *_names(_BENIGN)),
            "benign", False, {"en": "any spot but skin cancer"}, "#6e7378", "#a7adb4", ("benign", "pre-malignant"),
        ),
        LesionClass(
            "malignant", "malignant", ("cancer", "cancerous", "skin cancer", "1", *_names(_CANCER)),
            "malignant", True, {"en": "skin cancer"}, "#d55e00", "#ff7f3f", ("malignant",),
        ),
    ),
)  # fmt: skip
"""Malignant or benign, as ISIC 2020 and 2024 ask. What is pre-malignant (actinic keratosis) is benign, as there."""

BUILT_IN: dict[str, Taxonomy] = {each.name: each for each in (EIGHT, ISIC2018, PAD, MELANOMA, MALIGNANT_OR_BENIGN)}
"""By the names that ``--taxonomy`` takes."""


def class_like(taxonomy: Taxonomy, code: str) -> str | None:
    """The code of the class that is, by its code or name, one of the eight: melanoma under whatever code.

    >>> class_like(ISIC2018, "MEL"), class_like(MALIGNANT_OR_BENIGN, "MEL")
    ('MEL', None)
    """
    known = EIGHT.by_code[code]
    names = {spelled(name) for name in (known.name, *known.aliases)}
    named = [each.code for each in taxonomy.classes if each.code == code or spelled(each.name) in names]
    return named[0] if len(named) == 1 else next((each for each in named if each == code), None)


Dataset = Literal["isic", "ham", "pad"]

OWN_CODES: dict[Dataset, dict[str, str]] = {
    "isic": {
        "AK": "ACK", "BCC": "BCC", "BKL": "BKL", "DF": "DF", "MEL": "MEL", "NV": "NV", "SCC": "SCC", "VASC": "VASC",
    },
    "ham": {
        "akiec": "ACK", "bcc": "BCC", "bkl": "BKL", "df": "DF", "mel": "MEL", "nv": "NV", "vasc": "VASC",
    },
    "pad": {"ACK": "ACK", "BCC": "BCC", "SEK": "BKL", "MEL": "MEL", "NEV": "NV", "SCC": "SCC"},
}  # fmt: skip
"""Data set -> its own code in its tables -> the paper's."""


def codes_of(dataset: Dataset) -> dict[str, str]:
    """The table of one data set: its own code -> ours.

    >>> codes_of("pad")["SEK"]
    'BKL'
    """
    return dict(OWN_CODES[dataset])


def from_dataset(dataset: Dataset, own_code: str) -> str:
    """Our code for ``own_code`` of ``dataset``.

    Raises
    ------
    TableError
        For a code that the data set does not define.
    """
    table = OWN_CODES[dataset]
    if own_code not in table:
        raise TableError(f"unknown label {own_code!r}: {dataset} has {', '.join(table)}; correct the table")
    return table[own_code]
