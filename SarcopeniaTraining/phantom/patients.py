"""One patient of a cohort: a person whose exact muscle area at L3 lies on the wanted side of the cut-off.

The area is set through the person's muscularity, found on a coarse slice and corrected on the very
slice that is delivered, so a patient can never carry the wrong label.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from SarcopeniaAssessLib.criteria import default_criterion, load_criteria
from SarcopeniaAssessLib.errors import SarcopeniaError
from SarcopeniaAssessLib.geometry import pixel_area_cm2
from SarcopeniaAssessLib.patient import PatientFacts, Sex
from SarcopeniaTraining.cohort import is_sarcopenic
from SarcopeniaTraining.phantom.anatomy import Person
from SarcopeniaTraining.phantom.generate import Grid, Phantom
from SarcopeniaTraining.phantom.scanner import Scanner
from SarcopeniaTraining.phantom.volume import Body, Rendering, phantom_volume, vertebra_centre_mm

FIRST_COHORT_SEED = 1_000_000_000
"""Persons of cohorts have seeds from here on; training sets and the demo stay far below."""

SLICE_MM = (1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 3.75, 5.0)
_SLICE_SHARES = (0.05, 0.05, 0.05, 0.1, 0.15, 0.2, 0.1, 0.3)
_MUSCULARITY = (0.4, 1.5)
_COARSE_MM = 2.5
_ATTEMPTS = 20


class CohortError(SarcopeniaError):
    """A cohort that cannot exist, or cannot be written where it was asked for."""


@dataclass(frozen=True)
class ScanPlan:
    """How the patients of a cohort are scanned.

    Attributes
    ----------
    spacing_mm:
        Along columns, rows and slices; `None`: drawn for each patient, 0.65–0.95 and 1–5 mm.
    coverage_mm:
        Length scanned, L3 within its middle third.
    noise_hu, phase:
        `None`: drawn for each patient.
    oblique_deg:
        Angle between the slices' normal and superior; half of it is added as a turn in the plane.
    tilt_deg:
        Gantry tilt: slices turned, the table's steps not.
    """

    spacing_mm: tuple[float, float, float] | None = None
    coverage_mm: float = 60.0
    noise_hu: float | None = None
    phase: str | None = None
    oblique_deg: float = 0.0
    tilt_deg: float = 0.0

    def __post_init__(self) -> None:
        if self.spacing_mm and not all(0.2 <= s <= 10 for s in self.spacing_mm):
            raise CohortError("A spacing lies outside 0.2–10 mm", "give e.g. --spacing 0.8,0.8,5")
        if not 10 <= self.coverage_mm <= 280:
            raise CohortError(
                f"A coverage of {self.coverage_mm:g} mm lies outside 10–280", "the phantom ends at T11 and L5"
            )
        if self.noise_hu is not None and not 0 <= self.noise_hu <= 200:
            raise CohortError(f"A noise of {self.noise_hu:g} HU lies outside 0–200", "give e.g. --noise 12")
        if not (abs(self.oblique_deg) <= 45 and abs(self.tilt_deg) <= 30):
            raise CohortError("Slices can be oblique by 45° and tilted by 30°", "give a smaller angle")
        if self.oblique_deg and self.tilt_deg:
            raise CohortError("Slices are oblique or tilted, not both", "give one of --oblique and --tilt")


@dataclass(frozen=True)
class Wanted:
    """What a patient shall be."""

    number: int
    sex: Sex
    sarcopenic: bool

    @property
    def case(self) -> str:
        """The patient's folder and name: `P001` and so on."""
        return f"P{self.number:03d}"


@dataclass(frozen=True, eq=False)
class Patient:
    """A patient ready to be drawn.

    Attributes
    ----------
    grid:
        Where the phantom is sampled, in its own coordinates (origin: middle of the trunk at L3).
    offset_mm:
        Added to the phantom's coordinates to give the scanner's, RAS.
    level:
        Canonical slice through the middle of L3, counted from the feet.
    facts:
        Sex, age, height and weight.
    """

    wanted: Wanted
    person: Person
    scanner: Scanner
    grid: Grid
    offset_mm: tuple[float, float, float]
    level: int
    facts: PatientFacts
    kvp: int

    @property
    def ras_from_ijk(self) -> NDArray[np.float64]:
        """Affine of the files, scanner coordinates."""
        affine = self.grid.ras_from_ijk.copy()
        affine[:3, 3] += self.offset_mm
        return affine

    def draw(self) -> Phantom:
        """The whole CT with its truth; its area at L3 is on the wanted side, or an error."""
        drawn = phantom_volume(self.person, self.grid, self.scanner)
        if is_sarcopenic(self.area_cm2(drawn.muscle), self.wanted.sex) != self.wanted.sarcopenic:
            raise AssertionError(f"{self.wanted.case} would carry the wrong label")
        return drawn

    def area_cm2(self, muscle: NDArray[np.uint8]) -> float:
        """True area at L3 of a mask on the patient's (native) grid."""
        on_slice = self.grid.axes.view(muscle)[:, :, self.level]
        return int(on_slice.sum()) * pixel_area_cm2(self.grid.canonical().ras_from_ijk, 2)


def cutoff_cm2(sex: Sex) -> float:
    """The default criterion's cut-off."""
    figures = load_criteria()[default_criterion()].figures
    return next(f.cutoff for f in figures if f.sex == sex and f.cutoff is not None)


def make_patient(seed: int, wanted: Wanted, plan: ScanPlan) -> Patient:
    """Draw persons until one can have the wanted area; most can."""
    target_cm2 = _target_cm2(np.random.default_rng([seed, wanted.number]), wanted)
    for attempt in range(_ATTEMPTS):
        rng = np.random.default_rng([seed, wanted.number, 1 + attempt])
        patient = _candidate(rng, wanted, plan)
        fitted = _fitted(patient, target_cm2)
        if fitted is not None:
            return fitted
    raise CohortError(
        f"No person of {_ATTEMPTS} could be given the muscle of {wanted.case}", "give another --seed"
    )


def _candidate(rng: np.random.Generator, wanted: Wanted, plan: ScanPlan) -> Patient:
    person_seed = FIRST_COHORT_SEED + int(rng.integers(1_000_000_000))
    person = in_phase(Person.random(person_seed, sex=wanted.sex.value), plan.phase)
    scanner = Scanner.random(person_seed)
    if plan.noise_hu is not None:
        scanner = replace(scanner, noise_hu=plan.noise_hu)
    body = Body.of(person)
    grid, level = _grid(rng, person, body, plan)
    x, y, z = rng.uniform((-15, -40, -1200), (15, 40, 300)).round(1)
    return Patient(
        wanted=wanted,
        person=person,
        scanner=scanner,
        grid=grid,
        offset_mm=(float(x), float(y), float(z)),
        level=level,
        facts=_facts(rng, person, body),
        kvp=int(rng.choice([100, 120, 120, 120])),
    )


def in_phase(person: Person, phase: str | None) -> Person:
    """The same person in another contrast phase; enhancement adds 6 HU to muscle."""
    if phase is None or phase == person.phase:
        return person
    change_hu = 6 * ((phase != "none") - (person.phase != "none"))
    return replace(person, phase=phase, muscle_hu=person.muscle_hu + change_hu)


def _grid(rng: np.random.Generator, person: Person, body: Body, plan: ScanPlan) -> tuple[Grid, int]:
    """A field of view around the body, columns to the left and rows to posterior as in DICOM, and L3."""
    linear = _unit_axes(plan).ras_from_ijk[:3, :3]
    seen = body.points_mm.astype(np.float64) @ np.linalg.inv(linear).T
    spine = np.linalg.inv(linear) @ vertebra_centre_mm(person)
    seen = seen[np.abs(seen[:, 2] - spine[2]) < plan.coverage_mm / 2 + 20]
    low, high = seen[:, :2].min(axis=0), seen[:, :2].max(axis=0)
    spacing = plan.spacing_mm or _drawn_spacing_mm(rng, float((high - low).max()))
    margins = rng.uniform(12, 30, (2, 2))
    low, high = low - margins[0], high + margins[1]
    columns, rows = (2 * int(np.ceil((high[a] - low[a]) / spacing[a] / 2)) for a in (0, 1))
    slices = max(3, round(plan.coverage_mm / spacing[2]))
    level = round((slices - 1) * rng.uniform(0.36, 0.64))
    middle = spine[2] + (rng.uniform(-0.49, 0.49) + (slices - 1) / 2 - level) * spacing[2]
    centre = linear @ np.array([*(low + high) / 2, middle])
    return _placed(plan, (columns, rows, slices), spacing, centre), level


def _unit_axes(plan: ScanPlan) -> Grid:
    return _placed(plan, (1, 1, 1), (1.0, 1.0, 1.0), np.zeros(3))


def _placed(
    plan: ScanPlan,
    shape: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
    centre: NDArray[np.float64],
) -> Grid:
    centre_mm = (float(centre[0]), float(centre[1]), float(centre[2]))
    if plan.tilt_deg:
        return Grid.tilted(shape, spacing_mm, plan.tilt_deg, centre_mm=centre_mm)
    turn = (plan.oblique_deg, 0.0, plan.oblique_deg / 2)
    return Grid.oblique(shape, spacing_mm, rotation_deg=turn, axes="LPS", centre_mm=centre_mm)


def _drawn_spacing_mm(rng: np.random.Generator, body_mm: float) -> tuple[float, float, float]:
    """A whole field of view in mm over 512 pixels, a little wider than the body, and a slice distance."""
    field_mm = round(float(np.clip(body_mm * rng.uniform(1.03, 1.2), 0.6525 * 512, 0.9475 * 512)))
    return field_mm / 512, field_mm / 512, float(rng.choice(SLICE_MM, p=_SLICE_SHARES))


def _facts(rng: np.random.Generator, person: Person, body: Body) -> PatientFacts:
    """Height by sex and vertebrae, weight by height and waist: plausible, not measured (docs/phantoms.md)."""
    male = person.sex == "male"
    height_m = (1.74 if male else 1.61) + 0.018 * (person.period_mm - (37.5 if male else 35))
    height_m = float(np.clip(height_m + rng.normal(0, 0.055), 1.42, 2.02).round(2))
    across, deep = np.ptp(body.points_mm[:, 0]), np.ptp(body.points_mm[:, 1])
    waist_cm = float(2 * np.pi * np.sqrt((across**2 + deep**2) / 8) / 10)  # of an ellipse
    bmi = float(np.clip((waist_cm - 33) / 2.35 + rng.normal(0, 1.2), 15, 55))
    return PatientFacts(
        sex=Sex(person.sex),
        sex_source="given",
        age_years=float(person.age_years),
        height_m=height_m,
        weight_kg=round(bmi * height_m**2, 1),
    )


def _target_cm2(rng: np.random.Generator, wanted: Wanted) -> float:
    """An area on the wanted side: a normal about the cut-off's 0.88 or 1.17, cut off at the cut-off."""
    mean, spread, low, high = (0.88, 0.09, 0.62, 0.995) if wanted.sarcopenic else (1.17, 0.12, 1.005, 1.5)
    share = mean
    for _ in range(100):
        share = float(rng.normal(mean, spread))
        if low < share < high:
            break
    return float(np.clip(share, low, high)) * cutoff_cm2(wanted.sex)


def _fitted(patient: Patient, target_cm2: float) -> Patient | None:
    """The patient with the muscularity that gives the target area, or None if nobody's does."""
    coarse, exact = _areas_at_level(patient)
    aim, muscularity = target_cm2, patient.person.muscularity
    for _ in range(4):
        muscularity = _solve(coarse, aim, *_MUSCULARITY)
        area = exact(muscularity)
        close = abs(area - target_cm2) < 0.03 * target_cm2
        if close and is_sarcopenic(area, patient.wanted.sex) == patient.wanted.sarcopenic:
            return replace(patient, person=replace(patient.person, muscularity=muscularity))
        aim += 1.2 * (target_cm2 - area)
    return None


def _areas_at_level(patient: Patient) -> tuple[Callable[[float], float], Callable[[float], float]]:
    """Area at L3 as a function of muscularity: on coarse pixels, and on the delivered slice."""
    grid, k = patient.grid.canonical(), patient.level
    pixels = [max(1, round(_COARSE_MM / s)) for s in grid.in_plane_mm]
    shape = (-(-grid.shape[0] // pixels[0]), -(-grid.shape[1] // pixels[1]), 1)
    affine = grid.ras_from_ijk @ np.diag([*pixels, 1.0, 1.0])
    affine[:3, 3] += k * grid.ras_from_ijk[:3, 2]

    def area_on(sampled: Grid, start: int) -> Callable[[float], float]:
        ready = Rendering.of(patient.person, sampled, patient.scanner)
        pixel = pixel_area_cm2(sampled.ras_from_ijk, 2)

        def area(muscularity: float) -> float:
            person = replace(patient.person, muscularity=muscularity)
            return int(replace(ready, person=person).draw(start, start + 1).muscle.sum()) * pixel

        return area

    return area_on(Grid(shape, affine), 0), area_on(grid, k)


def _solve(area: Callable[[float], float], aim: float, low: float, high: float) -> float:
    """Muscularity whose area is within a half per cent of the aim, by regula falsi; an end if none is."""
    at_low, at_high = area(low) - aim, area(high) - aim
    if at_low >= 0 or at_high <= 0:
        return low if at_low >= 0 else high
    middle = low
    for _ in range(12):
        middle = low - at_low * (high - low) / (at_high - at_low)
        here = area(middle) - aim
        if abs(here) < 0.005 * aim:
            break
        if here < 0:
            low, at_low, at_high = middle, here, at_high / 2
        else:
            high, at_high, at_low = middle, here, at_low / 2
    return float(middle)
