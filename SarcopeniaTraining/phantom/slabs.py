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
from SarcopeniaTraining.phantom.generate import Grid, paint_layers
from SarcopeniaTraining.phantom.painting import Canvas, Points
from SarcopeniaTraining.phantom.scanner import Scanner, expose
from SarcopeniaTraining.phantom.surroundings import surround
from SarcopeniaTraining.phantom.truth import compartments_and_border, in_muscle_window

FULL_SCALE = 65535
GENERATOR = 5
"""Raised whenever the same seed would draw another slab."""
SUB_SLICES = 3
OUTLINE, RIM = 1, 2
"""Values of a stored outline: what a reader would have taken, and the fat beside it.

The rim is taught as muscle: the border between muscle and fat is then found by the fat's HU, exactly as a
reader's is, and not by the network (docs/adr/0011)."""


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
    """Height of the slab over the middle of L3: six of ten near L3, the others from the pelvis to T10."""
    rng = np.random.default_rng([seed, 5])
    return float(rng.uniform(-32, 32) if rng.random() < 0.6 else rng.uniform(-120, 145))


def draw_slab(seed: int, plan: SlabPlan) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    """One slab (i, j, s), 0…65535 for 0…1, and of its middle slice (i, j) what is `OUTLINE` and `RIM`."""
    preset = plan.preset
    spacing = (preset.in_plane_mm, preset.in_plane_mm, preset.slice_mm)
    grid = Grid.axial((*plan.shape, preset.slices), spacing, (0, 0, level_mm(seed)))
    hu, outline = scanned_slab(Person.random(seed), grid, Scanner.random(seed), preset.middle)
    slab = make_slab(CtVolume.from_array(hu, grid.ras_from_ijk), preset.middle, preset)
    return np.rint(slab.image * FULL_SCALE).astype(np.uint16), outline


def scanned_slab(
    person: Person, grid: Grid, scanner: Scanner, middle: int
) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
    """A slab as a scanner shows it: thick slices, arms, table, clothes, a field of view too small.

    The middle slice, where it is thick, is drawn at `SUB_SLICES` heights over its thickness and averaged, the
    truth by the same rule; its neighbours are cuts.

    Returns
    -------
    hu, outline:
        (i, j, s) int16, and (i, j) uint8 of the middle slice: 0, `OUTLINE`, `RIM`.
    """
    x, y, z = grid.coordinates()
    cuts = SUB_SLICES if scanner.slice_mm >= 2 else 1
    over = np.linspace(-1, 1, cuts, dtype=np.float32) * np.float32(scanner.slice_mm / 3 if cuts > 1 else 0)
    heights = np.concatenate(
        [z[..., :middle], z[..., middle : middle + 1] + over, z[..., middle + 1 :]], axis=-1
    )
    painted = Canvas.of_air(*person.warp(x, y, heights), heights, grid.pixel_mm)
    paint_layers(person, painted)
    averaged = (_averaged(full, middle, cuts) for full in (painted.hu, painted.outline, painted.other))
    around = Points(x, y, z, grid.pixel_mm, *averaged)
    missing = surround(around, scanner, person.seed)
    clean, image = expose(around.hu, scanner, grid.in_plane_mm, person.seed)
    taught = _taught(around, clean, middle)
    if missing is not None:
        image[missing] = -1024
        taught[missing[:, :, middle]] = 0
    return image, taught


def _taught(points: Points, clean: NDArray[np.float32], middle: int) -> NDArray[np.uint8]:
    """0, `OUTLINE` or `RIM` of one slice, (i, j)."""
    shares = (share[:, :, middle : middle + 1] for share in (points.outline, points.other))
    compartments, by_hu = (mask[:, :, 0] for mask in compartments_and_border(*shares))
    taken = compartments | (by_hu & in_muscle_window(clean[:, :, middle]))
    return np.where(taken, OUTLINE, np.where(by_hu, RIM, 0)).astype(np.uint8)


def _averaged(full: NDArray[np.float32], middle: int, cuts: int) -> NDArray[np.float32]:
    """The cuts of the middle slice as one; (i, j, s + cuts − 1) becomes (i, j, s)."""
    mean = full[..., middle : middle + cuts].mean(axis=-1, keepdims=True)
    return np.concatenate([full[..., :middle], mean, full[..., middle + cuts :]], axis=-1)


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
