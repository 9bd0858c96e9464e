"""Cohorts on disk: exact counts and status, truth in the files, the same bytes, whole or not at all."""

import csv
import hashlib
import json
from dataclasses import replace

import nibabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from SarcopeniaAssessLib.ct_io import open_ct, read_label_map
from SarcopeniaAssessLib.errors import OutputError
from SarcopeniaAssessLib.level import find_level
from SarcopeniaAssessLib.measurement import measure_slice
from SarcopeniaAssessLib.patient import Sex
from SarcopeniaTraining.phantom import cohort
from SarcopeniaTraining.phantom.cohort import CohortPlan, write_cohort
from SarcopeniaTraining.phantom.patients import CohortError, ScanPlan

SCAN = ScanPlan(spacing_mm=(2.6, 2.9, 5.0), coverage_mm=20)
PLAN = CohortPlan(patients=4, sarcopenic=2, men=2, seed=5, scan=SCAN)
CUTOFF_CM2 = {"male": 144, "female": 92}  # as printed in the paper


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohorts") / "four"
    write_cohort(PLAN, folder)
    return folder


@pytest.fixture(scope="module")
def rows(written):
    with (written / "manifest.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_counts_are_exact(rows):
    assert [row["case"] for row in rows] == ["P001", "P002", "P003", "P004"]
    assert sum(row["sex"] == "male" for row in rows) == 2
    assert sum(row["sarcopenic"] == "yes" for row in rows) == 2
    assert sum(row["sarcopenic"] == "yes" and row["sex"] == "male" for row in rows) == 1


def test_the_mask_in_the_file_has_the_area_and_status_of_the_manifest(written, rows):
    for row in rows:
        volume, mask = open_ct(written / row["ct"]), read_label_map(written / row["muscle"])
        assert np.array_equal(mask.ras_from_ijk, volume.ras_from_ijk)
        assert mask.labels.shape == volume.shape
        k = find_level(f"s:{row['l3_superior_mm']}", volume).slice_from_feet
        assert k == int(row["l3_slice_from_feet"])
        pixels = volume.canonical_slice_mask(mask.labels, k)
        hu = volume.slab(k, k + 1)[:, :, 0]
        measured = measure_slice(pixels, volume.pixel_area_cm2, hu=hu)
        assert measured.sma_cm2 == pytest.approx(float(row["sma_cm2"]), abs=1e-4)
        assert measured.mean_hu == pytest.approx(float(row["mean_hu"]), abs=0.01)
        assert (measured.sma_cm2 < CUTOFF_CM2[row["sex"]]) == (row["sarcopenic"] == "yes")


def test_every_slice_has_its_truth(written, rows):
    for row in rows:
        per_slice = read_label_map(written / row["muscle"]).labels.sum(axis=(0, 1))
        assert len(per_slice) == int(row["slices"]) == 4
        assert per_slice.min() > 0.5 * per_slice.max() > 0


def test_the_affine_survives_the_file(written, rows):
    for row in rows:
        image = nibabel.load(written / row["ct"])
        assert nibabel.aff2axcodes(image.affine) == ("L", "P", "S")
        assert image.get_data_dtype() == np.int16
        assert image.header["sform_code"] == image.header["qform_code"] == 1
        assert np.allclose(image.get_qform(), image.get_sform(), atol=1e-3)
        assert nibabel.affines.voxel_sizes(image.affine) == pytest.approx((2.6, 2.9, 5.0), rel=1e-6)
        middle = (np.array(image.shape) - 1) / 2
        middle[2] = int(row["l3_slice_from_feet"])
        place = nibabel.affines.apply_affine(image.affine, middle)
        assert place[2] == pytest.approx(float(row["l3_superior_mm"]), abs=1e-3)


def test_bodies_lie_inside_the_field_of_view(written, rows):
    for row in rows:
        hu = open_ct(written / row["ct"]).slab(0, int(row["slices"]))
        front = hu[:, hu.shape[1] // 2 :]  # behind, a table may run through the whole field
        assert max(front[0].max(), front[-1].max(), front[:, -1].max()) < -500


def test_nothing_tells_a_date_or_a_machine(written):
    text = (written / "cohort.json").read_text(encoding="utf-8")
    assert json.loads(text)["schema"] == "sarcopenia-phantom-cohort/1"
    assert str(written) not in text
    for path in written.rglob("*.nii.gz"):
        assert path.read_bytes()[3:8] == bytes(5), "gzip: no name, no time"


def test_checksums_are_those_of_the_files(written):
    listed = dict(
        reversed(line.split("  ")) for line in (written / "SHA256SUMS").read_text("utf-8").splitlines()
    )
    found = contents(written)
    del found["SHA256SUMS"]
    assert listed == found


def test_the_same_plan_gives_the_same_bytes_in_any_number_of_processes(written, tmp_path):
    write_cohort(PLAN, tmp_path / "again", jobs=2)
    assert contents(tmp_path / "again") == contents(written)


def test_an_interrupted_run_goes_on(written, tmp_path, monkeypatch):
    folder = tmp_path / "interrupted"

    def stop_at_the_third(facts):
        if facts["case"] == "P003":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_cohort(PLAN, folder, tell=stop_at_the_third)
    assert sorted(path.name for path in folder.iterdir()) == ["P001", "P002", "P003", "cohort.json"]
    (folder / ".partial-P004").mkdir()  # as a killed process leaves it
    (folder / ".partial-P004" / "ct.nii.gz").write_bytes(b"half")

    drawn = []
    whole = cohort.write_patient

    def write(plan, wanted, folder):
        drawn.append(wanted.case)
        return whole(plan, wanted, folder)

    monkeypatch.setattr(cohort, "write_patient", write)
    write_cohort(PLAN, folder)
    assert drawn == ["P004"]
    assert contents(folder) == contents(written)


def test_a_whole_cohort_is_not_drawn_again(written, monkeypatch):

    def write(plan, wanted, folder):
        raise AssertionError(wanted.case)

    monkeypatch.setattr(cohort, "write_patient", write)
    before = contents(written)
    told = []
    assert len(write_cohort(PLAN, written, tell=told.append)) == len(told) == 4
    assert contents(written) == before


def test_another_cohort_is_refused_and_left_alone(written):
    before = contents(written)
    with pytest.raises(OutputError, match=r"another cohort \(differs in noise_hu, seed\)"):
        write_cohort(replace(PLAN, seed=6, scan=replace(SCAN, noise_hu=9.0)), written)
    assert contents(written) == before


def test_other_files_are_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.doc").write_text("all of it")
    with pytest.raises(OutputError, match="other files"):
        write_cohort(PLAN, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.doc"]


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_cohort(PLAN, tmp_path / "file" / "cohort")


@given(st.integers(1, 120).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(0, n))))
def test_any_possible_numbers_are_met_and_spread_over_both_sexes(numbers):
    patients, sarcopenic, men = numbers
    wanted = CohortPlan(patients, sarcopenic, men).wanted()
    assert [one.number for one in wanted] == list(range(1, patients + 1))
    assert sum(one.sarcopenic for one in wanted) == sarcopenic
    assert sum(one.sex is Sex.MALE for one in wanted) == men
    of_men = sum(one.sarcopenic and one.sex is Sex.MALE for one in wanted)
    assert abs(of_men - sarcopenic * men / patients) <= 1


def test_the_paper_s_cohort_is_the_default():
    plan = CohortPlan()
    assert (plan.patients, plan.sarcopenic, plan.men) == (79, 18, 52)
    of_men = sum(one.sarcopenic and one.sex is Sex.MALE for one in plan.wanted())
    assert of_men == 12  # 18 × 52 / 79 = 11.8


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({"patients": 3, "sarcopenic": 4, "men": 1}, "4 of 3 patients cannot be sarcopenic"),
        ({"patients": 3, "sarcopenic": 1, "men": 4}, "4 of 3 patients cannot be men"),
        ({"patients": 0, "sarcopenic": 0, "men": 0}, "0 patients is none"),
        ({"patients": 3, "sarcopenic": -1, "men": 1}, "-1 of 3"),
        ({"seed": -1}, "negative"),
    ],
)
def test_impossible_numbers_are_refused(numbers, words):
    with pytest.raises(CohortError, match=words):
        CohortPlan(**numbers)


@pytest.mark.parametrize(
    "scan",
    [
        {"spacing_mm": (0.8, 0.8, 50)},
        {"coverage_mm": 500},
        {"noise_hu": -1},
        {"oblique_deg": 60},
        {"oblique_deg": 5, "tilt_deg": 5},
    ],
)
def test_impossible_scans_are_refused(scan):
    with pytest.raises(CohortError):
        ScanPlan(**scan)
