"""Masks that others drew: areas counted by hand, and every ambiguity refused."""

import numpy as np
import pytest
import SimpleITK

from SarcopeniaAssessLib.assessment import GivenFacts
from SarcopeniaAssessLib.errors import InputError, LevelError, MaskError
from SarcopeniaAssessLib.given_mask import measure_mask
from SarcopeniaAssessLib.record import validate_record
from Testing.library.ct_files import STORAGES, rotation, store, write_itk
from Testing.library.small_case import PIXEL_CM2, SHAPE, affine, area_cm2, ct, muscle, write_nifti

OBLIQUE = np.eye(4)
OBLIQUE[:3, :3] = rotation(9, -5, 14)
OBLIQUE = OBLIQUE @ affine()


def one_slice(k=2):
    mask = np.zeros(SHAPE, np.uint8)
    mask[:, :, k] = muscle()[:, :, k]
    return mask


@pytest.mark.parametrize(("order", "flips"), STORAGES[::9], ids=str)
def test_the_area_counted_by_hand_in_every_storage(tmp_path, order, flips):
    native, ras = store(one_slice(), OBLIQUE, order, flips)
    done = measure_mask(write_nifti(tmp_path / "mask.nii.gz", native, ras))
    made = done.record
    validate_record(made)
    assert made["muscle"]["sma_cm2"] == pytest.approx(area_cm2(2), rel=1e-5)
    assert made["l3"]["slice_from_feet"] == 2
    np.testing.assert_array_equal(done.mask, native)


def test_without_a_ct_nothing_of_hu_is_claimed(tmp_path):
    path = write_nifti(tmp_path / "mask.nii.gz", one_slice())
    made = measure_mask(path, GivenFacts("male", height_m=1.6)).record
    assert made["muscle"]["mean_hu"] is made["muscle"]["sma_hu_m29_150_cm2"] is None
    assert made["muscle"]["smi_cm2_m2"] == pytest.approx(area_cm2(2) / 1.6**2)
    assert made["status"]["value"] == "sarcopenic"
    assert made["model"] == dict.fromkeys(("name", "version", "sha256", "trained_on"))
    assert made["mask"]["source"] == "given"
    assert made["software"]["torch"] is None
    assert made["l3"]["neighbours_sma_cm2"] == [None, None]


def test_the_interval_of_a_given_mask_is_the_readers_alone(tmp_path):
    path = write_nifti(tmp_path / "mask.nii.gz", one_slice())
    area = area_cm2(2)
    interval = measure_mask(path).record["muscle"]["sma_interval_cm2"]
    assert interval == pytest.approx([area * (1 - 0.019), area * (1 + 0.019)])


@pytest.mark.parametrize("asked", ["auto", "AUTO ", ""])
def test_a_mask_alone_does_not_show_where_l3_is(tmp_path, asked):
    path = write_nifti(tmp_path / "mask.nii.gz", muscle())
    with pytest.raises(LevelError, match="mask alone"):
        measure_mask(path, l3=asked)


def test_with_its_ct_there_are_hu(tmp_path):
    mask = one_slice()
    mask[41:47, 20:25, 2] = 1  # the bone, too: 30 pixels of 400 HU
    path = write_nifti(tmp_path / "mask.nii.gz", mask)
    made = measure_mask(path, ct=write_nifti(tmp_path / "ct.nii.gz", ct())).record
    assert made["muscle"]["sma_cm2"] == pytest.approx(area_cm2(2) + 30 * PIXEL_CM2)
    assert made["muscle"]["sma_hu_m29_150_cm2"] == pytest.approx(area_cm2(2))
    assert made["muscle"]["mean_hu"] == pytest.approx(50)


def test_mask_and_ct_may_store_their_axes_differently(tmp_path):
    native, ras = store(one_slice(), OBLIQUE, (2, 0, 1), (True, False, True))
    mask = write_itk(tmp_path / "mask.nrrd", native, ras)
    scan = write_nifti(tmp_path / "ct.nii.gz", ct(), OBLIQUE)
    done = measure_mask(mask, ct=scan)
    assert done.record["muscle"]["sma_cm2"] == pytest.approx(area_cm2(2), rel=1e-5)
    assert done.record["muscle"]["mean_hu"] == pytest.approx(50)
    np.testing.assert_array_equal(done.mask, one_slice())  # on the CT's grid


def test_neighbours_of_a_mask_that_goes_on(tmp_path):
    path = write_nifti(tmp_path / "mask.nii.gz", muscle())
    made = measure_mask(path, l3="slice:4").record
    assert made["muscle"]["sma_cm2"] == pytest.approx(area_cm2(4))
    assert made["l3"]["neighbours_sma_cm2"] == pytest.approx([area_cm2(3), area_cm2(5)])
    top = measure_mask(path, l3="slice:6").record
    assert top["l3"]["neighbours_sma_cm2"][1] is None


def test_a_chosen_label_is_measured_alone(tmp_path):
    labels = one_slice() * 7
    labels[0:10, 0:10, 2] = 3
    path = write_nifti(tmp_path / "labels.nii.gz", labels)
    assert measure_mask(path, label=7).record["muscle"]["sma_cm2"] == pytest.approx(area_cm2(2))
    assert measure_mask(path, label=3).record["muscle"]["sma_cm2"] == pytest.approx(100 * PIXEL_CM2)


@pytest.mark.parametrize("value", [1, 255])
def test_a_lone_label_needs_no_choice(tmp_path, value):
    path = write_nifti(tmp_path / "mask.nii.gz", one_slice() * np.uint8(value))
    assert measure_mask(path).record["muscle"]["sma_cm2"] == pytest.approx(area_cm2(2))


def test_several_labels_without_a_choice_are_listed(tmp_path):
    labels = one_slice().astype(np.int16) * 7
    labels[0:10, 0:10, 2] = 300
    path = write_nifti(tmp_path / "labels.nii.gz", labels)
    with pytest.raises(MaskError, match=r"7, 300.*--label V"):
        measure_mask(path)
    with pytest.raises(MaskError, match="no label 4, only 7, 300"):
        measure_mask(path, label=4)


def test_an_empty_mask_is_refused(tmp_path):
    with pytest.raises(MaskError, match="empty"):
        measure_mask(write_nifti(tmp_path / "mask.nii.gz", np.zeros(SHAPE, np.uint8)))


def test_several_slices_need_a_level_and_it_must_be_one_of_them(tmp_path):
    mask = one_slice(2) + one_slice(4)
    path = write_nifti(tmp_path / "mask.nii.gz", mask)
    with pytest.raises(MaskError, match=r"2 slices \(2…4 from the feet\).*--l3"):
        measure_mask(path)
    with pytest.raises(MaskError, match="empty on slice 3"):
        measure_mask(path, l3="slice:3")
    with pytest.raises(LevelError):
        measure_mask(path, l3="slice:7")
    assert measure_mask(path, l3="slice:4").record["muscle"]["sma_cm2"] == pytest.approx(area_cm2(4))


def other_shape():
    return one_slice()[:-1], affine()


def other_spacing():
    ras = affine()
    ras[0, 0] += 0.02  # 1.8 mm at the far end
    return one_slice(), ras


def other_origin():
    ras = affine()
    ras[2, 3] += 6
    return one_slice(), ras


@pytest.mark.parametrize("made", [other_shape, other_spacing, other_origin])
def test_a_mask_on_another_grid_is_refused(tmp_path, made):
    scan = write_nifti(tmp_path / "ct.nii.gz", ct())
    with pytest.raises(MaskError, match="the CT's own grid"):
        measure_mask(write_nifti(tmp_path / "mask.nii.gz", *made()), ct=scan)


def test_rounding_of_an_origin_is_no_other_grid(tmp_path):
    ras = affine()
    ras[:3, 3] += 0.01
    path = write_nifti(tmp_path / "mask.nii.gz", one_slice(), ras)
    measure_mask(path, ct=write_nifti(tmp_path / "ct.nii.gz", ct()))


def test_what_is_no_label_map_is_refused(tmp_path):
    with pytest.raises(InputError):
        measure_mask(tmp_path / "none.nii.gz")
    with pytest.raises(InputError, match="whole numbers"):
        measure_mask(write_nifti(tmp_path / "p.nii.gz", one_slice().astype(np.float32) * 0.5))


def test_the_grid_of_a_lone_mask_is_checked_like_a_cts(tmp_path):
    image = SimpleITK.GetImageFromArray(one_slice().T)
    image.SetSpacing((40.0, 5.0, 6.0))
    SimpleITK.WriteImage(image, str(tmp_path / "mask.nrrd"))
    with pytest.raises(Exception, match=r"0\.2.10"):
        measure_mask(tmp_path / "mask.nrrd")
