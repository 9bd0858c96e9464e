"""A chain of vertebrae by hand, and the map of classes of a schematic trunk, for the tests of the spine."""

from __future__ import annotations

import numpy as np

from SarcopeniaAssessLib.spine_chain import SeenVertebra, SpineChain
from SarcopeniaAssessLib.spine_grid import GRID_MM, SpineGrid
from SarcopeniaAssessLib.spine_unet import SpineClass

PITCH_MM = 36


def chain(
    count: int, *, ribs: dict[int, float] | None = None, sacrum: float = 1.0, crest: float | None = 1.25
) -> SpineChain:
    """So many vertebrae from below; `ribs` by place: how far they reach (mm); the crest in vertebrae."""
    ribs = ribs or {}
    vertebrae = tuple(
        SeenVertebra(
            centre_mm=np.array([0.0, 0.0, PITCH_MM * (n + 0.5)]),
            bottom=float(PITCH_MM * n),
            top=float(PITCH_MM * (n + 1)),
            seen_mm=float(PITCH_MM),
            ribs=(0.99, 0.99) if n in ribs else (0.005, 0.005),
            rib_mm=ribs.get(n, 0.0),
        )
        for n in range(count)
    )
    return SpineChain(vertebrae, sacrum, None if crest is None else crest * PITCH_MM)


def ribs_from(lowest: int, count: int) -> dict[int, float]:
    """Usual ribs: a twelfth of 95 mm at `lowest`, an eleventh of 155, longer ones above."""
    return {lowest + n: (95.0, 155.0, 170.0)[min(n, 2)] for n in range(count - lowest)}


def class_map(
    *, planes: int = 96, lean: float = 0.0, missing_disc: int | None = None
) -> tuple[np.ndarray, SpineGrid, np.ndarray]:
    """Probabilities of a schematic spine, its grid, and the middles of its bodies from below, (n, 3) mm.

    Seven vertebrae of 36 mm with discs of 8 mm above a sacrum, ribs at the sixth and seventh, iliac wings to
    1¼ vertebrae above the sacrum. `lean`: shift to the right per mm upwards. `missing_disc`: that disc, 0 the
    lowest, looks like body.
    """
    shape = (64, 48, planes)
    origin = np.array([-126.0, -90.0, 211.0])
    i, j, k = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    x, y, z = (origin[axis] + GRID_MM * index for axis, index in enumerate((i, j, k)))
    bottom = origin[2] + 80
    up = z - bottom
    x = x - lean * up
    probability = np.zeros((len(SpineClass), *shape), np.float32)
    column = (x / 24) ** 2 + (y / 17) ** 2 <= 1
    within = up % PITCH_MM
    disc = (within < 4) | (within >= PITCH_MM - 4)
    place = np.floor((up + PITCH_MM / 2) / PITCH_MM)
    if missing_disc is not None:
        disc &= place != missing_disc
    chain_planes = (up >= -4) & (up < 7 * PITCH_MM)
    probability[SpineClass.DISC][column & chain_planes & disc] = 1
    probability[SpineClass.BODY][column & chain_planes & ~disc] = 1
    probability[SpineClass.SACRUM][((x / 45) ** 2 + (y / 20) ** 2 <= 1) & (up < -4) & (up > -60)] = 1
    probability[SpineClass.ILIUM][
        (np.abs(np.abs(x) - 100) < 8) & (np.abs(y) < 30) & (up < 1.25 * PITCH_MM)
    ] = 1
    for vertebra in (5, 6):
        near = np.abs(up - (vertebra + 0.6) * PITCH_MM) < 5
        beside = (np.abs(x) >= 24) & (np.abs(y + 20) < 6)
        probability[SpineClass.RIB_ROOT][near & beside & (np.abs(x) < 60)] = 1
        probability[SpineClass.RIB][
            near & beside & (np.abs(x) >= 60) & (np.abs(x) < 60 + 30 * (vertebra - 4))
        ] = 1
    probability[SpineClass.OTHER] = 1 - probability.sum(axis=0)
    middles = np.array([[lean * (n + 0.5) * PITCH_MM, 0, bottom + (n + 0.5) * PITCH_MM] for n in range(7)])
    return probability, SpineGrid(np.zeros(shape, np.float32), origin), middles
