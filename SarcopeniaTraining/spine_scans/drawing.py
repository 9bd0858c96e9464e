"""One phantom from one seed: HU, the class of every voxel, and where each vertebra is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from SarcopeniaAssessLib.spine_grid import GRID_MM
from SarcopeniaTraining.spine_scans.canvas import Canvas
from SarcopeniaTraining.spine_scans.scanner import Scan, paint_metal, paint_surroundings, scan
from SarcopeniaTraining.spine_scans.skeleton import paint_pelvis, paint_ribs, paint_sacrum
from SarcopeniaTraining.spine_scans.spine_plan import SpinePlan, Variant, draw_plan
from SarcopeniaTraining.spine_scans.trunk import draw_trunk, paint_trunk
from SarcopeniaTraining.spine_scans.vertebrae import BoneDensity, paint_arch, paint_body, paint_disc

if TYPE_CHECKING:
    from numpy.typing import NDArray

VOXEL_MM = GRID_MM
SHAPE = (104, 84, 136)
_ORIGIN_MM = np.array([-206.0, -160.0, -150.0])
"""Of the first voxel; the sacrum's upper end is about 0, T8 at +300."""


@dataclass(frozen=True, eq=False)
class SpineScan:
    """A drawn scan of the trunk from T5 to the upper femora.

    Attributes
    ----------
    hu:
        int16 (i, j, k), −200…600, axes to the right, to anterior, to superior.
    classes:
        uint8 (i, j, k), of `SpineClass`.
    ras_from_ijk:
        (4, 4).
    bodies_mm:
        Middle of each vertebral body by name, RAS.
    seed, variant, scan, crest_mm:
        What was drawn.
    """

    hu: NDArray[np.int16]
    classes: NDArray[np.uint8]
    ras_from_ijk: NDArray[np.float64]
    bodies_mm: dict[str, NDArray[np.float64]]
    seed: int
    variant: Variant
    scan: Scan
    crest_mm: float


def draw_spine_scan(seed: int) -> SpineScan:
    """Draw the phantom of a seed; the same seed gives the same scan."""
    rng = np.random.default_rng([0x5B1E, seed])
    plan = draw_plan(rng)
    origin = _ORIGIN_MM + rng.uniform(-2, 2, 3)
    canvas = Canvas(SHAPE, origin, VOXEL_MM)
    trunk = draw_trunk(canvas, plan, rng)
    bone = BoneDensity.drawn(rng)
    paint_trunk(canvas, trunk, plan, rng)
    crest_mm = paint_pelvis(canvas, plan, bone, rng)
    paint_ribs(canvas, plan, trunk, bone, rng)
    paint_sacrum(canvas, plan, bone, rng)
    _paint_spine(canvas, plan, bone, rng)
    paint_surroundings(canvas, trunk, rng)
    metal = paint_metal(canvas, plan, rng)
    hu, facts = scan(canvas, metal, rng)
    affine = np.diag([VOXEL_MM, VOXEL_MM, VOXEL_MM, 1.0])
    affine[:3, 3] = origin
    bodies = {v.name: v.frame.centre for v in plan.vertebrae}
    return SpineScan(hu, canvas.classes, affine, bodies, seed, plan.variant, facts, crest_mm)


def _paint_spine(canvas: Canvas, plan: SpinePlan, bone: BoneDensity, rng: np.random.Generator) -> None:
    """Arches first, then bodies, then discs: what lies in front covers what lies behind."""
    for vertebra in plan.vertebrae:
        paint_arch(canvas, vertebra, bone, rng)
    for vertebra in plan.vertebrae:
        paint_body(canvas, vertebra, bone, rng)
    lower = [(v.frame, v.height_mm) for v in plan.vertebrae[1:]]
    for vertebra, below in zip(
        plan.vertebrae, [*lower, (plan.sacrum[0], plan.sacrum_sizes_mm[0][2])], strict=True
    ):
        paint_disc(canvas, vertebra, below, bone, rng)
