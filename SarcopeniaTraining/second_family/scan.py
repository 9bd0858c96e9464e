"""Scans of the second family with their truth: `draw_l3` and `draw_scan`."""

from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, generate_binary_structure

from SarcopeniaAssessLib.hounsfield import MUSCLE_HU_HIGH, MUSCLE_HU_LOW
from SarcopeniaTraining.second_family import scanner
from SarcopeniaTraining.second_family.attenuation import hu_table, textured
from SarcopeniaTraining.second_family.body import build
from SarcopeniaTraining.second_family.person import Person, Protocol
from SarcopeniaTraining.second_family.raster import Canvas, Shares, rasterise

_Values = TypeVar("_Values", bound=np.generic)
_BONE_RIM_SHARE = 0.12
_OTHER_SHARE = 0.05
"""Of what is neither muscle nor fat: from here on a pixel at a muscle's edge is not decided by its HU."""
_OFF_L3_MM = 10.0
"""Slices that are given as L3 lie so far above or below its middle at most."""
_MARGIN_MM = 6.0
_SIDE = 512


@dataclass(frozen=True)
class ScanFacts:
    """What was drawn; `traits` in alphabetical order.

    Attributes
    ----------
    l3_superior_mm
        Middle of L3 in the scan's world.
    off_l3_mm
        How far the middle slice of `draw_l3`, which is to be measured, lies above it; 0 of a whole scan.
    """

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
    off_l3_mm: float = 0.0


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
        uint8 (i, j, k): muscle compartments, the fat in them inside, bone and its rim outside; and the pixels
        beside them that a reader's threshold takes for muscle.
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
    """A stack of square slices, and how finely it is painted.

    Attributes
    ----------
    pixel_mm
        None: a side has `_SIDE` pixels, whose size follows from the field of view.
    first_mm
        Middle of the lowest slice above the middle of L3.
    sub_slices, finer
        Painted slices per slice, and sub-pixels per side of a pixel.
    """

    pixel_mm: float | None
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


@dataclass(frozen=True, eq=False)
class _View:
    """The square field of view, and the pixels of it that are painted.

    Attributes
    ----------
    side, slices
        Pixels of a side, and slices.
    field_mm
        Diameter: a little more than the body's width, or less where it is cut.
    middle
        (2,) mm.
    first, last
        (2,): painted are `first` … `last` − 1, the body with a margin.
    """

    pixel_mm: float
    side: int
    slices: int
    field_mm: float
    middle: NDArray[np.float64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]

    @classmethod
    def random(
        cls,
        grid: _Grid,
        person: Person,
        extent_mm: tuple[NDArray[Any], NDArray[Any]],
        rng: np.random.Generator,
    ) -> "_View":
        """A field about a body that lies between a lowest and a highest (x, y)."""
        low, high = extent_mm
        wide = (high - low).max()
        cut = person.has("truncated")
        field = wide * rng.uniform(0.86, 0.96) if cut else wide + rng.uniform(15, 70)
        if grid.pixel_mm is None:
            pixel, side = float(np.clip(np.round(field / _SIDE, 4), 0.65, 0.95)), _SIDE
        else:
            pixel, side = grid.pixel_mm, int(np.ceil(field / grid.pixel_mm))
        middle = (low + high) / 2 + rng.normal(0, 3, 2)
        corner = middle - side * pixel / 2
        first = np.clip(np.floor((low - _MARGIN_MM - corner) / pixel).astype(int), 0, side - 2)
        last = np.clip(np.ceil((high + _MARGIN_MM - corner) / pixel).astype(int), first + 1, side)
        return cls(pixel, side, grid.slices, field, middle, first, last)

    @property
    def corner(self) -> NDArray[np.float64]:
        """Outer corner of the first pixel, (2,) mm."""
        corner: NDArray[np.float64] = self.middle - self.side * self.pixel_mm / 2
        return corner

    def canvas(self, finer: int) -> Canvas:
        """What is painted, at so many sub-pixels a pixel."""
        x, y = self.corner + self.first * self.pixel_mm
        wide, deep = self.last - self.first
        return Canvas((float(x), float(y)), self.pixel_mm, (int(wide), int(deep)), finer)

    def placed(self, values: NDArray[_Values], empty: float = 0) -> NDArray[_Values]:
        """Values of the painted pixels in the whole field."""
        whole = np.full((self.side, self.side, self.slices), empty, dtype=values.dtype)
        whole[self.first[0] : self.last[0], self.first[1] : self.last[1]] = values
        return whole

    def positions_mm(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Middles of all pixels: x as (i, 1), y as (1, j)."""
        steps = (np.arange(self.side) + 0.5) * self.pixel_mm
        return (self.corner[0] + steps)[:, None], (self.corner[1] + steps)[None, :]


def draw_l3(seed: int) -> HeldOutScan:
    """Five slices at L3 on a drawn grid: 512 × 512, 0.65–0.95 mm, 1–5 mm slices.

    The middle one lies up to 10 mm above or below the middle of L3, as slices that users pick do.
    """
    rng = np.random.default_rng([seed, 3])
    person = Person.random(rng, variants=False)
    slice_mm = float(rng.choice([1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0]))
    subs = int(np.clip(np.ceil(slice_mm / 1.3), 1, 4))
    off = float(np.random.default_rng([seed, 11]).uniform(-_OFF_L3_MM, _OFF_L3_MM))
    grid = _Grid(None, slice_mm, off - 2 * slice_mm, 5, subs, 2)
    scan = _draw(seed, person, grid, rng)
    return replace(scan, facts=replace(scan.facts, off_l3_mm=off))


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

    Raises
    ------
    ValueError
        The coverage is empty.
    """
    rng = np.random.default_rng([seed, 7])
    person = Person.random(rng, variants=True)
    drawn = (rng.uniform(1.5, 2.5), rng.uniform(3, 5), rng.uniform(-190, -90), rng.uniform(90, 175))
    pixel = float(drawn[0] if in_plane_mm is None else in_plane_mm)
    thick = float(drawn[1] if slice_mm is None else slice_mm)
    low, high = (drawn[2], drawn[3]) if coverage_mm is None else coverage_mm
    if low >= high:
        raise ValueError(f"coverage {low}…{high} mm holds no slice: give the lowest height first")
    slices = max(int((high - low) // thick), 1)
    subs = int(np.clip(np.ceil(thick / 2.2), 1, 3))
    grid = _Grid(pixel, thick, low + thick / 2, slices, subs, 3 if pixel > 1.2 else 2)
    return _draw(seed, person, grid, rng)


def _draw(seed: int, person: Person, grid: _Grid, rng: np.random.Generator) -> HeldOutScan:
    protocol = Protocol.random(rng, person.bmi)
    frame, skin = build(person, grid.heights(), rng)
    low, high = _extent(skin, person)
    view = _View.random(grid, person, (low, high), rng)
    pixel = view.pixel_mm
    shares = rasterise(frame, view.canvas(grid.finer), hu_table(person, protocol, rng), grid.sub_slices)
    plain = textured(shares, person, (pixel, pixel, grid.slice_mm), rng)
    after = scanner.spread(plain, pixel, protocol.kernel)
    truth = (*truth_of(shares, after), shares.vertebra)
    outline, muscle, vertebrae = (view.placed(mask) for mask in truth)
    half_width = float(np.abs(skin[..., 0]).max())
    bench = scanner.Bench(*view.positions_mm(), float(low[1]), half_width, float(high[1] - low[1]))
    hu = scanner.furniture(view.placed(after, -1000.0), person, bench, rng)
    hu = scanner.artefacts(hu, view.placed(shares.bone), person, bench, rng)
    hu = scanner.noisy(hu, protocol, bench, rng)
    if person.has("truncated"):
        unseen = np.hypot(bench.x_mm - view.middle[0], bench.y_mm - view.middle[1]) > view.field_mm / 2
        hu[unseen] = -1024
        for mask in (outline, muscle, vertebrae):
            mask[unseen] = 0
    shift = rng.uniform(-700, 200)
    affine = np.diag([pixel, pixel, grid.slice_mm, 1.0])
    affine[:3, 3] = [*(view.corner + pixel / 2), grid.first_mm + shift]
    facts = _facts(seed, person, protocol, grid.slice_mm, float(shift))
    stored = np.clip(np.rint(hu), -1024, 3071).astype(np.int16)
    return HeldOutScan(stored, affine, outline, muscle, vertebrae, facts)


def _facts(
    seed: int, person: Person, protocol: Protocol, slice_mm: float, l3_superior_mm: float
) -> ScanFacts:
    return ScanFacts(
        seed=seed,
        sex=person.sex,
        age_years=person.age_years,
        build=person.build,
        phase=protocol.phase,
        slice_mm=slice_mm,
        kernel=protocol.kernel,
        kvp=protocol.kvp,
        noise_hu=round(protocol.noise_hu, 2),
        traits=person.traits,
        l3_superior_mm=l3_superior_mm,
        numbering=person.numbering,
    )


def _extent(skin: NDArray[Any], person: Person) -> tuple[NDArray[Any], NDArray[Any]]:
    """Lowest and highest x and y of the skin, mm, and of arms beside it."""
    low, high = skin.min(axis=(0, 1)), skin.max(axis=(0, 1))
    if person.has("arms"):
        low[0], high[0] = low[0] - 70, high[0] + 70
    return low, high


def truth_of(shares: Shares, after: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Outline and muscle of shares and of the HU after the point spread, before noise.

    A reader paints a little beyond a muscle's edge with a threshold of −29…150 HU. Beside a compartment the
    HU therefore decide on a pixel of muscle and fat alone, though less than half of it be muscle.
    """
    compartments = (shares.outline > 0.5) & (shares.bone < _BONE_RIM_SHARE)
    in_plane = generate_binary_structure(2, 1)[:, :, None]
    painted = compartments | (binary_dilation(compartments, in_plane) & (shares.other < _OTHER_SHARE))
    muscle = painted & (after >= MUSCLE_HU_LOW) & (after <= MUSCLE_HU_HIGH)
    return (compartments | muscle).astype(np.uint8), muscle.astype(np.uint8)
