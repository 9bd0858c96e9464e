"""A patient's area, phase, field of view and facts."""

from dataclasses import replace

import numpy as np
import pytest

from SarcopeniaAssessLib.patient import Sex
from SarcopeniaTraining.cohort import is_sarcopenic
from SarcopeniaTraining.phantom import patients
from SarcopeniaTraining.phantom.anatomy import Person
from SarcopeniaTraining.phantom.patients import (
    FIRST_COHORT_SEED,
    CohortError,
    ScanPlan,
    Wanted,
    cutoff_cm2,
    in_phase,
    make_patient,
)
from SarcopeniaTraining.phantom.volume import vertebra_centre_mm
from SarcopeniaTraining.presets import load_preset

SCAN = ScanPlan(spacing_mm=(3.0, 2.8, 5.0), coverage_mm=15)


def test_the_rule_is_the_paper_s():
    assert (cutoff_cm2(Sex.MALE), cutoff_cm2(Sex.FEMALE)) == (144, 92)
    assert is_sarcopenic(143.99, Sex.MALE)
    assert not is_sarcopenic(144.0, Sex.MALE)
    assert is_sarcopenic(91.99, Sex.FEMALE)
    assert not is_sarcopenic(92.0, Sex.FEMALE)


@pytest.mark.parametrize("sex", list(Sex))
@pytest.mark.parametrize("sarcopenic", [True, False])
def test_the_area_is_on_the_wanted_side(sex, sarcopenic):
    for number in (1, 2):
        patient = make_patient(8, Wanted(number, sex, sarcopenic), SCAN)
        area = patient.area_cm2(patient.draw().muscle)
        assert (area < cutoff_cm2(sex)) == sarcopenic
        assert 0.55 < area / cutoff_cm2(sex) < 1.6
        assert patient.person.sex == patient.facts.sex == sex


def test_a_wrong_label_cannot_leave():
    patient = make_patient(8, Wanted(1, Sex.MALE, True), SCAN)
    mislabelled = replace(patient, wanted=Wanted(1, Sex.MALE, False))
    with pytest.raises(AssertionError, match="P001"):
        mislabelled.draw()


def test_nobody_found_is_told(monkeypatch):
    monkeypatch.setattr(patients, "_MUSCULARITY", (0.1, 0.11))
    monkeypatch.setattr(patients, "_ATTEMPTS", 2)
    with pytest.raises(CohortError, match="No person of 2"):
        make_patient(8, Wanted(1, Sex.MALE, False), SCAN)


@pytest.mark.parametrize("plan", [SCAN, replace(SCAN, oblique_deg=12.0), replace(SCAN, tilt_deg=-9.0)])
def test_the_level_is_the_slice_nearest_to_the_middle_of_l3(plan):
    patient = make_patient(9, Wanted(3, Sex.FEMALE, True), plan)
    place = np.linalg.inv(patient.grid.ras_from_ijk) @ [*vertebra_centre_mm(patient.person), 1]
    assert abs(place[2] - patient.level) < 0.5
    assert np.all(place[:2] > 10), "L3 lies well inside the field of view"
    assert np.all(place[:2] < np.array(patient.grid.shape[:2]) - 10)


def test_drawn_scans_are_those_of_hospitals():
    rng = np.random.default_rng(1)
    for _ in range(200):
        i, j, k = patients._drawn_spacing_mm(rng, float(rng.uniform(280, 470)))
        assert i == j
        assert 0.65 <= i <= 0.95
        assert (512 * i).is_integer()
        assert k in patients.SLICE_MM


def test_a_phase_changes_contrast_and_muscle_only():
    plain = in_phase(Person.random(3_000_005), "none")
    portal = in_phase(plain, "portal")
    assert portal.muscle_hu - plain.muscle_hu == pytest.approx(6)
    assert in_phase(portal, "arterial").muscle_hu == portal.muscle_hu
    assert in_phase(portal, "none") == plain
    assert in_phase(portal, None) is portal


def test_facts_are_plausible():
    made = [make_patient(10, Wanted(n, Sex.MALE, False), SCAN) for n in range(1, 7)]
    for patient in made:
        assert 1.42 <= patient.facts.height_m <= 2.02
        assert 14 < patient.facts.weight_kg / patient.facts.height_m**2 < 56
        assert 18 <= patient.facts.age_years <= 95
    assert len({patient.facts.height_m for patient in made}) > 3


def test_no_training_seed_is_a_patient_s():
    patient = make_patient(11, Wanted(1, Sex.MALE, False), SCAN)
    preset = load_preset("smit-slab")
    for first, count in (preset.drawn.train_seeds, preset.drawn.validation_seeds):
        assert first + count < FIRST_COHORT_SEED <= patient.person.seed
