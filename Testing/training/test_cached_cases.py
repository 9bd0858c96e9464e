"""Cases as a training sees them: the tensors of assessment, truth on the same pixels, 255 elsewhere."""

import dataclasses
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from SarcopeniaAssessLib.errors import MaskError
from SarcopeniaAssessLib.preprocessing import SlabPreset, make_slab
from SarcopeniaAssessLib.segmentation import body_window, segment_slices
from SarcopeniaTraining.cached_cases import CachedCase, CachePlan, cached_cases
from SarcopeniaTraining.losses import UNANNOTATED
from Testing.training.tiny_cohort import body, case_files, tiny_cohort, write_manifest

PRESET = SlabPreset(in_plane_mm=6.0, slice_mm=5.0, slices=3)


def never(line: str) -> None:
    raise AssertionError(line)


def keep(cohort, tmp_path: Path, *, preset: SlabPreset = PRESET, thin: bool = True) -> dict[str, CachedCase]:
    plan = CachePlan(tmp_path / "cache", preset, thin)
    return cached_cases(cohort.cases, plan, jobs=1, tell=never)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return tiny_cohort(tmp_path_factory.mktemp("cohort"), 4)


@pytest.mark.parametrize("number", range(4))
def test_the_image_is_the_slab_of_assessment(cohort, tmp_path, number):
    case = cohort.cases[number]
    volume = case.open()
    slab = make_slab(volume, case.slice_from_feet(volume), PRESET)
    image, _ = keep(cohort, tmp_path)[case.case].slab(0)
    assert np.array_equal(image, slab.image[body_window(slab.image)])


def test_only_the_middle_slice_is_annotated_and_its_area_is_the_masks(cohort, tmp_path):
    for case in cohort.cases:
        kept = keep(cohort, tmp_path)[case.case]
        _, label = kept.slab(0)
        assert np.all(label[..., [0, 2]] == UNANNOTATED)
        assert set(np.unique(label[..., 1])) == {0, 1}
        truth_cm2 = kept.truth.sum() * 5.1 * 5.4 / 100
        assert (label[..., 1] == 1).sum() * 36 / 100 == pytest.approx(truth_cm2, rel=0.03)


def test_the_native_slices_give_the_result_of_the_whole_ct(cohort, tmp_path):
    """Through the bundled model: the same mask from the few slices kept as from the CT."""
    from SarcopeniaAssessLib.models import load_model

    model = load_model()
    preset = SlabPreset.from_mapping(model.entry.preprocessing)
    case = cohort.cases[1]
    volume = case.open()
    k = case.slice_from_feet(volume)
    kept = keep(cohort, tmp_path, preset=preset)[case.case]
    whole, few = segment_slices(volume, [k], model)[0], segment_slices(kept.volume, [kept.level], model)[0]
    assert np.array_equal(whole.outline_probability, few.outline_probability)
    assert kept.volume.pixel_area_cm2 == pytest.approx(volume.pixel_area_cm2)
    assert np.array_equal(kept.truth, case.truth(volume, k))


def test_a_lone_annotated_slice_works(tmp_path):
    lone = write_manifest(tmp_path / "c", [case_files(tmp_path / "c", 2, slices=1)])
    image, label = keep(lone, tmp_path)["T02"].slab(0)
    assert np.array_equal(image[..., 0], image[..., 1])
    assert np.array_equal(image[..., 2], image[..., 1])
    assert (label[..., 1] == 1).sum() > 100


def test_of_a_wholly_annotated_ct_every_voxel_inside_the_scan_is_known(tmp_path):
    """Slices and slab slices 5 mm apart: label k is the mask of native slice k, outside is 255."""
    row = case_files(tmp_path / "c", 1, slices=7) | {"annotated": "volume"}
    cohort = write_manifest(tmp_path / "c", [row])
    preset = dataclasses.replace(PRESET, slices=11)
    kept = keep(cohort, tmp_path, preset=preset, thin=False)["T01"]
    _, label = kept.slab(0)
    assert kept.slabs == 1
    assert np.all(label[..., [0, 1, 9, 10]] == UNANNOTATED)
    _, muscle = body((59, 46, 7), tilt=1)
    for k in range(7):
        drawn_cm2 = (label[..., k + 2] == 1).sum() * 36 / 100
        assert drawn_cm2 == pytest.approx(muscle[..., k].sum() * 5.1 * 5.4 / 100, rel=0.03)


def test_between_two_annotated_slices_the_label_is_half_of_each(tmp_path):
    """Slab slices 2.5 mm apart in a scan of 5 mm: muscle is where most of both neighbours is."""
    row = case_files(tmp_path / "c", 1, slices=7) | {"annotated": "volume"}
    cohort = write_manifest(tmp_path / "c", [row])
    preset = dataclasses.replace(PRESET, slices=3, slice_mm=2.5)
    _, label = keep(cohort, tmp_path, preset=preset, thin=False)["T01"].slab(0)
    middle, above = label[..., 1] == 1, label[..., 2] == 1
    assert set(np.unique(label)) == {0, 1}
    assert 0.9 < (middle & above).sum() / middle.sum() <= 1


def test_a_thin_network_gets_a_slab_for_each_annotated_slice(tmp_path):
    row = case_files(tmp_path / "c", 1, slices=7) | {"annotated": "volume"}
    cohort = write_manifest(tmp_path / "c", [row])
    kept = keep(cohort, tmp_path)["T01"]
    assert kept.slabs == 7
    assert len({kept.slab(n)[0][..., 1].tobytes() for n in range(7)}) == 7


def test_a_case_is_made_once_and_again_when_its_mask_changes(tmp_path):
    rows = [case_files(tmp_path / "c", number) for number in (1, 2)]
    cohort = write_manifest(tmp_path / "c", rows)
    first = keep(cohort, tmp_path)
    made = (first["T01"].folder / "case.json").stat().st_mtime_ns
    mask = tmp_path / "c" / "T02" / "muscle.nii.gz"
    image = nib.load(mask)
    labels = np.asarray(image.dataobj).copy()
    labels[:30] = 0
    nib.save(nib.Nifti1Image(labels, image.affine), mask)
    again = keep(cohort, tmp_path)
    assert (again["T01"].folder / "case.json").stat().st_mtime_ns == made
    assert again["T01"].folder == first["T01"].folder
    assert again["T02"].truth.sum() < first["T02"].truth.sum()


def test_masks_that_cannot_be_trained_on_are_told_case_by_case(tmp_path):
    rows = [case_files(tmp_path / "c", number) for number in (1, 2, 3)]
    cohort = write_manifest(tmp_path / "c", rows)
    empty, other = (tmp_path / "c" / case / "muscle.nii.gz" for case in ("T01", "T03"))
    image = nib.load(empty)
    nib.save(nib.Nifti1Image(np.zeros(image.shape, np.uint8), image.affine), empty)
    nib.save(nib.Nifti1Image(np.ones((9, 8, 7), np.uint8), np.diag([7.0, 7, 7, 1])), other)
    told: list[str] = []
    plan = CachePlan(tmp_path / "cache", PRESET, thin=True)
    with pytest.raises(MaskError, match=r"2 of 3 cases cannot be trained on \(T01, T03\)"):
        cached_cases(cohort.cases, plan, jobs=1, tell=told.append)
    assert [line[:4] for line in told] == ["T01:", "T03:"]
    assert "empty" in told[0].lower()


def test_several_processes_make_the_same(cohort, tmp_path):
    one = keep(cohort, tmp_path)
    two = cached_cases(cohort.cases, CachePlan(tmp_path / "other", PRESET, thin=True), jobs=2, tell=never)
    for case in one:
        assert np.array_equal(one[case].slab(0)[0], two[case].slab(0)[0])
        assert one[case].folder.name == two[case].folder.name
