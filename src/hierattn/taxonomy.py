"""The eight lesion classes: codes, names, malignancy, every data set's own codes, and the paper's triage group.

Everything that knows a lesion's name reads it here. The codes are the paper's (§3.1); their order,
alphabetical, is the order of every probability vector of an eight-class model.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from hierattn.errors import TableError

Malignancy = Literal["malignant", "pre-malignant", "benign"]


@dataclass(frozen=True)
class Lesion:
    """One class of skin lesion.

    Attributes
    ----------
    code
        The paper's code, e.g. ``"MEL"``.
    name
        The clinical name in English.
    plain
        What it is, in a few words for a patient.
    malignancy
        ``malignant``, ``pre-malignant`` (actinic keratosis can become squamous cell carcinoma) or ``benign``.
    refer
        Whether the class belongs to the group for which §5 of the paper sends the patient to a clinic.
    isic, ham, pad
        The class's code in ISIC 2019's, HAM10000's and PAD-UFES-20's own tables; None where the set lacks it.
    also
        Further names of the class, or of a diagnosis that those sets count to it; American spelling, singular.
    """

    code: str
    name: str
    plain: str
    malignancy: Malignancy
    refer: bool
    isic: str
    ham: str | None
    pad: str | None
    also: tuple[str, ...] = ()


LESIONS: tuple[Lesion, ...] = (
    Lesion(
        "ACK", "actinic keratosis", "rough patch from long sun exposure", "pre-malignant", True, "AK", "akiec", "ACK",
        ("solar keratosis", "actinic keratosis intraepithelial carcinoma",
         "actinic keratosis and intraepithelial carcinoma", "actinic keratosis bowens disease",
         "actinic keratosis and intraepithelial carcinoma bowens disease"),
    ),
    Lesion(
        "BCC", "basal cell carcinoma", "common, slow-growing skin cancer", "malignant", True, "BCC", "bcc", "BCC",
        ("basal cell cancer", "basalioma"),
    ),
    Lesion(
        "BKL", "benign keratosis", "harmless warty growth or age spot", "benign", False, "BKL", "bkl", "SEK",
        ("benign keratosis like lesion", "seborrheic keratosis", "pigmented benign keratosis", "solar lentigo",
         "senile lentigo", "actinic lentigo", "lichenoid keratosis", "lichen planus like keratosis",
         "benign lichenoid keratosis", "seborrheic wart", "sk", "pbk", "lplk"),
    ),
    Lesion("DF", "dermatofibroma", "harmless firm bump", "benign", False, "DF", "df", None),
    Lesion(
        "MEL", "melanoma", "the most dangerous skin cancer", "malignant", True, "MEL", "mel", "MEL",
        ("malignant melanoma", "cutaneous melanoma"),
    ),
    Lesion(
        "NV", "melanocytic nevus", "ordinary mole", "benign", False, "NV", "nv", "NEV",
        ("nevus", "common nevus", "atypical nevus", "dysplastic nevus", "benign nevus", "pigmented nevus", "mole"),
    ),
    Lesion(
        "SCC", "squamous cell carcinoma", "skin cancer that can spread", "malignant", True, "SCC", None, "SCC",
        ("squamous cell cancer", "cutaneous squamous cell carcinoma", "cscc", "spinalioma"),
    ),
    Lesion(
        "VASC", "vascular lesion", "growth of blood vessels", "benign", True, "VASC", "vasc", None,
        ("vascular", "vascular skin lesion", "hemangioma", "angioma", "cherry angioma", "angiokeratoma",
         "pyogenic granuloma"),
    ),
)  # fmt: skip
"""All classes in the order of every eight-class probability vector."""

CODES: tuple[str, ...] = tuple(lesion.code for lesion in LESIONS)
"""``('ACK', 'BCC', 'BKL', 'DF', 'MEL', 'NV', 'SCC', 'VASC')``."""

_SPELLINGS = (
    (r"['\u2019`]", ""),
    (r"[\W_]+", " "),
    (r"\bnae(v\w+)", r"ne\1"),  # British to American
    (r"\bhaem", "hem"),
    (r"\bseborrh(?:oe|o)ic", "seborrheic"),
    (r"\btumour", "tumor"),
    (r"\bnev(?:i|uses)\b", "nevus"),  # plural to singular
    (r"ses\b", "sis"),
    (r"oma(?:s|ta)\b", "oma"),
    (r"\blentig(?:ines|os|oes)\b", "lentigo"),
    (r"\b(lesion|mole|wart|cancer)s\b", r"\1"),
)


def _spelled(name: str) -> str:
    """One spelling for ``Basal_cell-Carcinomas`` and ``basal cell carcinoma``."""
    name = name.casefold()
    for pattern, plain in _SPELLINGS:
        name = re.sub(pattern, plain, name)
    return name.strip()


_CODE_OF_NAME = {
    _spelled(name): lesion.code
    for lesion in LESIONS
    for name in (lesion.code, lesion.isic, lesion.ham, lesion.pad, lesion.name, *lesion.also)
    if name
}


def code_of_name(name: str) -> str | None:
    """Our code for what people call a class: any set's code or a clinical name, in British or American spelling,
    singular or plural, numbered or not; None if unknown. Several names of one class may follow each other.

    >>> code_of_name("akiec"), code_of_name("Basal_Cell_Carcinoma"), code_of_name("02 SEK"), code_of_name("naevi (nv)")
    ('ACK', 'BCC', 'BKL', 'NV')
    """
    return _code_of_words(re.sub(r"^\d+ ", "", _spelled(name)).split())


def _code_of_words(words: list[str]) -> str | None:
    """The class that all of the names mean."""
    if code := _CODE_OF_NAME.get(" ".join(words)):
        return code
    for length in range(1, len(words)):
        code = _CODE_OF_NAME.get(" ".join(words[:length]))
        if code and code == _code_of_words(words[length:]):
            return code
    return None


BY_CODE: dict[str, Lesion] = {lesion.code: lesion for lesion in LESIONS}

CLASS_COLOURS: dict[str, str] = {
    "ACK": "#e69f00",
    "BCC": "#0072b2",
    "BKL": "#56b4e9",
    "DF": "#8f8f1d",
    "MEL": "#d55e00",
    "NV": "#6e7378",
    "SCC": "#cc79a7",
    "VASC": "#009e73",
}
"""One colour for each class in every figure, distinguishable with colour-blindness too (after Okabe and Ito 2008)."""

CLASS_COLOURS_DARK: dict[str, str] = {
    "ACK": "#f0b429",
    "BCC": "#4a9fe0",
    "BKL": "#8fd0f5",
    "DF": "#c9c552",
    "MEL": "#ff7f3f",
    "NV": "#a7adb4",
    "SCC": "#e59ac3",
    "VASC": "#2ec79a",
}
"""The same, lighter, on a dark page."""

TRIAGE_GROUP: frozenset[str] = frozenset(lesion.code for lesion in LESIONS if lesion.refer)
"""MEL, BCC, ACK, SCC and VASC: the classes that §5 refers to a clinic. VASC is there because the paper asks for
close monitoring of it (§3.1), not because it is cancer."""

MALIGNANT: frozenset[str] = frozenset(lesion.code for lesion in LESIONS if lesion.malignancy == "malignant")
"""BCC, MEL and SCC: the classes that are cancer. The malignant-versus-benign AUC counts these, and not ACK."""

Dataset = Literal["isic", "ham", "pad"]


def codes_of(dataset: Dataset) -> dict[str, str]:
    """The table of one data set: its own code -> ours.

    >>> codes_of("pad")["SEK"]
    'BKL'
    """
    table = {getattr(lesion, dataset): lesion.code for lesion in LESIONS}
    table.pop(None, None)
    return table


def from_dataset(dataset: Dataset, own_code: str) -> str:
    """Our code for ``own_code`` of ``dataset``.

    Raises
    ------
    TableError
        For a code that the data set does not define.
    """
    table = codes_of(dataset)
    if own_code not in table:
        raise TableError(f"unknown label {own_code!r}: {dataset} has {', '.join(table)}; correct the table")
    return table[own_code]
