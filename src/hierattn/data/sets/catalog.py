"""The one table of public data sets: what each is, under which licence, how to cite it, and what it should hold.

Counts are the published sets' own; a reader compares what it finds with them, so that a part of a set is never
mistaken for the whole. Imbalance ratios follow: ISIC 2019 12875 / 239 = 53.9, PAD-UFES-20 845 / 52 = 16.3 (§3.2.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class RemoteFile:
    """One file of a public set.

    Attributes
    ----------
    name
        What it is called once it is here; its place is relative to the set's folder.
    url
        Its official address.
    bytes
        Its size as published; None where none is.
    checksum
        ``md5:`` or ``sha256:`` and the digest, as the archive that offers it publishes it; empty where none is.
    unpack_to
        For a zip archive: the folder, relative to the set's, that it is unpacked into; None for a plain file.
    """

    name: str
    url: str
    bytes: int | None = None
    checksum: str = ""
    unpack_to: str | None = None


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
    files
        What there is to download.
    download
        How much that is, in words.
    """

    name: str
    title: str
    licence: str
    citation: str
    homepage: str
    images: int
    classes: Mapping[str, int]
    files: tuple[RemoteFile, ...] = ()
    download: str = ""


_ISIC = "https://isic-challenge-data.s3.amazonaws.com/2019"
_DATAVERSE = "https://dataverse.harvard.edu/api/access/datafile"
_MENDELEY = "https://data.mendeley.com/public-files/datasets/zr7vgbcyr2/files"
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
    # The challenge publishes neither sizes in bytes nor checksums: the archive's own CRCs are checked in unpacking.
    files=(
        RemoteFile("ISIC_2019_Training_GroundTruth.csv", f"{_ISIC}/ISIC_2019_Training_GroundTruth.csv"),
        RemoteFile("ISIC_2019_Training_Metadata.csv", f"{_ISIC}/ISIC_2019_Training_Metadata.csv"),
        RemoteFile("ISIC_2019_Training_Input.zip", f"{_ISIC}/ISIC_2019_Training_Input.zip", unpack_to="."),
    ),
    download="about 9.1 GB",
)

HAM10000 = PublicSet(
    name="ham10000",
    title="HAM10000: Human Against Machine with 10000 training images",
    licence="CC BY-NC 4.0",
    citation=_TSCHANDL,
    homepage="https://doi.org/10.7910/DVN/DBW86T",
    images=10_015,
    classes=MappingProxyType({"ACK": 327, "BCC": 514, "BKL": 1099, "DF": 115, "MEL": 1113, "NV": 6705, "VASC": 142}),
    # Sizes and MD5 as Harvard's Dataverse publishes them. The table's are of the original file, not of its .tab.
    files=(
        RemoteFile(
            "HAM10000_metadata.csv",
            f"{_DATAVERSE}/4338392?format=original",
            690_218,
            "md5:8f85fb1aa29d80a2797247e434deb79d",
        ),
        RemoteFile(
            "HAM10000_images_part_1.zip",
            f"{_DATAVERSE}/3172585",
            1_366_522_108,
            "md5:4639bfa73ab251610530a97c898e6e46",
            "HAM10000_images_part_1",
        ),
        RemoteFile(
            "HAM10000_images_part_2.zip",
            f"{_DATAVERSE}/3172584",
            1_403_566_547,
            "md5:da43d6cc50f6613013be07e8986b384b",
            "HAM10000_images_part_2",
        ),
    ),
    download="2.8 GB",
)

PAD_UFES_20 = PublicSet(
    name="pad-ufes-20",
    title="PAD-UFES-20: skin lesions photographed with smartphones",
    licence="CC BY 4.0",
    citation="Pacheco et al., PAD-UFES-20, Data in Brief 32:106221, 2020",
    homepage="https://doi.org/10.17632/zr7vgbcyr2.1",
    images=2_298,
    classes=MappingProxyType({"ACK": 730, "BCC": 845, "BKL": 235, "MEL": 52, "NV": 244, "SCC": 192}),
    # SHA-256 and sizes as Mendeley Data publishes them.
    files=(
        RemoteFile(
            "metadata.csv",
            f"{_MENDELEY}/fa850265-57da-48f0-ba3e-998b3e44b1f6/file_downloaded",
            None,
            "sha256:14d145235cedb022548257acb0d84dcd949e2c916f65d2baa7c38ed5339e9527",
        ),
        RemoteFile(
            "imgs_part_1.zip",
            f"{_MENDELEY}/1cc2f71f-20a2-412d-b746-a9b9bc20c966/file_downloaded",
            1_245_184_680,
            "sha256:0ab44f60938bf57445e12f518a8878954cc734e6b0aec6d01194e2d26b4b2dca",
            "images",
        ),
        RemoteFile(
            "imgs_part_2.zip",
            f"{_MENDELEY}/559a60ed-5504-475d-996c-6a8bc253b5e7/file_downloaded",
            1_126_646_990,
            "sha256:e2d9a3cbd58e823f5ae33163c48643e7d1b54ae3f9e145f01f8e9f16a363a60b",
            "images",
        ),
        RemoteFile(
            "imgs_part_3.zip",
            f"{_MENDELEY}/34dcdf8e-e5f1-4b35-aa0b-5135051ff852/file_downloaded",
            1_220_565_093,
            "sha256:ecc4ef10143a43e1d01cb736773148607a78b530417eb76f2c38ad24bf5d0d2c",
            "images",
        ),
    ),
    download="3.6 GB",
)

PUBLIC_SETS: Mapping[str, PublicSet] = MappingProxyType(
    {public.name: public for public in (ISIC2019, HAM10000, PAD_UFES_20)}
)
"""By name."""
