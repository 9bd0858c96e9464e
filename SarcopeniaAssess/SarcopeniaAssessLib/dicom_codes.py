"""The terms of DICOM results: standard codes, and those of a private scheme where the standard has none.

The private scheme is `99SARCOPENIA`; docs/dicom.md lists its codes. A code is never given another meaning.
"""

from __future__ import annotations

from typing import NamedTuple

SCHEME = "99SARCOPENIA"
SCHEME_NAME = "sarcopenia-assess private codes"
SCHEME_VERSION = "1"


class Term(NamedTuple):
    """A coded concept: value, meaning, scheme, in the order of highdicom's `CodedConcept`."""

    value: str
    meaning: str
    scheme: str


TISSUE = Term("85756007", "Tissue", "SCT")
SKELETAL_MUSCLE = Term("127954009", "Skeletal muscle", "SCT")
L3_VERTEBRA = Term("36470004", "L3 vertebra", "SCT")
AREA = Term("42798000", "Area", "SCT")
ATTENUATION = Term("112031", "Attenuation Coefficient", "DCM")
MEAN = Term("373098007", "Mean", "SCT")
ARTIFICIAL_INTELLIGENCE = Term("123110", "Artificial Intelligence", "DCM")
ALGORITHM_MANUFACTURER = Term("122405", "Algorithm Manufacturer", "DCM")
ALGORITHM_FAMILY = Term("111000", "Algorithm Family", "DCM")
CT_PROCEDURE = Term("25045-6", "CT unspecified body region", "LN")
REPORT_TITLE = Term("126000", "Imaging Measurement Report", "DCM")
ENGLISH = Term("en-US", "English (United States)", "RFC5646")
DEVICE_OBSERVER = Term("121007", "Device", "DCM")
PERSON_OBSERVER = Term("121006", "Person", "DCM")

SQUARE_CM = Term("cm2", "square centimeter", "UCUM")
HU = Term("[hnsf'U]", "Hounsfield unit", "UCUM")
SQUARE_CM_PER_SQUARE_M = Term("cm2/m2", "square centimeter per square meter", "UCUM")


def _own(value: str, meaning: str) -> Term:
    return Term(value, meaning, SCHEME)


AREA_LOW = _own("SMA_LOW", "Muscle area, lower end of its interval")
AREA_HIGH = _own("SMA_HIGH", "Muscle area, upper end of its interval")
SMI = _own("SMI", "Skeletal muscle index (area / height squared)")
AREA_IN_RANGE = _own("SMA_HU", "Muscle area within -29 to 150 HU")
SLICE_BELOW = _own("SMA_BELOW", "Muscle area one slice below")
SLICE_ABOVE = _own("SMA_ABOVE", "Muscle area one slice above")

STATUS = _own("STATUS", "Muscle status by a published cut-off")
STATUS_VALUES = {
    "sarcopenic": _own("SARCOPENIC", "Sarcopenic by the cut-off (low muscle area)"),
    "not sarcopenic": _own("NOT_SARCOPENIC", "Not sarcopenic by the cut-off"),
    "undetermined": _own("UNDETERMINED", "Undetermined"),
}
BORDERLINE = _own("BORDERLINE", "Uncertainty crosses the cut-off")
YES = Term("373066001", "Yes", "SCT")
NO = Term("373067005", "No", "SCT")

REVIEW = _own("REVIEW", "Review by a person")
REVIEW_VALUES = {
    "unreviewed": _own("UNREVIEWED", "Not reviewed: not verified"),
    "accepted": _own("ACCEPTED", "Accepted"),
    "accepted, not verified": _own("ACCEPTED_NO_ORG", "Accepted without organization: not verified"),
    "rejected": _own("REJECTED", "Rejected: not verified"),
}
MASK = _own("MASK", "Who drew the mask")
MASK_VALUES = {
    "model": _own("MASK_MODEL", "Drawn by the model"),
    "edited": _own("MASK_EDITED", "Drawn by the model, edited by a person"),
    "given": _own("MASK_GIVEN", "Given, not drawn by this program"),
}

CRITERION = _own("CRITERION", "Criterion and its cut-off")
REASON = _own("REASON", "Why there is no status")
MEANING = _own("MEANING", "What the status means")
LEVEL = _own("LEVEL", "Where the slice lies")
REMARK = _own("REMARK", "Remark on quality")
OTHER_CRITERION = _own("OTHER_CRITERION", "What another criterion says")
USE = _own("USE", "Intended use")
PROVENANCE = _own("PROVENANCE", "Provenance id of the record")
COMMENT = _own("COMMENT", "Comment of the reviewer")
