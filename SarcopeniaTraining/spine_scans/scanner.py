"""What the table, the arms, metal and the scanner do to a drawn trunk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter, gaussian_filter1d, zoom

from SarcopeniaAssessLib.spine_grid import HIGH_HU, LOW_HU
from SarcopeniaTraining.spine_scans.canvas import Canvas

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from SarcopeniaTraining.spine_scans.spine_plan import SpinePlan
    from SarcopeniaTraining.spine_scans.trunk import Trunk

AIR_HU, METAL_HU = LOW_HU, HIGH_HU
"""The ends of what the network is shown."""


@dataclass(frozen=True)
class Scan:
    """How a phantom was scanned.

    Attributes
    ----------
    slice_mm, noise_hu:
        Thickness of the native slices, and noise of a 4 mm voxel.
    metal:
        What of it there is.
    """

    slice_mm: float
    noise_hu: float
    metal: tuple[str, ...]


def paint_surroundings(canvas: Canvas, trunk: Trunk, rng: np.random.Generator) -> None:
    """Paint arms beside the body (some), and the table under it (most)."""
    z = canvas.along[2]
    if rng.random() < 0.3:
        for sign in (-1, 1):
            if rng.random() < 0.85:
                beside = float(trunk.half_width.max()) + rng.uniform(25, 45)
                top = np.array([sign * (beside + 5), float(trunk.middle_y[-1]) - 20, z[-1] + 30])
                wrist = np.array(
                    [
                        sign * beside * rng.uniform(0.85, 1.1),
                        float(trunk.middle_y[0]) + 20,
                        rng.uniform(-140, 60),
                    ]
                )
                canvas.rod(np.array([top, wrist]), float(rng.uniform(28, 42)), float(rng.uniform(-40, 40)))
                canvas.rod(np.array([top, wrist]), 9.0, 350.0, 0)
    if rng.random() < 0.75:
        x, y, _ = canvas.points
        under = float((trunk.middle_y - trunk.half_depth).min()) - rng.uniform(4, 14)
        curve = under + (x / 260) ** 2 * rng.uniform(0, 60)
        plate = np.abs(y - curve) - rng.uniform(1, 3)
        share = np.broadcast_to(canvas.share(plate.astype(np.float32)), canvas.hu.shape)
        outside = canvas.hu < -150
        canvas.hu[outside] += (share * np.float32(rng.uniform(50, 350)))[outside]


def paint_metal(canvas: Canvas, plan: SpinePlan, rng: np.random.Generator) -> tuple[str, ...]:
    """Paint hip prostheses, pedicle screws, cement or a stent in some."""
    present = []
    if rng.random() < 0.07:
        present.append("hip")
        for sign in (-1, 1) if rng.random() < 0.5 else (1,):
            head = np.array([sign * 88.0, 10, -96 * plan.size])
            canvas.rod(
                np.array(
                    [head, head + np.array([sign * 45, -5, -35]), head + np.array([sign * 48, -5, -150])]
                ),
                11.0,
                METAL_HU,
            )
            _streaks(canvas, head, rng)
    if rng.random() < 0.07:
        present.append("screws")
        first = int(rng.integers(4, len(plan.vertebrae) - 1))
        for vertebra in plan.vertebrae[first : first + int(rng.integers(2, 5))]:
            for sign in (-1, 1):
                ends = np.array(
                    [vertebra.frame.world(sign * 16, -42, 6), vertebra.frame.world(sign * 8, 6, 2)]
                )
                canvas.rod(ends, 3.2, METAL_HU * 1.5)
            _streaks(canvas, vertebra.frame.centre, rng)
    if rng.random() < 0.04:
        present.append("cement")
        vertebra = plan.vertebrae[int(rng.integers(3, len(plan.vertebrae)))]
        canvas.ellipsoid(vertebra.frame, (10, 8, 7), METAL_HU)
    return tuple(present)


def _streaks(canvas: Canvas, centre: NDArray[np.float64], rng: np.random.Generator) -> None:
    """Dark and bright rays in the slices through a piece of metal."""
    x, y, z = canvas.points
    angle = np.arctan2(y - centre[1], x - centre[0])
    far = np.hypot(x - centre[0], y - centre[1])
    rays = np.cos(angle * int(rng.integers(2, 7)) + rng.uniform(0, 6)) * np.exp(-far / 90)
    near = np.exp(-(((z - centre[2]) / 20) ** 2))
    canvas.hu += (rng.uniform(30, 130) * rays * near).astype(np.float32)


def scan(canvas: Canvas, metal: tuple[str, ...], rng: np.random.Generator) -> tuple[NDArray[np.int16], Scan]:
    """HU as a coarse grid of a real scan would hold them: uneven tissue, thick slices, noise, shading.

    Classes outside a small field of view are taken off the canvas.
    """
    shape = canvas.hu.shape
    body = canvas.hu > -190
    texture = gaussian_filter(rng.standard_normal(shape).astype(np.float32), 0.8)
    texture *= np.float32(rng.uniform(3, 22)) / texture.std()
    coarse = rng.standard_normal(tuple(max(n // 12, 2) for n in shape)).astype(np.float32)
    shading = zoom(coarse, [n / m for n, m in zip(shape, coarse.shape, strict=True)], order=1)
    hu = canvas.hu + body * (texture + np.float32(rng.uniform(0, 14)) * shading)
    hu = (hu - 40) * np.float32(rng.uniform(0.88, 1.2)) + 40 + np.float32(rng.normal(0, 6))
    slice_mm = float(rng.choice([1.0, 2.0, 3.0, 5.0, 6.0, 8.0], p=[0.2, 0.15, 0.2, 0.25, 0.1, 0.1]))
    hu = _thick(hu, slice_mm, canvas.voxel_mm, rng)
    blur = rng.uniform(0, 0.45)
    hu = gaussian_filter(hu, (blur, blur, blur * 0.5))
    noise_hu = float(rng.gamma(2.0, 5.0))
    noise = gaussian_filter(rng.standard_normal(shape).astype(np.float32), 0.4)
    hu = hu + noise * np.float32(noise_hu / noise.std())
    air = canvas.hu <= -190
    hu[air] = np.minimum(hu[air], AIR_HU + 8 * np.abs(noise[air]))
    if rng.random() < 0.12:
        outside = _outside_field(canvas, rng)
        hu[outside], canvas.classes[outside] = AIR_HU, 0
    clipped: NDArray[np.int16] = np.clip(np.round(hu), AIR_HU, METAL_HU).astype(np.int16)
    return clipped, Scan(slice_mm, noise_hu, metal)


def _thick(
    hu: NDArray[np.float32], slice_mm: float, voxel_mm: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Average along the body over a native slice, and interpolate from native slices wider than a voxel."""
    if slice_mm <= voxel_mm:
        return hu
    thick = gaussian_filter1d(hu, 0.3 * slice_mm / voxel_mm, axis=2)
    side = hu.shape[2]
    at = np.arange(rng.uniform(0, slice_mm), side * voxel_mm, slice_mm) / voxel_mm
    low = np.clip(np.floor(at).astype(int), 0, side - 2)
    part = (at - low).astype(np.float32)
    native = thick[:, :, low] * (1 - part) + thick[:, :, low + 1] * part
    where = np.clip((np.arange(side) - at[0]) / (slice_mm / voxel_mm), 0, len(at) - 1)
    lower = np.clip(np.floor(where).astype(int), 0, len(at) - 2)
    share = (where - lower).astype(np.float32)
    back: NDArray[np.float32] = native[:, :, lower] * (1 - share) + native[:, :, lower + 1] * share
    return back


def _outside_field(canvas: Canvas, rng: np.random.Generator) -> NDArray[np.bool_]:
    """What lies outside a round field of view that is smaller than the body."""
    x, y, _ = canvas.points
    radius, middle = rng.uniform(125, 185), rng.uniform(-10, 60)
    outside = (x - rng.normal(0, 12)) ** 2 + (y - middle) ** 2 > radius**2
    return np.broadcast_to(outside, canvas.hu.shape)
