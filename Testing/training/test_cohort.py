"""Cohorts: manifests as they are found, cases opened by them, and each wrong row told."""

import csv
import json
import os
import shutil

import numpy as np
import pytest

from SarcopeniaAssessLib.errors import InputError, LevelError, MaskError
from SarcopeniaAssessLib.patient import Sex
from SarcopeniaTraining.cohort import read_cohort
from SarcopeniaTraining.phantom.cohort import CohortPlan, write_cohort
from SarcopeniaTraining.phantom.patients import ScanPlan
from Testing.library.ct_files import rotation, store, write_itk
from Testing.library.small_case import MUSCLE_CM2, affine, area_cm2, ct, muscle, write_nifti

OBLIQUE = np.eye(4)
OBLIQUE[:3, :3] = rotation(6, -8, 11)
OBLIQUE = OBLIQUE @ affine()
STORED = ((2, 0, 1), (True, False, True))


def lone(k):
    """Slice k of the small case's muscle with its affine, thinner than the CT's slices."""
    ras = OBLIQUE.copy()
    ras[:3, 3] += k * OBLIQUE[:3, 2]
    ras[:3, 2] /= 2
    return muscle()[:, :, k : k + 1], ras


@pytest.fixture
def folder(tmp_path):
    """Files of one case: an oblique CT stored flipped, its mask whole, as one slice, empty, too small."""
    write_nifti(tmp_path / "ct.nii.gz", *store(ct(), OBLIQUE, *STORED))
    write_nifti(tmp_path / "whole.nii.gz", muscle(), OBLIQUE)
    write_itk(tmp_path / "lone.nrrd", *store(*lone(5), (0, 1, 2), (True, True, False)))
    write_nifti(tmp_path / "empty.nii.gz", 0 * muscle(), OBLIQUE)
    write_nifti(tmp_path / "small.nii.gz", muscle()[:-1], OBLIQUE)
    return tmp_path


def cohort(folder, text, name="manifest.csv", encoding="utf-8"):
    (folder / name).write_text(text, encoding=encoding)
    return read_cohort(folder)


def one(folder, columns, values):
    return cohort(folder, f"case,ct,{columns}\nA,ct.nii.gz,{values}\n").cases[0]


def test_the_phantoms_manifest_reads_as_it_is(tmp_path):
    scan = ScanPlan(spacing_mm=(3.0, 3.5, 6.0), coverage_mm=30, oblique_deg=12)
    rows = write_cohort(CohortPlan(3, 1, 1, seed=8, scan=scan), tmp_path)
    read = read_cohort(tmp_path)
    assert [case.case for case in read.cases] == ["P001", "P002", "P003"]
    assert read.findings == ()
    for case, row in zip(read.cases, rows, strict=True):
        volume = case.open()
        k = case.slice_from_feet(volume)
        assert k == row["l3_slice_from_feet"]
        area = np.count_nonzero(case.truth(volume, k)) * volume.pixel_area_cm2
        assert area == pytest.approx(row["sma_cm2"], abs=1e-3)
        assert case.sarcopenic == (row["sarcopenic"] == "yes")
        assert (volume.patient.sex, volume.patient.sex_source) == (Sex(row["sex"]), "given")
        assert volume.patient.height_m == row["height_m"]
        assert case.annotated == "l3"


@pytest.mark.parametrize("mask", ["whole.nii.gz", "lone.nrrd"])
def test_truth_is_the_drawn_slice_in_canonical_axes(folder, mask):
    case = one(folder, "muscle,level", f"{mask},slice:5")
    volume = case.open()
    assert volume.orientation != "RAS"
    truth = case.truth(volume, case.slice_from_feet(volume))
    np.testing.assert_array_equal(truth, muscle()[:, :, 5] == 1)
    assert truth.sum() * volume.pixel_area_cm2 == pytest.approx(area_cm2(5))


def test_a_lone_slice_tells_the_level_itself(folder):
    case = one(folder, "mask", "lone.nrrd")
    assert case.slice_from_feet(case.open()) == 5
    case = one(folder, "mask", "whole.nii.gz")
    with pytest.raises(LevelError, match="marks 7 slices"):
        case.slice_from_feet(case.open())


@pytest.mark.parametrize(
    ("columns", "values", "level"),
    [
        ("l3_slice_from_feet", "3", "slice:3"),
        ("l3_superior_mm", "-404.25", "s:-404.25"),
        ("l3_superior_mm,l3_slice_from_feet", "-404.25,3", "slice:3"),
        ("l3", "slice:3", "slice:3"),
        ("l3", "s:-404.25", "s:-404.25"),
        ("level,l3_slice_from_feet", "s:-404.25,2", "s:-404.25"),
        ("level", "", None),
    ],
)
def test_ways_to_tell_the_level(folder, columns, values, level):
    assert one(folder, columns, values).level == level


def test_a_whole_volume_is_truth_only_where_told(folder):
    case = one(folder, "muscle,annotated", "whole.nii.gz,volume")
    np.testing.assert_array_equal(case.truth_volume(case.open()), muscle() == 1)
    case = one(folder, "muscle", "whole.nii.gz")
    with pytest.raises(MaskError, match="Only the slice at L3"):
        case.truth_volume(case.open())


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        ("empty.nii.gz", "The mask is empty"),
        ("small.nii.gz", "89×64 pixels, of the CT 90×64"),
        ("lone.nrrd", "empty on slice 3, it is marked on 5"),
        ("", "no mask"),
    ],
)
def test_a_mask_that_is_none_of_this_ct(folder, mask, words):
    case = one(folder, "muscle,level", f"{mask},slice:3")
    volume = case.open()
    with pytest.raises(MaskError, match=words):
        case.truth(volume, case.slice_from_feet(volume))


def test_one_of_several_labels(folder):
    labels = muscle() * 4
    labels[0, 0, :] = 9
    write_nifti(folder / "labels.nii.gz", labels, OBLIQUE)
    case = one(folder, "muscle,label", "labels.nii.gz,4")
    np.testing.assert_array_equal(case.truth(case.open(), 3), muscle()[:, :, 3] == 1)


def test_a_spreadsheet_from_western_europe(folder):
    head = "case;ct;muscle;height_m;weight_kg;sex;sarcopenic;Größe\r\n"
    text = head + "Müller;ct.nii.gz;lone.nrrd;1,62;58,5;F;NO;x\r\n"
    case = cohort(folder, text, encoding="cp1252").cases[0]
    assert (case.case, case.height_m, case.weight_kg) == ("Müller", 1.62, 58.5)
    assert (case.sex, case.sarcopenic) == (Sex.FEMALE, False)


def test_json_and_csv_mean_the_same(folder):
    text = "case,ct,muscle,sex,sarcopenic,age_years\nA,ct.nii.gz,lone.nrrd,female,no,71\n"
    first = cohort(folder, text)
    (folder / "manifest.csv").unlink()
    entry = {"case": "A", "ct": "ct.nii.gz", "mask": "lone.nrrd", "sex": "f", "sarcopenic": False}
    second = cohort(folder, json.dumps([{**entry, "age_years": 71, "ward": 3}]), "manifest.json")
    assert first.cases == second.cases
    assert first.digest == second.digest


def test_the_digest_is_the_meanings(folder, tmp_path_factory):
    lines = ["A,ct.nii.gz,lone.nrrd,no,", "B,ct.nii.gz,whole.nii.gz,yes,slice:3"]
    head = "case,ct,muscle,sarcopenic,level\n"
    digest = cohort(folder, head + "\n".join(lines)).digest
    assert cohort(folder, head + "\n".join(reversed(lines))).digest == digest
    assert cohort(folder, head.replace("level", "level,note") + "\n".join(lines)).digest == digest
    with_area = "\n".join(f"{line},{n}.5" for n, line in enumerate(lines, start=90))
    assert cohort(folder, head.replace("level", "level,sma_cm2") + with_area).digest == digest
    cohort(folder, head + "\n".join(lines))
    moved = tmp_path_factory.mktemp("elsewhere") / "moved"
    shutil.copytree(folder, moved)
    assert read_cohort(moved).digest == digest
    for changed in (("no", "yes"), ("slice:3", "slice:4"), ("A,", "C,"), ("lone.nrrd", "whole.nii.gz")):
        assert cohort(folder, head + "\n".join(lines).replace(*changed)).digest != digest


def test_absolute_and_outside_paths(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    up = os.path.relpath(folder, other)
    assert up.startswith("..")
    (other / "manifest.csv").write_text(
        f"case,ct,muscle\nA,{folder / 'ct.nii.gz'},{up}/whole.nii.gz\n", encoding="utf-8"
    )
    case = read_cohort(other).cases[0]
    np.testing.assert_array_equal(case.truth(case.open(), 2), muscle()[:, :, 2] == 1)


@pytest.mark.parametrize(
    ("columns", "values", "words"),
    [
        ("sex", "x", "line 2: sex 'x' is unknown"),
        ("sarcopenic", "maybe", "line 2: sarcopenic 'maybe' is unknown"),
        ("level", "L3", "level 'L3' is none"),
        ("level", "slice:x", "level 'slice:x' is none"),
        ("level", "labels:file", "level 'labels:file' is none"),
        ("l3_slice_from_feet", "-1", "slice -1 is none"),
        ("l3_slice_from_feet", "2.5", "l3_slice_from_feet '2.5' is none"),
        ("l3_superior_mm", "nan", "l3_superior_mm 'nan' is not finite"),
        ("age_years", "old", "age_years 'old' is none"),
        ("height_m", "177", "give metres, 1.77"),
        ("annotated", "some", "annotated 'some' is unknown"),
        ("muscle", "none.nii.gz", "muscle 'none.nii.gz' is not there"),
    ],
)
def test_a_wrong_value_is_told_with_its_row(folder, columns, values, words):
    with pytest.raises(InputError, match=words):
        one(folder, columns, values)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("A,ct.nii.gz\na,ct.nii.gz", "line 3: case a is that of line 2 already"),
        ("A,", "line 2: no ct is named"),
        (",ct.nii.gz", "line 2: no case is named"),
        ("A/B,ct.nii.gz", "case 'A/B' cannot name a folder"),
        ("A,nowhere", "line 2: ct 'nowhere' is not there"),
        (f"A,{'x' * 300}", "is not there"),
        ("A,~nobody-of-that-name/ct.nii", "is not there"),
    ],
)
def test_a_row_without_a_case_of_its_own(folder, lines, words):
    with pytest.raises(InputError, match=words):
        cohort(folder, f"case,ct\n{lines}\n")


def test_every_wrong_row_is_told_at_once(folder):
    with pytest.raises(InputError, match=r"line 2: sex 'x'.*line 4: no ct"):
        cohort(folder, "case,ct,sex\nA,ct.nii.gz,x\nB,ct.nii.gz,f\nC,,f\n")


def test_a_label_that_area_and_sex_contradict_is_warned_of(folder):
    rows = [
        ("A", "male", "no"),
        ("B", "male", "yes"),
        ("C", "female", "yes"),
        ("D", "", "yes"),
        ("E", "female", ""),
    ]
    with (folder / "manifest.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["case", "ct", "sex", "sarcopenic", "sma_cm2"])
        table.writerows([case, "ct.nii.gz", sex, told, MUSCLE_CM2] for case, sex, told in rows)
    read = read_cohort(folder)
    assert [(case, finding.code, finding.severity) for case, finding in read.findings] == [
        ("A", "contradictory_label", "warning"),
        ("C", "contradictory_label", "warning"),
    ]
    assert read.findings[0][1].message == (
        "told not sarcopenic, but 136.00 cm² of a male patient is sarcopenic"
    )
    assert read["A"].sarcopenic is False  # as told; the reader decides


def test_an_unknown_case_is_told(folder):
    with pytest.raises(InputError, match="no case B"):
        cohort(folder, "case,ct\nA,ct.nii.gz\n")["B"]
