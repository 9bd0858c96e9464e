"""Phantoms that calibrate the interval: the first family, scanned worse than any that was trained on.

A new hospital's CT differs from a training phantom more than another phantom of the same generator does.
Half of the cases are therefore taken as they are drawn, and half are made harder: noise, another kernel,
shifted and scaled HU, an uneven field, another body size, another level. Only so is there doubt to learn
from; docs/uncertainty.md says what was measured.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from SarcopeniaAssessLib.volume import CtVolume
from SarcopeniaTraining.phantom.anatomy import Person
from SarcopeniaTraining.phantom.generate import Grid, phantom

if TYPE_CHECKING:
    from numpy.typing import NDArray

CALIBRATION_SEED = 2_100_000
"""First seed of the phantoms that calibrate an interval: neither trained, validated nor scored on."""
HARDER_SHARE = 0.5


@dataclass(frozen=True, eq=False)
class CalibrationCase:
    """Three slices of a CT whose muscle is known on the middle one.

    Attributes
    ----------
    volume:
        512 × 512 × 3, middle slice to be measured.
    truth:
        (I, J) bool, its muscle.
    facts:
        What the case is, for subgroups: sex, phase, slice step, noise, whether it was made harder.
    """

    volume: CtVolume
    truth: NDArray[np.bool_]
    facts: dict[str, str | float | bool]


@dataclass(frozen=True)
class Hardship:
    """How a drawn CT is made harder.

    Attributes
    ----------
    noise_hu, grain_mm:
        Noise added, and its correlation length.
    kernel_mm:
        Positive: standard deviation of a further blur; negative: an edge-enhancing kernel of that width.
    shift_hu:
        Added to every pixel.
    field_hu:
        Amplitude of a slow field over the image, as cupping leaves it.
    zoom:
        Factor on the pixel size: a body of another size.
    """

    noise_hu: float = 0.0
    grain_mm: float = 0.6
    kernel_mm: float = 0.0
    shift_hu: float = 0.0
    field_hu: float = 0.0
    zoom: float = 1.0

    @classmethod
    def random(cls, rng: np.random.Generator) -> Hardship:
        """Each fault in about half of the cases; noise up to 45 HU above what the phantom has."""
        on = rng.random(5) < 0.5
        return cls(
            noise_hu=float(np.exp(rng.uniform(np.log(8), np.log(45)))) * bool(on[0]),
            grain_mm=float(rng.uniform(0.3, 1.2)),
            kernel_mm=float(rng.uniform(-1.0, 1.4)) * bool(on[1]),
            shift_hu=float(rng.uniform(-10, 10)) * bool(on[2]),
            field_hu=float(rng.uniform(3, 15)) * bool(on[3]),
            zoom=float(rng.uniform(0.85, 1.2)) if on[4] else 1.0,
        )

    def applied(
        self, hu: NDArray[np.int16], spacing_mm: tuple[float, float], rng: np.random.Generator
    ) -> NDArray[np.int16]:
        """The CT (i, j, k) with these faults, int16, −1024…3071; the zoom is the affine's."""
        from scipy.ndimage import gaussian_filter

        def blurred(image: NDArray[np.float32], width_mm: float) -> NDArray[np.float32]:
            smooth: NDArray[np.float32] = gaussian_filter(image, [width_mm / s for s in spacing_mm] + [0.0])
            return smooth

        image = hu.astype(np.float32)
        if self.kernel_mm > 0:
            image = blurred(image, self.kernel_mm)
        elif self.kernel_mm < 0:
            image = image + 0.6 * (image - blurred(image, -self.kernel_mm))
        image += np.float32(self.shift_hu)
        body = np.clip((image + 1000) / 400, 0.15, 1)
        if self.field_hu:
            waves = blurred(rng.standard_normal(image.shape, np.float32), 45.0)
            image += np.float32(self.field_hu) * waves / waves.std() * body
        if self.noise_hu:
            noise = blurred(rng.standard_normal(image.shape, np.float32), self.grain_mm)
            image += np.float32(self.noise_hu) * noise / noise.std() * body
        made: NDArray[np.int16] = np.clip(np.rint(image), -1024, 3071).astype(np.int16)
        return made


def calibration_case(seed: int) -> CalibrationCase:
    """The case of a seed; every second is made harder, a quarter lies up to 45 mm off the middle of L3."""
    rng = np.random.default_rng([seed, 7])
    in_plane_mm, step_mm = float(rng.uniform(0.65, 0.95)), float(rng.choice([3.0, 5.0]))
    height_mm = float(rng.uniform(-12, 12) if rng.random() < 0.75 else rng.uniform(-45, 45))
    centre_mm = (float(rng.normal(0, 6)), float(rng.normal(0, 6)), height_mm)
    grid = Grid.axial((512, 512, 3), (in_plane_mm, in_plane_mm, step_mm), centre_mm)
    harder = bool(rng.random() < HARDER_SHARE)
    person = _beyond_ranges(Person.random(seed), rng) if harder else Person.random(seed)
    drawn = phantom(person, grid)
    hardship = Hardship.random(rng) if harder else Hardship()
    affine = grid.ras_from_ijk.copy()
    affine[:2] *= hardship.zoom
    noise_hu = float(np.hypot(drawn.scanner.noise_hu, hardship.noise_hu))
    return CalibrationCase(
        CtVolume.from_array(hardship.applied(drawn.hu, grid.in_plane_mm, rng), affine),
        drawn.muscle[:, :, 1] > 0,
        {
            "sex": person.sex,
            "phase": person.phase,
            "slice_mm": step_mm,
            "noise_hu": noise_hu,
            "height_mm": height_mm,
            "harder": harder,
        },
    )


def _beyond_ranges(person: Person, rng: np.random.Generator) -> Person:
    """In half of the harder cases more or less muscle, more fat in it and a more warped trunk than drawn."""
    if rng.random() < 0.5:
        return person
    warp = replace(person.warp, amplitude_mm=float(rng.uniform(5, 11)))
    return replace(
        person,
        muscularity=float(rng.uniform(0.4, 1.35)),
        fatty=float(rng.uniform(0.2, 0.9)),
        warp=warp,
    )
