"""Tissues of the second family: what a painted label is, and what iodine adds to tissues."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class Tissue(IntEnum):
    """Labels that contours are filled with."""

    AIR = 0
    SKIN = 1
    SUBCUTANEOUS_FAT = 2
    INTERMUSCULAR_FAT = 3
    FASCIA = 4
    VISCERAL_FAT = 5
    LINEA_ALBA = 6
    EXTERNAL_OBLIQUE = 10
    INTERNAL_OBLIQUE = 11
    TRANSVERSUS = 12
    RECTUS = 13
    PSOAS = 14
    QUADRATUS = 15
    ILIOCOSTALIS = 16
    LONGISSIMUS = 17
    MULTIFIDUS = 18
    LATISSIMUS = 19
    GLUTEUS = 20
    ILIACUS = 21
    INTERCOSTAL = 22
    CRUS = 40
    ARM_MUSCLE = 41
    LIVER = 42
    SPLEEN = 43
    KIDNEY_CORTEX = 44
    KIDNEY_MEDULLA = 45
    RENAL_SINUS = 46
    PANCREAS = 47
    STOMACH_WALL = 49
    GASTRIC_CONTENT = 50
    BOWEL_WALL = 51
    BOWEL_FLUID = 52
    GAS = 53
    STOOL = 54
    ORAL_CONTRAST = 55
    AORTA = 56
    CAVA = 57
    VEIN = 58
    ARTERY = 59
    CALCIUM = 60
    ASCITES = 61
    CYST = 62
    BLADDER = 63
    THROMBUS = 65
    LUNG = 66
    DISC = 67
    DURAL_SAC = 68
    EPIDURAL_FAT = 69
    LIGAMENT = 70
    METAL = 72
    COLLAPSED_BOWEL = 73
    GALLBLADDER = 74
    FAT_STRAND = 75
    SUBCUTANEOUS_STRAND = 76
    RIB_CORTEX = 80
    RIB_MARROW = 81
    PELVIS_CORTEX = 82
    PELVIS_MARROW = 83
    ARM_BONE = 84


MUSCLES = range(10, 30)
CORTEX_OF_VERTEBRA, MARROW_OF_VERTEBRA = 100, 150
"""A vertebra's label is one of these plus its TotalSegmentator number."""
VERTEBRAE = range(20, 45)
_MARROW = (*(MARROW_OF_VERTEBRA + number for number in VERTEBRAE), Tissue.RIB_MARROW, Tissue.PELVIS_MARROW)


def _table(labels: Iterable[int]) -> NDArray[np.bool_]:
    table = np.zeros(256, dtype=bool)
    table[list(labels)] = True
    return table


def is_muscle() -> NDArray[np.bool_]:
    """Labels of skeletal muscle tissue, (256,)."""
    return _table(MUSCLES)


def is_outline() -> NDArray[np.bool_]:
    """Labels inside a muscle compartment: muscle and the fat between its parts, (256,)."""
    return _table([*MUSCLES, Tissue.INTERMUSCULAR_FAT])


def is_marrow() -> NDArray[np.bool_]:
    """Labels of spongy bone, (256,)."""
    return _table(_MARROW)


def is_bone() -> NDArray[np.bool_]:
    """Labels of bone, cortex and marrow, (256,)."""
    cortex = [CORTEX_OF_VERTEBRA + number for number in VERTEBRAE]
    return _table([*_MARROW, *cortex, Tissue.RIB_CORTEX, Tissue.PELVIS_CORTEX, Tissue.ARM_BONE])


def is_fat() -> NDArray[np.bool_]:
    """Labels of fatty tissue outside muscle compartments, (256,)."""
    return _table([Tissue.SUBCUTANEOUS_FAT, Tissue.VISCERAL_FAT])


def is_other() -> NDArray[np.bool_]:
    """Labels of what is neither inside a muscle compartment, nor fat, nor air, (256,)."""
    return ~(is_outline() | is_fat() | _table([Tissue.AIR, Tissue.GAS, Tissue.EPIDURAL_FAT]))


def is_mottled() -> NDArray[np.bool_]:
    """Labels with the coarse texture of stool or stomach content, (256,)."""
    return _table([Tissue.STOOL, Tissue.GASTRIC_CONTENT])


def vertebra_numbers() -> NDArray[np.uint8]:
    """Label to TotalSegmentator number, 0 for what is no vertebra, (256,)."""
    table = np.zeros(256, dtype=np.uint8)
    for number in VERTEBRAE:
        table[[CORTEX_OF_VERTEBRA + number, MARROW_OF_VERTEBRA + number]] = number
    return table


@dataclass(frozen=True)
class Enhancement:
    """Added HU of iodine at 120 kV by tissue, in one contrast phase (medians; the person scales them)."""

    artery: float
    vein: float
    cava: float
    liver: float
    spleen: float
    cortex: float
    medulla: float
    bowel: float
    muscle: float


PHASES = {
    "none": Enhancement(0, 0, 0, 0, 0, 0, 0, 0, 0),
    "arterial": Enhancement(250, 40, 15, 12, 60, 120, 35, 35, 3),
    "portal": Enhancement(110, 120, 80, 52, 70, 130, 110, 45, 8),
}
