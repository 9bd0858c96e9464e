"""The same patient scanned or stored otherwise: thicker slices, noise, shifted HU, turned, moved, flipped.

Every change keeps the affine true: a point of the patient lies where it lay (or, where the patient is
turned about the middle of the level's slice, where the turn puts it), so that middle is the same point
in all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.errors import LevelError
from SarcopeniaAssessLib.geometry import spacing_mm
from SarcopeniaAssessLib.hounsfield import AIR_HU
from SarcopeniaAssessLib.volume import CtVolume

if TYPE_CHECKING:
    from numpy.typing import NDArray

AROUND_MM = 24.0
"""What is kept on both sides of the level: more than any network here looks at."""
SLICES_MM = (1.0, 3.0, 5.0)
NOISE_HU = (10.0, 20.0, 30.0)
GRAIN_MM = 0.6
"""Standard deviation of the Gaussian that gives the added noise a grain in the plane."""
SHIFT_HU = (-10.0, 10.0)
TURN_DEG = (-10.0, 10.0)
OBLIQUE_DEG = 5.0
MORE_PIXELS = (7, -11)
NOISE_SEED = 20261124


@dataclass(frozen=True)
class Change:
    """One way in which the same patient could have been scanned or stored.

    Attributes
    ----------
    name:
        In words, with its numbers.
    make:
        (volume, superior coordinate of L3 in mm) → the changed volume.
    """

    name: str
    make: Callable[[CtVolume, float], CtVolume]


def changes() -> tuple[Change, ...]:
    """Every change that robustness is told of, in the order of its table."""
    made = [Change(f"slices of {t:g} mm", partial(with_slices, slice_mm=t)) for t in SLICES_MM]
    made += [Change(f"noise + {sd:g} HU", partial(with_noise, sd_hu=sd)) for sd in NOISE_HU]
    made += [Change(f"HU {_signed(hu)}", partial(with_hu_shift, shift_hu=hu)) for hu in SHIFT_HU]
    made += [Change(f"patient turned {_signed(a)}°", partial(turned, angle_deg=a)) for a in TURN_DEG]
    return (
        *made,
        Change(f"slices tilted {OBLIQUE_DEG:g}°", partial(tilted, angle_deg=OBLIQUE_DEG)),
        Change("larger field of view, off centre", partial(enlarged, pixels=MORE_PIXELS)),
        Change("stored with all axes reversed", flipped),
        Change("stored as sagittal slices", transposed),
    )


def _signed(value: float) -> str:
    return f"{value:+g}".replace("-", "−")


def near(volume: CtVolume, superior_mm: float, around_mm: float = AROUND_MM) -> CtVolume:
    """The slices within so many mm of a level, on canonical axes, HU as float32."""
    heights = np.array([volume.slice_superior_mm(k) for k in range(volume.slice_count)])
    inside = np.flatnonzero(np.abs(heights - superior_mm) <= around_mm)
    start, stop = int(inside.min()), int(inside.max()) + 1
    affine = np.array(volume.ras_from_canonical)
    affine[:3, 3] += start * affine[:3, 2]
    return _like(volume, np.asarray(volume.slab(start, stop), np.float32), affine)


def with_slices(volume: CtVolume, superior_mm: float, slice_mm: float) -> CtVolume:
    """Slices of another thickness, as thick as they are apart, one of them centred on the level.

    Thicker: the average over the slice's thickness, each native slice standing for its own; thinner or
    equal: linear interpolation.
    """
    part = near(volume, superior_mm, AROUND_MM + slice_mm)
    hu, affine = _canonical(part)
    step_mm = spacing_mm(affine)[2]
    ratio, last = slice_mm / step_mm, hu.shape[2] - 1
    centre = _index_of(part, superior_mm)
    reach = max(ratio / 2 - 0.5, 0.0)
    below = int(np.floor((centre - reach) / ratio + 1e-9))
    above = int(np.floor((last - reach - centre) / ratio + 1e-9))
    at = centre + ratio * np.arange(-below, above + 1)
    weights = np.stack([_weights(c, ratio, hu.shape[2]) for c in at])
    made = np.einsum("ijk,nk->ijn", hu, weights.astype(np.float32), optimize=True)
    new = affine.copy()
    new[:3, 2] *= ratio
    new[:3, 3] += affine[:3, 2] * at[0]
    return _like(volume, made, new)


def with_noise(volume: CtVolume, superior_mm: float, sd_hu: float) -> CtVolume:
    """Gaussian noise of a standard deviation, with a grain in the plane; always the same."""
    from scipy.ndimage import gaussian_filter

    hu, affine = _canonical(volume)
    rng = np.random.default_rng([NOISE_SEED, round(sd_hu * 10)])
    noise = rng.standard_normal(hu.shape, np.float32)
    i_mm, j_mm, _ = spacing_mm(affine)
    noise = gaussian_filter(noise, (GRAIN_MM / i_mm, GRAIN_MM / j_mm, 0))
    return _like(volume, hu + noise * np.float32(sd_hu / float(noise.std())), affine)


def with_hu_shift(volume: CtVolume, superior_mm: float, shift_hu: float) -> CtVolume:
    """Every voxel so many HU higher."""
    hu, affine = _canonical(volume)
    return _like(volume, hu + np.float32(shift_hu), affine)


def turned(volume: CtVolume, superior_mm: float, angle_deg: float) -> CtVolume:
    """The patient turned on the table about the long axis through the level's centre, on the same grid.

    Positive: from right to anterior. Cubic interpolation in the plane.
    """
    c, s = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    _, affine = _canonical(volume)
    return _sampled(volume, affine, _about(turn, _level_centre(volume, superior_mm)))


def tilted(volume: CtVolume, superior_mm: float, angle_deg: float) -> CtVolume:
    """Slices tilted about the right–left axis through the level's centre; the patient stays. Cubic."""
    c, s = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    turn = np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])
    _, affine = _canonical(volume)
    return _sampled(volume, _about(turn, _level_centre(volume, superior_mm)) @ affine, np.eye(4))


def enlarged(volume: CtVolume, superior_mm: float, pixels: tuple[int, int]) -> CtVolume:
    """A larger field of view with another centre: so many pixels of air more on the right and in front.

    Negative: on the left and behind.
    """
    hu, affine = _canonical(volume)
    before = [max(-p, 0) for p in pixels]
    after = [max(p, 0) for p in pixels]
    made = np.pad(hu, [*zip(before, after, strict=True), (0, 0)], constant_values=AIR_HU)
    new = affine.copy()
    new[:3, 3] -= affine[:3, 0] * before[0] + affine[:3, 1] * before[1]
    return _like(volume, made, new)


def flipped(volume: CtVolume, superior_mm: float) -> CtVolume:
    """All three axes stored the other way round; every voxel stays where it is."""
    hu, affine = _canonical(volume)
    new = affine.copy()
    new[:3, :3] *= -1
    new[:3, 3] = (affine @ np.array([*np.array(hu.shape) - 1.0, 1.0]))[:3]
    return _like(volume, hu[::-1, ::-1, ::-1], new)


def transposed(volume: CtVolume, superior_mm: float) -> CtVolume:
    """Axes stored in the order anterior, superior, right; every voxel stays where it is."""
    hu, affine = _canonical(volume)
    order = [1, 2, 0]
    new = affine.copy()
    new[:3, :3] = affine[:3, order]
    return _like(volume, hu.transpose(order), new)


def slice_at(volume: CtVolume, point_mm: NDArray[np.float64]) -> int:
    """The canonical slice nearest to a point (3,), RAS mm: also where slices are oblique.

    Raises
    ------
    LevelError
        The point lies outside the scan.
    """
    index = np.linalg.inv(volume.ras_from_canonical) @ np.array([*point_mm, 1.0])
    k = round(float(index[2]))
    if not 0 <= k < volume.slice_count:
        raise LevelError("the level lies outside the changed CT", "give a CT that reaches further")
    return k


def _weights(centre: float, thickness: float, slices: int) -> NDArray[np.float64]:
    """What each native slice gives to one of a thickness (in native slices) centred on an index."""
    at = np.arange(slices, dtype=np.float64)
    if thickness <= 1:
        linear: NDArray[np.float64] = np.clip(1 - np.abs(at - centre), 0, 1)
        return linear
    low, high = centre - thickness / 2, centre + thickness / 2
    shared = np.clip(np.minimum(at + 0.5, high) - np.maximum(at - 0.5, low), 0, 1)
    return np.asarray(shared / shared.sum())


def _sampled(volume: CtVolume, affine: NDArray[np.float64], where: NDArray[np.float64]) -> CtVolume:
    """The volume on another grid of the same shape; `where` (4, 4) moves the patient in the world, mm."""
    from scipy.ndimage import affine_transform

    hu, own = _canonical(volume)
    index = np.linalg.inv(own) @ np.linalg.inv(where) @ affine
    made = affine_transform(
        hu, index[:3, :3], index[:3, 3], output=np.float32, order=3, mode="constant", cval=AIR_HU
    )
    return _like(volume, np.clip(made, float(hu.min()), float(hu.max())), affine)


def _about(turn: NDArray[np.float64], point_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    whole = np.eye(4)
    whole[:3, :3] = turn
    whole[:3, 3] = point_mm - turn @ point_mm
    return whole


def _index_of(volume: CtVolume, superior_mm: float) -> float:
    """Fractional canonical slice at a superior coordinate of the slices' centres."""
    lowest = volume.slice_superior_mm(0)
    return (superior_mm - lowest) / float(volume.ras_from_canonical[2, 2])


def _level_centre(volume: CtVolume, superior_mm: float) -> NDArray[np.float64]:
    i, j, _ = volume.canonical_shape
    index = np.array([(i - 1) / 2, (j - 1) / 2, _index_of(volume, superior_mm), 1.0])
    return np.asarray((volume.ras_from_canonical @ index)[:3])


def _canonical(volume: CtVolume) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    hu = np.asarray(volume.slab(0, volume.slice_count), np.float32)
    return hu, np.array(volume.ras_from_canonical)


def _like(volume: CtVolume, hu: NDArray[Any], affine: NDArray[np.float64]) -> CtVolume:
    """A volume of rounded HU with the facts of another's patient."""
    stored = np.rint(np.maximum(hu, AIR_HU)).astype(np.int16)
    return CtVolume.from_array(stored, affine, patient=volume.patient)
