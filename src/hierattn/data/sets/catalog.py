"""The one table of public data sets: what each is, under which licence, how to cite it, and what it should hold.

Counts are the published sets' own. Files, addresses, licences and counts of the challenges are those of ISIC's data
page (github.com/ImageMarkup/stade, ``data/*.html``); of the others, those of the papers and pages that are named.
Imbalance ratios follow: ISIC 2019 12875 / 239 = 53.9, PAD-UFES-20 845 / 52 = 16.3 (§3.2.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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
        How many images the full set has; None where it grows.
    classes
        The class, as its reader gives it -> images of the full set; only what was published or counted by others.
    files
        What there is to download.
    download
        How much that is, in words.
    by_hand
        How to get what has no address that a program may use, and how to lay it; empty where ``files`` are all.
    holds
        What it shows, in a few words.
    columns
        What a manifest has -> the set's own column, or where else it is from.
    """

    name: str
    title: str
    licence: str
    citation: str
    homepage: str
    images: int | None
    classes: Mapping[str, int]
    files: tuple[RemoteFile, ...] = ()
    download: str = ""
    by_hand: str = ""
    holds: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)


_CHALLENGES = "https://isic-challenge-data.s3.amazonaws.com"
_ISIC = f"{_CHALLENGES}/2019"
_ARCHIVE = "https://isic-archive.s3.amazonaws.com/challenges"
_DATAVERSE = "https://dataverse.harvard.edu/api/access/datafile"
_MENDELEY = "https://data.mendeley.com/public-files/datasets/zr7vgbcyr2/files"
_TSCHANDL = "Tschandl et al., The HAM10000 dataset, Scientific Data 5:180161, 2018"
_CODELLA = "Codella et al., Skin Lesion Analysis Toward Melanoma Detection 2018, arXiv:1902.03368, 2018"
_HERNANDEZ = "Hernández-Pérez et al., BCN20000: Dermoscopic lesions in the wild, Scientific Data 11:641, 2024"
_KURTANSKY = "Kurtansky et al., The SLICE-3D dataset, Scientific Data 11:884, 2024"
_DATA_PAGE = "https://challenge.isic-archive.com/data/"


def _zip(address: str, name: str) -> RemoteFile:
    return RemoteFile(name, f"{address}/{name}", unpack_to=".")


def _table(address: str, name: str) -> RemoteFile:
    return RemoteFile(name, f"{address}/{name}")


_SITE_AGE_SEX = {"age": "age_approx", "sex": "sex", "site": "anatom_site_general"}

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
    holds="dermoscopy: HAM10000, BCN20000 and MSK together",
    columns=MappingProxyType(
        {"image": "image", "label": "the one-hot columns", "lesion": "lesion_id", **_SITE_AGE_SEX}
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
    holds="dermoscopy from Vienna and Queensland",
    columns=MappingProxyType(
        {"image": "image_id", "label": "dx", "lesion": "lesion_id", "age": "age", "sex": "sex", "site": "localization"}
    ),
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
    holds="phone photographs from Espírito Santo, Brazil",
    columns=MappingProxyType(
        {
            "image": "img_id",
            "label": "diagnostic",
            "lesion": "lesion_id",
            "patient": "patient_id",
            "age": "age",
            "sex": "gender",
            "site": "region",
            "skin type": "fitspatrick",
        }
    ),
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

ISIC2018 = PublicSet(
    name="isic2018",
    title="ISIC 2018 Challenge, Task 3, training data",
    licence="CC BY-NC 4.0",
    citation=f"{_CODELLA}; {_TSCHANDL}",
    homepage=f"{_DATA_PAGE}#2018",
    images=10_015,
    classes=MappingProxyType({"MEL": 1113, "NV": 6705, "BCC": 514, "AKIEC": 327, "BKL": 1099, "DF": 115, "VASC": 142}),
    holds="dermoscopy: HAM10000 as a challenge; 193 images more to validate and 1,512 to test",
    columns=MappingProxyType(
        {"image": "image", "label": "the one-hot columns", "lesion": "lesion_id of the lesion groupings"}
    ),
    files=(
        _table(f"{_CHALLENGES}/2018", "ISIC2018_Task3_Training_LesionGroupings.csv"),
        _zip(f"{_CHALLENGES}/2018", "ISIC2018_Task3_Training_GroundTruth.zip"),
        _zip(f"{_CHALLENGES}/2018", "ISIC2018_Task3_Training_Input.zip"),
    ),
    download="2.6 GB",
)

ISIC2018_TEST = PublicSet(
    name="isic2018-test",
    title="ISIC 2018 Challenge, Task 3, test data",
    licence="CC BY-NC 4.0",
    citation=f"{_CODELLA}; {_TSCHANDL}",
    homepage=f"{_DATA_PAGE}#2018",
    images=1_512,
    classes=MappingProxyType({}),
    holds="dermoscopy; neither lesions nor patients",
    columns=MappingProxyType({"image": "image", "label": "the one-hot columns"}),
    files=(
        _zip(f"{_CHALLENGES}/2018", "ISIC2018_Task3_Test_GroundTruth.zip"),
        _zip(f"{_CHALLENGES}/2018", "ISIC2018_Task3_Test_Input.zip"),
    ),
    download="401 MB",
)

ISIC2019_TEST = PublicSet(
    name="isic2019-test",
    title="ISIC 2019 Challenge, test data",
    licence="CC BY-NC 4.0",
    citation=ISIC2019.citation,
    homepage=f"{_DATA_PAGE}#2019",
    images=8_238,
    classes=MappingProxyType({}),
    holds="dermoscopy; lesions unknown, and some of none of the eight classes",
    columns=MappingProxyType({"image": "image", "label": "the one-hot columns", **_SITE_AGE_SEX}),
    files=(
        _table(_ISIC, "ISIC_2019_Test_GroundTruth.csv"),
        _table(_ISIC, "ISIC_2019_Test_Metadata.csv"),
        _zip(_ISIC, "ISIC_2019_Test_Input.zip"),
    ),
    download="3.6 GB",
)

ISIC2020 = PublicSet(
    name="isic2020",
    title="SIIM-ISIC 2020 Challenge, training data",
    licence="CC BY-NC 4.0",
    citation=(
        "International Skin Imaging Collaboration, SIIM-ISIC 2020 Challenge Dataset, doi:10.34970/2020-ds01, 2020; "
        "Rotemberg et al., A patient-centric dataset of images and metadata, Scientific Data 8:34, 2021"
    ),
    homepage=f"{_DATA_PAGE}#2020",
    images=33_126,
    classes=MappingProxyType({"benign": 32_542, "malignant": 584}),
    holds="dermoscopy from six hospitals, by patient; the malignant ones are melanomas",
    columns=MappingProxyType(
        {
            "image": "image_name",
            "label": "benign_malignant, or diagnosis",
            "lesion": "lesion_id (v2)",
            "patient": "patient_id",
            "age": "age_approx",
            "sex": "sex",
            "site": "anatom_site_general_challenge",
        }
    ),
    files=(
        _table(f"{_ARCHIVE}/2020", "ISIC_2020_Training_GroundTruth_v2.csv"),
        _table(f"{_ARCHIVE}/2020", "ISIC_2020_Training_Duplicates.csv"),
        _zip(f"{_ARCHIVE}/2020", "ISIC_2020_Training_JPEG.zip"),
    ),
    download="23 GB",
)

_SLICE_COLUMNS = MappingProxyType(
    {
        "image": "isic_id",
        "label": "malignant or target, or iddx_1 ... iddx_5",
        "lesion": "lesion_id",
        "patient": "patient_id",
        **_SITE_AGE_SEX,
    }
)

ISIC2024 = PublicSet(
    name="isic2024",
    title="ISIC 2024 Challenge: SLICE-3D",
    licence="CC BY-NC 4.0",
    citation=f"International Skin Imaging Collaboration, SLICE-3D, doi:10.34970/2024-slice-3d, 2024; {_KURTANSKY}",
    homepage=f"{_DATA_PAGE}#2024",
    images=401_059,
    classes=MappingProxyType({"benign": 400_666, "malignant": 393}),
    holds="crops of total body photographs of 1,042 patients",
    columns=_SLICE_COLUMNS,
    files=(
        _table(f"{_ARCHIVE}/2024", "ISIC_2024_Training_GroundTruth.csv"),
        _table(f"{_ARCHIVE}/2024", "ISIC_2024_Training_Supplement.csv"),
        _zip(f"{_ARCHIVE}/2024", "ISIC_2024_Training_Input.zip"),
    ),
    download="1.2 GB",
)

ISIC2024_PERMISSIVE = PublicSet(
    name="isic2024-permissive",
    title="ISIC 2024 Challenge: SLICE-3D Permissive",
    licence="CC BY 4.0",
    citation=(
        "International Skin Imaging Collaboration, SLICE-3D Permissive, doi:10.34970/2024-slice-3d-permissive, 2024; "
        f"{_KURTANSKY}"
    ),
    homepage=f"{_DATA_PAGE}#2024",
    images=217_477,
    classes=MappingProxyType({}),
    holds="the part of SLICE-3D that may be used commercially",
    columns=_SLICE_COLUMNS,
    files=(
        _table(f"{_ARCHIVE}/2024", "ISIC_2024_Permissive_Training_GroundTruth.csv"),
        _table(f"{_ARCHIVE}/2024", "ISIC_2024_Permissive_Training_Supplement.csv"),
        _zip(f"{_ARCHIVE}/2024", "ISIC_2024_Permissive_Training_Input.zip"),
    ),
    download="0.7 GB",
)

MILK10K = PublicSet(
    name="milk10k",
    title="MILK10k, training data",
    licence="CC BY-NC 4.0",
    citation=(
        "MILK study team, MILK10k, ISIC Archive, doi:10.34970/648456, 2025; Tschandl et al., MILK10k, "
        "J Invest Dermatol 146(2):357-364, 2026"
    ),
    homepage=f"{_DATA_PAGE}#milk10k",
    images=10_480,
    classes=MappingProxyType(
        {
            "AKIEC": 606,
            "BCC": 5044,
            "BEN_OTH": 88,
            "BKL": 1088,
            "DF": 104,
            "INF": 100,
            "MAL_OTH": 18,
            "MEL": 900,
            "NV": 1492,
            "SCCKA": 946,
            "VASC": 94,
        }
    ),
    holds="a clinical and a dermoscopic photograph of each of 5,240 lesions",
    columns=MappingProxyType(
        {
            "image": "isic_id",
            "label": "the one-hot columns, or diagnosis_full",
            "lesion": "lesion_id",
            "age": "age_approx",
            "sex": "sex",
            "site": "site",
            "domain": "image_type",
        }
    ),
    files=(
        _table(f"{_ARCHIVE}/milk10k", "MILK10k_Training_GroundTruth.csv"),
        _table(f"{_ARCHIVE}/milk10k", "MILK10k_Training_Metadata.csv"),
        _table(f"{_ARCHIVE}/milk10k", "MILK10k_Training_Supplement.csv"),
        _zip(f"{_ARCHIVE}/milk10k", "MILK10k_Training_Input.zip"),
    ),
    download="317 MB",
)

ISIC_ARCHIVE = PublicSet(
    name="isic-archive",
    title="The ISIC archive, by isic-cli",
    licence="each image's own (CC0, CC BY or CC BY-NC), in copyright_license",
    citation="as attribution.txt says, which isic-cli writes beside the images",
    homepage="https://www.isic-archive.com",
    images=None,
    classes=MappingProxyType({}),
    holds="dermoscopy, close-ups and crops of total body photographs from many hospitals",
    columns=MappingProxyType(
        {
            "image": "isic_id",
            "label": "diagnosis_3 or another of diagnosis_1 ... diagnosis_5; diagnosis in older tables",
            "lesion": "lesion_id",
            "patient": "patient_id",
            "source": "attribution",
            "licence": "copyright_license",
            **_SITE_AGE_SEX,
            "skin type": "fitzpatrick_skin_type",
            "domain": "image_type",
        }
    ),
    by_hand=(
        "isic-cli (pip install isic-cli) downloads what is asked for, images and metadata.csv: 'isic image download "
        "--collections 70 FOLDER' (70 is the challenge of 2020), a folder for each collection; 'isic collection list' "
        "shows their numbers"
    ),
)

BCN20000 = PublicSet(
    name="bcn20000",
    title="BCN20000: dermoscopic lesions in the wild",
    licence="CC BY-NC 4.0",
    citation=_HERNANDEZ,
    homepage="https://figshare.com/articles/journal_contribution/BCN20000_Dermoscopic_Lesions_in_the_Wild/24140028/1",
    images=18_946,
    classes=MappingProxyType({}),
    holds="dermoscopy from Barcelona, hard places among them (nails, mucosa)",
    columns=MappingProxyType({"image": "bcn_filename", "label": "diagnosis", "lesion": "lesion_id", **_SITE_AGE_SEX}),
    by_hand=(
        "download the archives from the page, unpack them into FOLDER, so that FOLDER/bcn_20k_train.csv and "
        "FOLDER/BCN_20k_train lie there; bcn_20k_test.csv beside it is read by --layout bcn20000-test"
    ),
)

DERM7PT = PublicSet(
    name="derm7pt",
    title="Derm7pt: the seven-point checklist's atlas",
    licence="terms of its page (research; registration)",
    citation=(
        "Kawahara et al., Seven-Point Checklist and Skin Lesion Classification Using Multitask Multimodal Neural Nets, "
        "IEEE JBHI 23(2):538-546, 2019"
    ),
    homepage="https://derm.cs.sfu.ca",
    images=2_022,
    classes=MappingProxyType({}),
    holds="a clinical and a dermoscopic photograph of each of 1,011 cases",
    columns=MappingProxyType(
        {
            "image": "derm and clinic",
            "label": "diagnosis, or its five groups",
            "lesion": "case_num",
            "patient": "case_id, in the few rows that have one",
            "sex": "sex",
            "site": "location",
            "domain": "derm or clinic",
        }
    ),
    by_hand=(
        "register on the page, download release_v0.zip and unpack it: FOLDER is its release_v0, with meta/meta.csv and "
        "images"
    ),
)

PH2 = PublicSet(
    name="ph2",
    title="PH²: a dermoscopic image database",
    licence="research and education only, no redistribution (terms of its page)",
    citation=(
        "Mendonça et al., PH2: A dermoscopic image database for research and benchmarking, IEEE EMBC, 5437-5440, 2013"
    ),
    homepage="https://www.fc.up.pt/addi/ph2%20database.html",
    images=200,
    classes=MappingProxyType({"common_nevus": 80, "atypical_nevus": 80, "MEL": 40}),
    holds="dermoscopy of nevi and melanomas from Matosinhos, Portugal, with masks",
    columns=MappingProxyType({"image": "Name", "label": "Clinical Diagnosis"}),
    by_hand=(
        "register on the page, download PH2Dataset.rar and unpack it: FOLDER is its PH2Dataset, with PH2_dataset.txt "
        "and 'PH2 Dataset images'"
    ),
)

FITZPATRICK17K = PublicSet(
    name="fitzpatrick17k",
    title="Fitzpatrick17k",
    licence="CC BY-NC-SA 3.0 (labels; the images are those of DermaAmin and Atlas Dermatologico)",
    citation=(
        "Groh et al., Evaluating Deep Neural Networks Trained on Clinical Images in Dermatology with the Fitzpatrick "
        "17k Dataset, arXiv:2104.09957, 2021"
    ),
    homepage="https://github.com/mattgroh/fitzpatrick17k",
    images=16_577,
    classes=MappingProxyType({}),
    holds="clinical photographs of 114 conditions from two atlases, with skin types",
    columns=MappingProxyType(
        {
            "image": "md5hash or url_alphanum",
            "label": "label, nine_partition_label or three_partition_label",
            "skin type": "fitzpatrick_scale",
        }
    ),
    files=(_table("https://raw.githubusercontent.com/mattgroh/fitzpatrick17k/main", "fitzpatrick17k.csv"),),
    download="4 MB, the labels alone",
    by_hand=(
        "its images are not given out with it: download them from the addresses in its column url (many are dead by "
        "now), or ask the authors by the form on the page, and put them into FOLDER, called by md5hash or url_alphanum"
    ),
)

DDI = PublicSet(
    name="ddi",
    title="DDI: Diverse Dermatology Images",
    licence="Stanford's research use agreement (non-commercial; terms of its page)",
    citation=(
        "Daneshjou et al., Disparities in dermatology AI performance on a diverse, curated clinical image set, Science "
        "Advances 8(31):eabq6147, 2022"
    ),
    homepage="https://ddi-dataset.github.io",
    images=656,
    classes=MappingProxyType({"benign": 485, "malignant": 171}),
    holds="clinical photographs of biopsied lesions from Stanford, in three groups of skin tones",
    columns=MappingProxyType(
        {"image": "DDI_file", "label": "malignant, or disease", "skin type": "skin_tone (12, 34, 56)"}
    ),
    by_hand=(
        "accept the agreement on the page, download the archive from Stanford AIMI and unpack it into FOLDER, with "
        "ddi_metadata.csv and the .png files"
    ),
)

SCIN = PublicSet(
    name="scin",
    title="SCIN: Skin Condition Image Network",
    licence="SCIN Data Use License",
    citation=(
        "Ward et al., Crowdsourcing Dermatology Images with Google Search Ads: Creating a Real-World Skin Condition "
        "Dataset, arXiv:2402.18545, 2024"
    ),
    homepage="https://github.com/google-research-datasets/scin",
    images=10_408,
    classes=MappingProxyType({}),
    holds="photographs of 5,033 cases, sent by people in the United States of their own skin",
    columns=MappingProxyType(
        {
            "image": "image_1_path ... image_3_path",
            "label": "the heaviest of weighted_skin_condition_label",
            "lesion": "case_id",
            "age": "age_group",
            "sex": "sex_at_birth",
            "site": "body_parts_...",
            "skin type": "dermatologist_fitzpatrick_skin_type_label_1 ... 3, or fitzpatrick_skin_type",
        }
    ),
    by_hand=(
        "copy the bucket with Google's tool, 'gcloud storage cp -r gs://dx-scin-public-data/dataset FOLDER': FOLDER "
        "then holds dataset, with scin_cases.csv, scin_labels.csv and images"
    ),
)

PUBLIC_SETS: Mapping[str, PublicSet] = MappingProxyType(
    {
        public.name: public
        for public in (
            ISIC2019,
            HAM10000,
            PAD_UFES_20,
            ISIC2018,
            ISIC2018_TEST,
            ISIC2019_TEST,
            ISIC2020,
            ISIC2024,
            ISIC2024_PERMISSIVE,
            ISIC_ARCHIVE,
            BCN20000,
            MILK10K,
            DERM7PT,
            PH2,
            FITZPATRICK17K,
            DDI,
            SCIN,
        )
    }
)
"""By name."""
