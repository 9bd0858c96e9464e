"""Painting of vertebrae and discs: body with cortex and worn edges, arch, processes, canal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from SarcopeniaAssessLib.spine_unet import SpineClass
from SarcopeniaTraining.spine_scans.canvas import Canvas, Frame, ellipsoid_distance

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from SarcopeniaTraining.spine_scans.spine_plan import Vertebra

_LEAST_DISC_MM = 5.0
"""A thinner disc is still labelled so thick: a class thinner than a voxel cannot be learnt."""


@dataclass(frozen=True)
class BoneDensity:
    """HU of one person's bones.

    Attributes
    ----------
    spongy, cortex, marrow_sd:
        Of the inside of bodies, of the shell as a voxel of bone alone, and how bodies differ.
    disc:
        Of a healthy disc.
    """

    spongy: float
    cortex: float
    body_sd: float
    disc: float

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> BoneDensity:
        """From the osteoporotic to the young: 40–280 HU (Pickhardt 2013: 160 about 55 years of age)."""
        spongy = float(np.clip(rng.normal(150, 55), 30, 320))
        return cls(
            spongy, float(rng.uniform(280, 650)), float(rng.uniform(3, 18)), float(rng.uniform(55, 115))
        )


def paint_body(canvas: Canvas, vertebra: Vertebra, bone: BoneDensity, rng: np.random.Generator) -> None:
    """Paint a vertebral body, its shell and perhaps osteophytes."""
    frame, height = vertebra.frame, vertebra.height_mm
    reach = max(vertebra.width_mm, vertebra.depth_mm, height) / 2 + 8
    box = canvas.box(frame.centre - reach, frame.centre + reach)
    if box is None:
        return
    x, y, z = canvas.local(frame, box)
    edge, up = _radial(vertebra, x, y, z), np.abs(z)
    top = height / 2 * (1 - vertebra.wedge * np.clip(0.5 + y / vertebra.depth_mm, 0, 1))
    hollow = np.float32(rng.uniform(0, 2.5)) * np.clip(1 - (x / 18) ** 2 - (y / 14) ** 2, 0, 1)
    distance = np.maximum(edge, up - top + hollow)
    share = canvas.share(distance)
    spongy = bone.spongy + rng.normal(0, bone.body_sd) + (rng.uniform(100, 300) if rng.random() < 0.02 else 0)
    canvas.blend(box, share, np.float32(spongy), SpineClass.BODY)
    shell = np.clip(1 - np.abs(distance + 1.5) / 3.0, 0, 1) * np.float32(rng.uniform(0.25, 0.6))
    canvas.blend(box, shell, np.float32(bone.cortex))
    if rng.random() < 0.15:
        for _ in range(int(rng.integers(1, 4))):
            angle, level = rng.uniform(-0.3, np.pi + 0.3), rng.choice([-1, 1]) * height / 2
            place = frame.world(
                float(np.cos(angle)) * vertebra.width_mm / 2,
                float(np.sin(angle)) * vertebra.depth_mm / 2,
                level,
            )
            size = float(rng.uniform(3, 7))
            canvas.ellipsoid(Frame(place, frame.axes), (size, size, size * 0.7), bone.cortex * 0.8)


def paint_disc(
    canvas: Canvas,
    vertebra: Vertebra,
    below: tuple[Frame, float],
    bone: BoneDensity,
    rng: np.random.Generator,
) -> None:
    """Paint the disc between a vertebra and what lies below it (frame and height)."""
    upper = vertebra.frame.world(0, 0, -vertebra.height_mm / 2)
    lower = below[0].world(0, 0, below[1] / 2)
    axes = vertebra.frame.axes + below[0].axes
    frame = Frame((upper + lower) / 2, axes / np.linalg.norm(axes, axis=0))
    box = canvas.box(frame.centre - 40, frame.centre + 40)
    if box is None:
        return
    x, y, z = canvas.local(frame, box)
    edge = _radial(vertebra, x, y, np.float32(1e3)) - np.float32(rng.uniform(-1, 2))
    bulge = np.float32(1.5) * np.clip(1 - (x / 18) ** 2 - (y / 14) ** 2, 0, 1)
    half = vertebra.disc_mm / 2
    hu = bone.disc + rng.normal(0, 6)
    if vertebra.disc_kind == "fused":
        hu = rng.uniform(0.6, 1.3) * bone.spongy + 60
    canvas.blend(box, canvas.share(np.maximum(edge, np.abs(z) - half - bulge)), np.float32(hu))
    if vertebra.disc_kind == "vacuum":
        gas = ellipsoid_distance((14.0, 10.0, max(half * 0.6, 1.0)))(x, y, z)
        canvas.blend(box, canvas.share(gas), np.float32(-200))
    label = np.maximum(edge, np.abs(z) - max(half, _LEAST_DISC_MM / 2))
    canvas.classes[box][label <= 0] = SpineClass.DISC


def _radial(
    vertebra: Vertebra, x: NDArray[np.float32], y: NDArray[np.float32], z: NDArray[np.float32] | np.float32
) -> NDArray[np.float32]:
    """Distance to the side of a body, waisted at mid-height and hollow behind."""
    waist = np.float32(0.93) + np.float32(0.07) * np.clip(np.abs(z) / (vertebra.height_mm / 2), 0, 1) ** 2
    a, b = waist * np.float32(vertebra.width_mm / 2), waist * np.float32(vertebra.depth_mm / 2)
    length = (np.abs(x / a) ** 2.4 + np.abs(y / b) ** 2.4) ** np.float32(1 / 2.4)
    behind = -y - b * np.float32(0.88)
    edge: NDArray[np.float32] = np.maximum((length - 1) * np.minimum(a, b), behind)
    return edge


def paint_arch(canvas: Canvas, vertebra: Vertebra, bone: BoneDensity, rng: np.random.Generator) -> None:
    """Paint pedicles, laminae, facets, spinous and transverse processes; the canal between them first."""
    frame, half, back = vertebra.frame, vertebra.height_mm / 2, -vertebra.depth_mm / 2 * 0.9
    lumbar, size = vertebra.name[0] == "L", vertebra.width_mm / 46
    hard = bone.spongy * 0.6 + bone.cortex * 0.4
    arch = SpineClass.ARCH
    deep = (17 if lumbar else 15) * min(size, 1.1)
    canvas.ellipsoid(
        Frame(frame.world(0, back - deep / 2, 0), frame.axes),
        (10.0, deep / 2, half * 1.9),
        rng.uniform(5, 35),
    )
    for side in (-1, 1):
        pedicle = side * (12.5 if lumbar else 11.0) * (0.9 + 0.25 * size)
        thick = 4.5 if lumbar else 3.2
        root, rear = (
            frame.world(pedicle, back + 3, 0.45 * half),
            frame.world(pedicle, back - deep * 0.75, 0.35 * half),
        )
        canvas.rod(np.array([root, rear]), thick, hard, arch)
        middle = frame.world(0, back - deep - 4, -0.3 * half)
        canvas.rod(np.array([rear, middle]), 3.2, hard * 0.95, arch)
        for up in (-1.15, 0.9):
            place = frame.world(pedicle * 1.15, back - deep * 0.85, up * half)
            canvas.ellipsoid(Frame(place, frame.axes), (5.5 + lumbar, 5.5, 8.0), hard, arch)
        _transverse(canvas, vertebra, (side, rear, hard), rng)
    droop = rng.uniform(0.3, 0.8) if lumbar else rng.uniform(1.0, 2.0)
    reach = rng.uniform(22, 32) if lumbar else rng.uniform(20, 30)
    tip = frame.world(0, back - deep - reach * size, -droop * half - 3)
    start = frame.world(0, back - deep - 3, -0.3 * half)
    thickness = 3.0
    for lift in (-5, 0, 5) if lumbar else (-2, 2):
        shift = frame.axes[:, 2] * lift
        canvas.rod(np.array([start + shift, tip + shift]), thickness, hard * 0.9, arch)


def _transverse(
    canvas: Canvas, vertebra: Vertebra, side: tuple[int, NDArray[np.float64], float], rng: np.random.Generator
) -> None:
    sign, root, hard = side
    frame, half = vertebra.frame, vertebra.height_mm / 2
    back = -vertebra.depth_mm / 2
    lumbar = vertebra.name[0] == "L"
    tip = frame.world(
        sign * vertebra.transverse_mm, back - (12 if lumbar else 22), half * rng.uniform(-0.1, 0.5)
    )
    canvas.rod(np.array([root, tip]), 3.6 if lumbar else 4.2, hard * 0.85, SpineClass.ARCH)
    if vertebra.sacralised:
        wing = frame.world(sign * vertebra.transverse_mm * 0.85, back - 4, -half * 0.9)
        canvas.ellipsoid(Frame(wing, frame.axes), (15.0, 9.0, half * 1.3), hard * 0.8, SpineClass.ARCH)
