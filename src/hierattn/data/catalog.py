"""The one table of public data sets: what each is, under which licence, how to cite it, and what it should hold.

Counts are the published sets' own; a reader compares what it finds with them, so that a part of a set is never
mistaken for the whole. Imbalance ratios follow: ISIC 2019 12875 / 239 = 53.9, PAD-UFES-20 845 / 52 = 16.3 (§3.2.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class PublicSet:
    """One public data set.

    Attributes
    ----------
    name
        What ``Record.source`` and the command line call it.
    title
        What its authors call it.
    licence
        As its authors give it.
    citation
        The papers that its authors ask to be cited.
    homepage
        Where its authors offer it.
    images
        How many images the full set has.
    classes
        The paper's code -> images of the full set.
    """

    name: str
    title: str
    licence: str
    citation: str
    homepage: str
    images: int
    classes: Mapping[str, int]


_TSCHANDL = "Tschandl et al., The HAM10000 dataset, Scientific Data 5:180161, 2018"

ISIC2019 = PublicSet(
    name="isic2019",
    title="ISIC 2019 Challenge, training data",
    licence="CC BY-NC 4.0",
    citation=(
        f"{_TSCHANDL}; Codella et al., Skin Lesion Analysis Toward Melanoma Detection, arXiv:1710.05006, 2018; "
        "Combalia et al., BCN20000: Dermoscopic Lesions in the Wild, arXiv:1908.02288, 2019"
    ),
    homepage="https://challenge.isic-archive.com/data/#2019",
    images=25_331,
    classes=MappingProxyType(
        {"ACK": 867, "BCC": 3323, "BKL": 2624, "DF": 239, "MEL": 4522, "NV": 12875, "SCC": 628, "VASC": 253}
    ),
)

HAM10000 = PublicSet(
    name="ham10000",
    title="HAM10000: Human Against Machine with 10000 training images",
    licence="CC BY-NC 4.0",
    citation=_TSCHANDL,
    homepage="https://doi.org/10.7910/DVN/DBW86T",
    images=10_015,
    classes=MappingProxyType({"ACK": 327, "BCC": 514, "BKL": 1099, "DF": 115, "MEL": 1113, "NV": 6705, "VASC": 142}),
)

PAD_UFES_20 = PublicSet(
    name="pad-ufes-20",
    title="PAD-UFES-20: skin lesions photographed with smartphones",
    licence="CC BY 4.0",
    citation="Pacheco et al., PAD-UFES-20, Data in Brief 32:106221, 2020",
    homepage="https://doi.org/10.17632/zr7vgbcyr2.1",
    images=2_298,
    classes=MappingProxyType({"ACK": 730, "BCC": 845, "BKL": 235, "MEL": 52, "NV": 244, "SCC": 192}),
)

PUBLIC_SETS: Mapping[str, PublicSet] = MappingProxyType(
    {public.name: public for public in (ISIC2019, HAM10000, PAD_UFES_20)}
)
"""By name."""
