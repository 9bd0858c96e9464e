"""Everything a careful reader would warn about, told from one CT, one level and one mask.

An error withholds the status (`withholding_reason`), never the area. A warning asks for a look; an info
is for the methods section. Each message is a sentence for a tired radiologist, with what to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.criteria import ADULT_AGE_YEARS
from SarcopeniaAssessLib.errors import Finding, Severity
from SarcopeniaAssessLib.field_of_view import border_length_mm, distance_mm, field_of_view
from SarcopeniaAssessLib.plausibility import METAL_CM2, METAL_HU, implausibility, slice_facts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from SarcopeniaAssessLib.level import Level
    from SarcopeniaAssessLib.measurement import Measurement
    from SarcopeniaAssessLib.patient import PatientFacts, Sex
    from SarcopeniaAssessLib.volume import CtVolume

PLAUSIBLE_SMA_CM2 = (40.0, 350.0)
"""Beyond every adult of the cohorts in Criteria.json, by a wide margin."""
PLAUSIBLE_MEAN_HU = (0.0, 80.0)
THICK_SLICE_MM = 5.0
COARSE_PIXEL_MM = 2.0
NEIGHBOUR_SPREAD = 0.05
"""Twice the area's variability by the choice of slice (Perthen 2018: 1.9 %), rounded up."""
NEAR_END_MM = 10.0
SURE_LEVEL = 0.95
"""Below this confidence of an automatic level a reader is asked to look (docs/l3.md)."""
_NON_SQUARE_RATIO = 1.05
_STANDARD_KVP = 120.0
_FRAGMENTS_TOLD_CM2 = 0.5


@dataclass(frozen=True, eq=False)
class QualityInput:
    """What can be looked at.

    Parameters
    ----------
    volume, level:
        The CT (or, for a mask alone, a volume of its grid) and the level measured on it.
    mask:
        (I, J), boolean, canonical: the delivered mask on the level's slice.
    measurement, patient:
        Its numbers, and the facts used (`volume.patient` with what was given by hand).
    hu:
        (I, J), canonical: the level's HU, unsmoothed; `None`: there is no CT, nothing is told of it.
    neighbours_sma_cm2:
        Area one slice below and above; `None` where it was not measured.
    fragments_removed_cm2:
        Area of the small pieces that the clean-up dropped.
    dicom_sex:
        The file's PatientSex, whatever was given by hand.
    doubt_exceeded:
        The network doubts more on this slice than on any phantom that calibrated its interval.
    """

    volume: CtVolume
    level: Level
    mask: NDArray[np.bool_]
    measurement: Measurement
    patient: PatientFacts
    hu: NDArray[Any] | None = None
    neighbours_sma_cm2: tuple[float | None, float | None] = (None, None)
    fragments_removed_cm2: float = 0.0
    dicom_sex: Sex | None = None
    doubt_exceeded: bool = False

    @property
    def pixel_mm(self) -> tuple[float, float]:
        """Lengths of the two in-plane steps, canonical."""
        return self.volume.pixel_mm

    @property
    def slice_step_mm(self) -> float:
        """Distance between the planes of neighbouring slices, not the length of a sheared step."""
        return abs(float(self.volume.ras_from_canonical[:3, 2] @ self.volume.slice_normal))


def check_quality(given: QualityInput) -> tuple[Finding, ...]:
    """All findings of one assessment, `volume.findings` first; what those tell is not told again."""
    found = list(given.volume.findings)
    for check in (
        _patient,
        _field_of_view,
        _plausibility,
        _mask_place,
        _area,
        _level,
        _pixels,
        _acquisition,
        _intensities,
    ):
        told = {finding.code for finding in found}
        found.extend(finding for finding in check(given) if finding.code not in told)
    return tuple(found)


def withholding_reason(findings: Iterable[Finding]) -> str | None:
    """Why no status may be given: the first error's message, without its full stop; `None`: nothing."""
    errors = (f.message.rstrip(".") for f in findings if f.severity is Severity.ERROR)
    return next(errors, None)


def _patient(given: QualityInput) -> Iterator[Finding]:
    patient = given.patient
    if patient.age_years is not None and patient.age_years < ADULT_AGE_YEARS:
        yield _error(
            "under_18",
            f"The patient is {patient.age_years:g} years old: no cut-off here is for children, so no status "
            "is given; use paediatric reference values.",
        )
    if patient.sex is None:
        yield _info("sex_unknown", "The sex is not known, so no status is given: give male or female.")
    elif given.dicom_sex is not None and given.dicom_sex != patient.sex:
        yield _warning(
            "sex_contradicts",
            f"The sex given ({patient.sex.value}) contradicts the image's ({given.dicom_sex.value}); the one "
            "given was used: check that this is the right patient.",
        )


def _field_of_view(given: QualityInput) -> Iterator[Finding]:
    if given.hu is None:
        return
    k = given.level.slice_from_feet
    view = field_of_view(given.hu, given.mask, given.pixel_mm, given.volume.padding(k, k + 1)[:, :, 0])
    sides = " and ".join(view.sides)
    if view.cuts_muscle:
        yield _error(
            "fov_cuts_muscle",
            f"The field of view cuts muscle off ({sides}): the area is incomplete, so no status is given; "
            "ask for a reconstruction with a larger field of view.",
        )
    elif view.sides:
        yield _warning(
            "fov_cuts_body",
            f"The field of view cuts the body ({sides}), seemingly through fat alone: make sure in the "
            "overlay that no muscle is missing there.",
        )
    if not view.body.any():
        return  # plausibility tells of it
    outside = given.mask & (distance_mm(view.body, given.pixel_mm) > 5.0)
    share = float(outside.sum()) / max(float(given.mask.sum()), 1.0)
    if share > 0.5:
        yield _error(
            "mask_off_body",
            "Most of the mask lies outside the body, so no status is given: check that it is of this CT.",
        )
    elif share > 0.02:
        yield _warning(
            "mask_outside_body",
            f"{100 * share:.0f} % of the mask lies outside the trunk (arms, table): erase it there.",
        )


def _plausibility(given: QualityInput) -> Iterator[Finding]:
    if given.hu is None:
        return
    k = given.level.slice_from_feet
    padding = given.volume.padding(k, k + 1)[:, :, 0]
    if found := implausibility(slice_facts(given.hu, given.pixel_mm, padding)):
        yield found


def _mask_place(given: QualityInput) -> Iterator[Finding]:
    if border_length_mm(given.mask, given.pixel_mm) < 3.0:
        return
    if given.hu is None:
        yield _warning(
            "mask_touches_border",
            "The mask reaches the border of its image: unless the image was cropped to it, muscle is "
            "missing; compare it with the CT.",
        )
    else:
        yield _error(
            "mask_touches_border",
            "The mask reaches the border of the image: muscle is probably cut off, so no status is given; "
            "ask for a reconstruction with a larger field of view.",
        )


def _area(given: QualityInput) -> Iterator[Finding]:
    sma_cm2 = given.measurement.sma_cm2
    if given.doubt_exceeded:
        yield _error(
            "network_doubts",
            "The network doubts more here than on any image it was calibrated on, so no status is given: "
            "check level and image, and correct the mask by hand.",
        )
    low, high = PLAUSIBLE_SMA_CM2
    if not low <= sma_cm2 <= high:
        yield _warning(
            "sma_implausible",
            f"{sma_cm2:.1f} cm² is not an area that adults have at L3 ({low:g}–{high:g} cm²): check mask, "
            "level and pixel size.",
        )
    removed = given.fragments_removed_cm2
    if removed > NEIGHBOUR_SPREAD * sma_cm2 and removed > _FRAGMENTS_TOLD_CM2:
        yield _warning(
            "fragments_removed",
            f"Small pieces of {removed:.1f} cm² in all were dropped from the mask, a large part of it: look "
            "for muscle that is missing in the overlay.",
        )
    elif removed > _FRAGMENTS_TOLD_CM2:
        yield _info(
            "fragments_removed", f"Small pieces of {removed:.1f} cm² in all were dropped from the mask."
        )
    spreads = [
        abs(near / sma_cm2 - 1) for near in given.neighbours_sma_cm2 if near is not None and sma_cm2 > 0
    ]
    if max(spreads, default=0.0) > NEIGHBOUR_SPREAD:
        yield _warning(
            "neighbours_differ",
            f"One slice up or down the area differs by {100 * max(spreads):.0f} %: make sure that the "
            "slice is at the middle of L3 and that the mask is right on it.",
        )


def _level(given: QualityInput) -> Iterator[Finding]:
    confidence = given.level.confidence
    if confidence is not None and confidence < SURE_LEVEL:
        reason = f" ({given.level.reason})" if given.level.reason else ""
        yield _warning(
            "level_uncertain",
            f"L3 was counted with a confidence of {100 * confidence:.0f} %{reason}: "
            "check the level on the spine.",
        )
    if given.hu is None:
        return
    slices, k = given.volume.slice_count, given.level.slice_from_feet
    if slices == 1:
        yield _info("single_slice", "The image is one slice: whether it lies at L3 cannot be told from it.")
        return
    below, above = k, slices - 1 - k
    if min(below, above) == 0 or min(below, above) * given.slice_step_mm < NEAR_END_MM:
        end = "lower" if below <= above else "upper"
        yield _warning(
            "level_near_end",
            f"L3 lies at the {end} end of the scan (slices beyond: {min(below, above)}): make sure that it "
            "is L3 and not what the scan happens to hold.",
        )


def _pixels(given: QualityInput) -> Iterator[Finding]:
    wide, narrow = max(given.pixel_mm), min(given.pixel_mm)
    if wide > _NON_SQUARE_RATIO * narrow:
        yield _info(
            "non_square_pixels",
            f"Pixels measure {given.pixel_mm[0]:.3g} × {given.pixel_mm[1]:.3g} mm, as no scanner makes "
            "them: the image was resampled; the area is right for them.",
        )
    if wide > COARSE_PIXEL_MM:
        yield _warning(
            "coarse_pixels",
            f"Pixels of {wide:.2g} mm blur the borders of muscle: prefer the original images.",
        )
    thickness_mm = given.volume.input.slice_thickness_mm
    step_mm = given.slice_step_mm if given.volume.slice_count > 1 else 0.0
    thickest = max(thickness_mm or 0.0, step_mm)
    if given.hu is not None and thickest > THICK_SLICE_MM * 1.001:
        what = "thick" if thickest == thickness_mm else "apart"
        yield _warning(
            "thick_slices",
            f"Slices are {thickest:.3g} mm {what}, more than {THICK_SLICE_MM:g}: fat and muscle mix within "
            "them and L3's middle may lie between two; prefer a thinner reconstruction.",
        )


def _acquisition(given: QualityInput) -> Iterator[Finding]:
    if given.hu is None:
        return
    facts = given.volume.input
    if facts.contrast is None:
        yield _info(
            "contrast_unknown",
            "Whether contrast was given is not known: it raises the muscle's HU (by about 8 in the portal "
            "phase) and its area slightly; look for it before using mean HU.",
        )
    elif facts.contrast:
        yield _info(
            "contrast_given",
            "Contrast was given: it raises the muscle's HU (by about 8 in the portal phase) and its area "
            "slightly; cut-offs of mean HU from plain CT do not hold.",
        )
    if facts.kvp is not None and abs(facts.kvp - _STANDARD_KVP) > 1.0:
        yield _info(
            "other_kvp",
            f"The tube voltage was {facts.kvp:g} kV, not the usual 120: areas differ by about 7 cm² between "
            "voltages; compare with care near a cut-off.",
        )
    position = (facts.patient_position or "").upper()
    if position[2:] in ("P", "DL", "DR"):
        lying = "prone" if position[2:] == "P" else "on one side"
        yield _warning(
            "not_supine",
            f"The patient lay {lying}, which changes the shape of the muscles: all cut-offs are from supine "
            "patients.",
        )


def _intensities(given: QualityInput) -> Iterator[Finding]:
    measured = given.measurement
    if given.hu is None or measured.sma_cm2 <= 0:
        return
    low, high = PLAUSIBLE_MEAN_HU
    if measured.mean_hu is not None and not low <= measured.mean_hu <= high:
        yield _warning(
            "mean_hu_implausible",
            f"A mean of {measured.mean_hu:.0f} HU is unusual for muscle ({low:g}–{high:g}): check the mask, "
            "the contrast phase and the scanner's calibration.",
        )
    if (measured.sma_hu_m29_150_cm2 or 0.0) < 0.5 * measured.sma_cm2:
        yield _warning(
            "mask_not_muscle",
            "Less than half of the mask has the HU of muscle (−29…150): check that it belongs to this CT and "
            "this level.",
        )
    metal_cm2 = np.count_nonzero(given.hu > METAL_HU) * given.volume.pixel_area_cm2
    if metal_cm2 > METAL_CM2:
        yield _warning(
            "metal",
            "There is metal at this level: streaks change HU and the mask; look at the overlay, or measure "
            "the nearest slice without it.",
        )


def _error(code: str, message: str) -> Finding:
    return Finding(code, Severity.ERROR, message)


def _warning(code: str, message: str) -> Finding:
    return Finding(code, Severity.WARNING, message)


def _info(code: str, message: str) -> Finding:
    return Finding(code, Severity.INFO, message)
