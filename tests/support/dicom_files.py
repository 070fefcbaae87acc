"""DICOM photographs written with pydicom, as cameras and archives write them: what the DICOM tests read back."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEGBaseline8Bit, RLELossless, generate_uid

from hierattn.deploy.predict.dicom_photo import DERMOSCOPIC

PATIENT = "Secretname^Jo\u00e3o"


def dicom_bytes(
    image: np.ndarray,
    stored_as: str = ExplicitVRLittleEndian,
    photometric: str = "RGB",
    *,
    data: bytes | None = None,
    **elements: Any,
) -> bytes:
    """A whole file around ``image``, uint8 (h, w, 3) or (h, w); ``data`` replaces its pixels, ``elements`` the rest."""
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = UID(stored_as)
    values: dict[str, Any] = {
        "SpecificCharacterSet": "ISO_IR 100", "SOPClassUID": DERMOSCOPIC, "SOPInstanceUID": generate_uid(),
        "StudyInstanceUID": generate_uid(), "SeriesInstanceUID": generate_uid(), "PatientName": PATIENT,
        "PatientID": "Secret42", "PatientBirthDate": "19500101", "PatientSex": "F", "AccessionNumber": "A1",
        "StudyID": "S1", "StudyDate": "20240229", "StudyTime": "101500", "ReferringPhysicianName": "",
        "Modality": "DMS",
        "Rows": image.shape[0], "Columns": image.shape[1], "SamplesPerPixel": 1 if image.ndim == 2 else 3,
        "PhotometricInterpretation": photometric, "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7,
        "PixelRepresentation": 0,
    }  # fmt: skip
    if image.ndim == 3:
        values["PlanarConfiguration"] = 0
    for keyword, value in (values | elements).items():
        if value is not None:
            setattr(header, keyword, value)
    header.PixelData = pixel_bytes(image, stored_as, photometric) if data is None else data
    header["PixelData"].VR = "OB"
    file = io.BytesIO()
    header.save_as(file, enforce_file_format=True)
    return file.getvalue()


def pixel_bytes(image: np.ndarray, stored_as: str, photometric: str) -> bytes:
    """The pixels as the file stores them."""
    if stored_as == JPEGBaseline8Bit:
        return encapsulate([jpeg_bytes(image, keep_rgb=photometric == "RGB")])
    if photometric == "YBR_FULL":
        image = np.asarray(Image.fromarray(image).convert("YCbCr"))
    if stored_as == RLELossless:
        from pydicom.pixels.encoders import RLELosslessEncoder

        rows, columns, samples = image.shape
        frame = RLELosslessEncoder.encode(
            image.tobytes(), rows=rows, columns=columns, samples_per_pixel=samples, number_of_frames=1,
            bits_allocated=8, bits_stored=8, pixel_representation=0, planar_configuration=0,
            photometric_interpretation=photometric,
        )  # fmt: skip
        return encapsulate([frame])
    return image.tobytes()


def jpeg_bytes(image: np.ndarray, *, keep_rgb: bool = False) -> bytes:
    """As JPEG baseline; in YBR with half of the colours' columns unless ``keep_rgb``."""
    file = io.BytesIO()
    options: dict[str, Any] = {"keep_rgb": True} if keep_rgb else {"subsampling": 1}
    Image.fromarray(image).save(file, "JPEG", quality=95, **options)
    return file.getvalue()
