"""HU of every tissue in one person under one protocol, and the texture within tissues."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from SarcopeniaTraining.second_family.person import Person, Protocol
from SarcopeniaTraining.second_family.raster import Shares
from SarcopeniaTraining.second_family.tissue import (
    CORTEX_OF_VERTEBRA,
    MARROW_OF_VERTEBRA,
    MUSCLES,
    PHASES,
    VERTEBRAE,
    Enhancement,
    Tissue,
)

Float32 = NDArray[np.float32]
_FAT_HU = {80: -116.0, 100: -108.0, 120: -102.0, 140: -97.0}
_IODINE = {80: 1.65, 100: 1.25, 120: 1.0, 140: 0.86}
_BONE = {80: 1.35, 100: 1.14, 120: 1.0, 140: 0.92}
_SOFT_HU: dict[Tissue, tuple[float, float]] = {
    Tissue.SKIN: (25, 12),
    Tissue.FASCIA: (18, 10),
    Tissue.LINEA_ALBA: (40, 8),
    Tissue.CRUS: (48, 4),
    Tissue.ARM_MUSCLE: (52, 5),
    Tissue.LIVER: (56, 9),
    Tissue.SPLEEN: (48, 4),
    Tissue.KIDNEY_CORTEX: (33, 3),
    Tissue.KIDNEY_MEDULLA: (31, 3),
    Tissue.RENAL_SINUS: (12, 8),
    Tissue.PANCREAS: (38, 6),
    Tissue.STOMACH_WALL: (38, 4),
    Tissue.GASTRIC_CONTENT: (35, 18),
    Tissue.BOWEL_WALL: (38, 4),
    Tissue.COLLAPSED_BOWEL: (36, 6),
    Tissue.BOWEL_FLUID: (16, 7),
    Tissue.STOOL: (5, 30),
    Tissue.ORAL_CONTRAST: (260, 70),
    Tissue.AORTA: (42, 4),
    Tissue.CAVA: (40, 4),
    Tissue.VEIN: (40, 4),
    Tissue.ARTERY: (42, 4),
    Tissue.ASCITES: (9, 6),
    Tissue.CYST: (7, 5),
    Tissue.BLADDER: (6, 4),
    Tissue.THROMBUS: (36, 6),
    Tissue.LUNG: (-840, 25),
    Tissue.DISC: (88, 10),
    Tissue.DURAL_SAC: (22, 8),
    Tissue.LIGAMENT: (28, 18),
    Tissue.GALLBLADDER: (9, 6),
}
"""Mean and spread among persons before contrast."""


def hu_table(person: Person, protocol: Protocol, rng: np.random.Generator) -> Float32:
    """Mean HU by label, (256,)."""
    table = np.full(256, 0.0)
    table[Tissue.AIR] = table[Tissue.GAS] = -1000
    fat = _FAT_HU[protocol.kvp] + rng.normal(0, 3)
    table[[Tissue.SUBCUTANEOUS_FAT, Tissue.EPIDURAL_FAT]] = fat
    table[Tissue.VISCERAL_FAT] = fat + abs(rng.normal(4, 3)) + (14 if person.has("oedema") else 0)
    table[Tissue.INTERMUSCULAR_FAT] = fat + 8 + rng.uniform(0, 10)
    table[Tissue.FAT_STRAND] = -30
    table[Tissue.SUBCUTANEOUS_STRAND] = fat + 55
    iodine = PHASES[protocol.phase]
    strength = _IODINE[protocol.kvp] * float(np.clip(rng.normal(1, 0.18), 0.5, 1.6))
    for label in MUSCLES:
        table[label] = person.muscle_hu + iodine.muscle * strength + rng.normal(0, 2.0)
    _soft_parts(table, rng)
    for label, added in _added(iodine).items():
        table[label] += added * strength
    marrow = (
        float(np.clip(rng.normal(195 - 1.9 * (person.age_years - 30), 32), 40, 330)) * _BONE[protocol.kvp]
    )
    cortex = rng.uniform(480, 720) * _BONE[protocol.kvp]
    for number in VERTEBRAE:
        table[CORTEX_OF_VERTEBRA + number] = cortex
        table[MARROW_OF_VERTEBRA + number] = marrow + rng.normal(0, 8)
    table[[Tissue.RIB_CORTEX, Tissue.PELVIS_CORTEX]] = cortex * 1.05
    table[[Tissue.RIB_MARROW, Tissue.PELVIS_MARROW]] = marrow * 0.8
    table[Tissue.ARM_BONE] = cortex * 1.2
    table[Tissue.CALCIUM] = rng.uniform(450, 1000) * _BONE[protocol.kvp]
    table[Tissue.METAL] = 3071
    return table.astype(np.float32)


def _soft_parts(table: NDArray[np.float64], rng: np.random.Generator) -> None:
    """HU before contrast."""
    for label, (mean, spread) in _SOFT_HU.items():
        table[label] = rng.normal(mean, spread)


def _added(iodine: Enhancement) -> dict[Tissue, float]:
    """What a phase adds to tissues other than muscle, HU at 120 kV."""
    return {
        Tissue.AORTA: iodine.artery,
        Tissue.ARTERY: iodine.artery * 0.9,
        Tissue.VEIN: iodine.vein,
        Tissue.CAVA: iodine.cava,
        Tissue.LIVER: iodine.liver,
        Tissue.SPLEEN: iodine.spleen,
        Tissue.KIDNEY_CORTEX: iodine.cortex,
        Tissue.KIDNEY_MEDULLA: iodine.medulla,
        Tissue.BOWEL_WALL: iodine.bowel,
        Tissue.COLLAPSED_BOWEL: iodine.bowel * 0.8,
        Tissue.STOMACH_WALL: iodine.bowel,
        Tissue.PANCREAS: iodine.bowel * 1.3,
        Tissue.RENAL_SINUS: iodine.medulla * 0.2,
        Tissue.CRUS: iodine.muscle,
    }


@dataclass(frozen=True)
class _Voxels:
    """Random fields on the voxel grid."""

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    rng: np.random.Generator

    def field(self, lengths_mm: tuple[float, float, float]) -> Float32:
        """Gaussian noise of unit deviation with a correlation length along each axis."""
        noise = self.rng.standard_normal(self.shape, dtype=np.float32)
        sigma = [length / step for length, step in zip(lengths_mm, self.spacing_mm, strict=True)]
        smooth = gaussian_filter(noise, sigma, truncate=2.5, mode="wrap")
        result: Float32 = smooth / max(float(smooth.std()), 1e-6)
        return result


def textured(
    shares: Shares, person: Person, spacing_mm: tuple[float, float, float], rng: np.random.Generator
) -> Float32:
    """Mean HU with what varies inside tissues: marbling, trabeculae, stool, strands in fat."""
    voxels = _Voxels((shares.hu.shape[0], shares.hu.shape[1], shares.hu.shape[2]), spacing_mm, rng)
    fine = voxels.field((1.0, 1.2, 3.0))
    streaks = voxels.field((0.9, 3.4, 5.0))
    broad = voxels.field((9.0, 9.0, 14.0))
    hu = shares.hu + shares.muscle * _marbling(person, fine, streaks, broad)
    hu += shares.marrow * (22 * fine + 14 * broad)
    bubbles = np.clip((0.7 * fine + 0.8 * broad) - 1.15, 0, 1.2)
    hu += shares.mottled * (28 * fine + 22 * broad - 420 * bubbles)
    rest = np.clip(1 - shares.muscle - shares.bone - shares.fat, 0, 1) * (shares.hu > -300)
    hu += rest * (3.0 * broad + 2.0 * fine)
    net = voxels.field((2.6, 2.6, 4.0))
    ridges = np.clip(0.22 - np.abs(net), 0, None) / 0.22
    haze = 3.5 * broad + 2.0 * fine + 14 * ridges * np.clip(broad + 0.2, 0, 1.5)
    if person.has("oedema"):
        haze = haze + np.clip(0.6 + 0.6 * broad, 0, 1.6) * (25 + 45 * ridges)
    result: Float32 = (hu + shares.fat * haze).astype(np.float32)
    return result


def _marbling(person: Person, fine: Float32, streaks: Float32, broad: Float32) -> Float32:
    """HU added to muscle: fat where correlated noise passes a threshold that falls with fattiness."""
    mixed = (0.55 * fine + 0.75 * streaks + 0.55 * broad) / 1.08
    limit = 2.4 - 2.5 * person.fattiness
    fat = np.clip((mixed - limit) / 1.5, 0, 0.95)
    result: Float32 = -fat * (person.muscle_hu + 85) + 2.5 * broad + 2.5 * fine - 9 * person.fattiness
    return result
