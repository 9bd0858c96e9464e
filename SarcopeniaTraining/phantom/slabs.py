"""Phantom slabs for training: drawn once in parallel, kept on disk, the same for the same seeds.

A slab passes through the library's `make_slab` like any CT, so the network meets in training exactly
the tensors it meets in assessment.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from SarcopeniaAssessLib.preprocessing import SlabPreset, make_slab
from SarcopeniaAssessLib.volume import CtVolume
from SarcopeniaTraining.machine import workers
from SarcopeniaTraining.phantom.anatomy import Person
from SarcopeniaTraining.phantom.generate import Grid, phantom

FULL_SCALE = 65535
GENERATOR = 2
"""Raised whenever the same seed would draw another slab."""


@dataclass(frozen=True)
class SlabPlan:
    """Which slabs to draw.

    Attributes
    ----------
    first_seed, count:
        One person a slab, seeds `first_seed … first_seed + count − 1`.
    shape:
        Pixels of a slab in the plane.
    preset:
        Spacing, slices and HU window.
    """

    first_seed: int
    count: int
    shape: tuple[int, int]
    preset: SlabPreset

    def identity(self) -> dict[str, object]:
        """What must be equal for a stored set to be taken again."""
        return {
            "generator": GENERATOR,
            "first_seed": self.first_seed,
            "count": self.count,
            "shape": list(self.shape),
            "preset": self.preset.to_mapping(),
        }


def level_mm(seed: int) -> float:
    """Height of the slab over the middle of L3: three of four near L3, the others from L5 to T11."""
    rng = np.random.default_rng([seed, 5])
    return float(rng.uniform(-32, 32) if rng.random() < 0.75 else rng.uniform(-70, 105))


def draw_slab(seed: int, plan: SlabPlan) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    """One slab (i, j, s), 0…65535 for 0…1, and the muscle outline of its middle slice (i, j)."""
    preset = plan.preset
    spacing = (preset.in_plane_mm, preset.in_plane_mm, preset.slice_mm)
    grid = Grid.axial((*plan.shape, preset.slices), spacing, (0, 0, level_mm(seed)))
    drawn = phantom(Person.random(seed), grid)
    middle = preset.slices // 2
    slab = make_slab(CtVolume.from_array(drawn.hu, grid.ras_from_ijk), middle, preset)
    return np.rint(slab.image * FULL_SCALE).astype(np.uint16), drawn.outline[:, :, middle]


@dataclass(frozen=True, eq=False)
class SlabStore:
    """Slabs on disk, memory-mapped: `images` (n, i, j, s) uint16 and `outlines` (n, i, j) uint8."""

    images: NDArray[np.uint16]
    outlines: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.images)


def slab_store(plan: SlabPlan, folder: Path, *, jobs: int = 2) -> SlabStore:
    """The slabs of a plan, drawing those that are not yet on disk."""
    folder.mkdir(parents=True, exist_ok=True)
    identity = folder / "plan.json"
    names = {name: folder / f"{name}.npy" for name in ("images", "outlines", "drawn")}
    fresh = not identity.exists() or json.loads(identity.read_text()) != plan.identity()
    if fresh:
        shape = (plan.count, *plan.shape)
        np.lib.format.open_memmap(names["images"], "w+", np.uint16, (*shape, plan.preset.slices))
        np.lib.format.open_memmap(names["outlines"], "w+", np.uint8, shape)
        np.lib.format.open_memmap(names["drawn"], "w+", np.bool_, (plan.count,))
        identity.write_text(json.dumps(plan.identity()))
    drawn = np.load(names["drawn"], mmap_mode="r+")
    missing = [int(n) for n in np.flatnonzero(~np.asarray(drawn))]
    if missing:
        pieces = [missing[n : n + 25] for n in range(0, len(missing), 25)]
        with workers(jobs, len(pieces)) as pool:
            for piece in pool.map(_draw_piece, pieces, [plan] * len(pieces), [folder] * len(pieces)):
                drawn[piece] = True
    return SlabStore(np.load(names["images"], mmap_mode="r"), np.load(names["outlines"], mmap_mode="r"))


def _draw_piece(numbers: Sequence[int], plan: SlabPlan, folder: Path) -> list[int]:
    images = np.load(folder / "images.npy", mmap_mode="r+")
    outlines = np.load(folder / "outlines.npy", mmap_mode="r+")
    for number in numbers:
        images[number], outlines[number] = draw_slab(plan.first_seed + number, plan)
    return list(numbers)
