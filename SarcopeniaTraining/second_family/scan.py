"""Scans of the second family with their truth: `draw_l3` and `draw_scan`."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from SarcopeniaTraining.second_family import scanner
from SarcopeniaTraining.second_family.attenuation import hu_table, textured
from SarcopeniaTraining.second_family.body import build
from SarcopeniaTraining.second_family.person import Person, Protocol
from SarcopeniaTraining.second_family.raster import Canvas, Shares, rasterise

MUSCLE_HU = (-29.0, 150.0)
_BONE_RIM_SHARE = 0.12


@dataclass(frozen=True)
class ScanFacts:
    """What was drawn; `traits` in alphabetical order, `l3_superior_mm` in the scan's world."""

    seed: int
    sex: str
    age_years: int
    build: str
    phase: str
    slice_mm: float
    kernel: str
    kvp: int
    noise_hu: float
    traits: tuple[str, ...]
    l3_superior_mm: float
    numbering: str


@dataclass(frozen=True, eq=False)
class HeldOutScan:
    """A CT of nobody and its truth.

    Attributes
    ----------
    hu
        int16 (i, j, k), RAS-canonical.
    ras_from_ijk
        float64 (4, 4), voxel indices to world mm.
    outline
        uint8 (i, j, k): muscle compartments, the fat in them inside, bone and its rim outside.
    muscle
        uint8 (i, j, k): outline where the HU after the point spread, before noise, lie within −29…150.
        All three masks are 0 outside a field of view that cuts the body.
    vertebrae
        uint8 (i, j, k): TotalSegmentator numbers (27 = L5 … 29 = L3 … 32 = T12, 25 = sacrum), 0 elsewhere.
    """

    hu: NDArray[np.int16]
    ras_from_ijk: NDArray[np.float64]
    outline: NDArray[np.uint8]
    muscle: NDArray[np.uint8]
    vertebrae: NDArray[np.uint8]
    facts: ScanFacts


@dataclass(frozen=True)
class _Grid:
    """A stack of square slices: side in pixels, sizes in mm, the first slice's height, sub-samples."""

    side: int | None
    pixel_mm: float
    slice_mm: float
    first_mm: float
    slices: int
    sub_slices: int
    finer: int

    def heights(self) -> NDArray[np.float64]:
        """Heights of all sub-slices in mm above the middle of L3."""
        step = self.slice_mm / self.sub_slices
        count = self.slices * self.sub_slices
        result: NDArray[Any] = self.first_mm - self.slice_mm / 2 + step * (np.arange(count) + 0.5)
        return result


def draw_l3(seed: int) -> HeldOutScan:
    """Five slices about the middle of L3 on a drawn grid: 512 × 512, 0.65–0.95 mm, 1–5 mm slices."""
    rng = np.random.default_rng([seed, 3])
    person = Person.random(rng, variants=False)
    slice_mm = float(rng.choice([1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0]))
    subs = int(np.clip(np.ceil(slice_mm / 1.3), 1, 4))
    grid = _Grid(512, 0.0, slice_mm, -2 * slice_mm, 5, subs, 2)
    return _draw(seed, person, grid, rng)


def draw_scan(
    seed: int,
    *,
    in_plane_mm: float | None = None,
    slice_mm: float | None = None,
    coverage_mm: tuple[float, float] | None = None,
) -> HeldOutScan:
    """A whole scan.

    Parameters
    ----------
    in_plane_mm, slice_mm
        Spacing; drawn within 1.5–2.5 and 3–5 mm when not given.
    coverage_mm
        Lowest and highest height about the middle of L3; drawn when not given.
    """
    rng = np.random.default_rng([seed, 7])
    person = Person.random(rng, variants=True)
    drawn = (rng.uniform(1.5, 2.5), rng.uniform(3, 5), rng.uniform(-190, -90), rng.uniform(90, 175))
    pixel = float(drawn[0] if in_plane_mm is None else in_plane_mm)
    thick = float(drawn[1] if slice_mm is None else slice_mm)
    low, high = (drawn[2], drawn[3]) if coverage_mm is None else coverage_mm
    slices = max(int((high - low) // thick), 1)
    subs = int(np.clip(np.ceil(thick / 2.2), 1, 3))
    grid = _Grid(None, pixel, thick, low + thick / 2, slices, subs, 3 if pixel > 1.2 else 2)
    return _draw(seed, person, grid, rng)


def _draw(seed: int, person: Person, grid: _Grid, rng: np.random.Generator) -> HeldOutScan:
    protocol = Protocol.random(rng, person.bmi)
    frame, skin = build(person, grid.heights(), rng)
    low, high = _extent(skin, person)
    pixel, side, field = _field_of_view(grid, person, (high - low).max(), rng)
    middle = (low + high) / 2 + rng.normal(0, 3, 2)
    margin = 6.0
    corner = middle - side * pixel / 2
    first = np.clip(np.floor((low - margin - corner) / pixel).astype(int), 0, side - 2)
    last = np.clip(np.ceil((high + margin - corner) / pixel).astype(int), first + 1, side)
    shape = (int(last[0] - first[0]), int(last[1] - first[1]))
    canvas = Canvas(
        (float(corner[0] + first[0] * pixel), float(corner[1] + first[1] * pixel)), pixel, shape, grid.finer
    )
    shares = rasterise(frame, canvas, hu_table(person, protocol, rng), grid.sub_slices)
    plain = textured(shares, person, (pixel, pixel, grid.slice_mm), rng)
    after = scanner.spread(plain, pixel, protocol.kernel)
    outline, muscle = _truth(shares, after)
    window = (slice(int(first[0]), int(last[0])), slice(int(first[1]), int(last[1])))
    whole = (side, side, grid.slices)

    def placed(values: NDArray[Any], empty: float = 0) -> NDArray[Any]:
        result = np.full(whole, empty, dtype=values.dtype)
        result[window] = values
        return result

    steps = np.arange(side) + 0.5
    bench = scanner.Bench(
        (corner[0] + steps * pixel)[:, None], (corner[1] + steps * pixel)[None, :],
        float(low[1]), float(np.abs(skin[..., 0]).max()), float(high[1] - low[1]),
    )  # fmt: skip
    masks = [placed(mask) for mask in (outline, muscle, shares.vertebra)]
    hu = scanner.furniture(placed(after, -1000.0), person, bench, rng)
    hu = scanner.artefacts(hu, placed(shares.bone), person, bench, rng)
    hu = scanner.noisy(hu, protocol, bench, rng)
    if person.has("truncated"):
        unseen = np.hypot(bench.x_mm - middle[0], bench.y_mm - middle[1]) > field / 2
        for mask in (hu, *masks):
            mask[unseen] = -1024 if mask is hu else 0
    shift = rng.uniform(-700, 200)
    affine = np.diag([pixel, pixel, grid.slice_mm, 1.0])
    affine[:3, 3] = [*(corner + pixel / 2), grid.first_mm + shift]
    facts = ScanFacts(
        seed, person.sex, person.age_years, person.build, protocol.phase, grid.slice_mm, protocol.kernel,
        protocol.kvp, round(protocol.noise_hu, 2), person.traits, float(shift), person.numbering,
    )  # fmt: skip
    return HeldOutScan(
        np.clip(np.rint(hu), -1024, 3071).astype(np.int16), affine,
        masks[0], masks[1], masks[2], facts,
    )  # fmt: skip


def _extent(skin: NDArray[Any], person: Person) -> tuple[NDArray[Any], NDArray[Any]]:
    """Lowest and highest x and y of the skin, mm, and of arms beside it."""
    low, high = skin.min(axis=(0, 1)), skin.max(axis=(0, 1))
    if person.has("arms"):
        low[0], high[0] = low[0] - 70, high[0] + 70
    return low, high


def _field_of_view(
    grid: _Grid, person: Person, width_mm: float, rng: np.random.Generator
) -> tuple[float, int, float]:
    """Pixel in mm, side in pixels, field in mm: a little more than the body, or less where it is cut."""
    field = width_mm * rng.uniform(0.86, 0.96) if person.has("truncated") else width_mm + rng.uniform(15, 70)
    if grid.side is None:
        return grid.pixel_mm, int(np.ceil(field / grid.pixel_mm)), field
    return float(np.clip(np.round(field / grid.side, 4), 0.65, 0.95)), grid.side, field


def _truth(shares: Shares, after: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    outline = (shares.outline > 0.5) & (shares.bone < _BONE_RIM_SHARE)
    low, high = MUSCLE_HU
    muscle = outline & (after >= low) & (after <= high)
    return outline.astype(np.uint8), muscle.astype(np.uint8)
