"""DICOM geometry: positions decide, whatever the order, the names, the tags and the tilt."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from SarcopeniaAssessLib.assessment import Drawing, GivenFacts, ask, conclude
from SarcopeniaAssessLib.ct_io import open_ct
from SarcopeniaAssessLib.errors import GeometryError, Severity
from Testing.library import dicom_cases, small_case
from Testing.library.ct_files import (
    affine,
    anatomy,
    dicom_image,
    rotation,
    save,
    store,
    write_dicom,
    write_enhanced,
)

OBLIQUE = affine(rotation(6, -5, 14))
DICOM_ORDER = (0, 1, 2)
SUPINE = (True, True, False)  # columns to the left, rows to posterior, slices to superior: LPS


def codes(volume):
    return [finding.code for finding in volume.findings]


@pytest.mark.parametrize("ras_from_canonical", [affine(), OBLIQUE], ids=["straight", "oblique"])
@pytest.mark.parametrize("from_head", [False, True])
@pytest.mark.parametrize(
    ("order", "flips"),
    [
        (DICOM_ORDER, SUPINE),
        (DICOM_ORDER, (True, False, False)),  # IOP 1,0,0,0,−1,0: the spine on top
        (DICOM_ORDER, (False, True, False)),
        ((1, 0, 2), (True, True, False)),  # rows run sideways, as in some decubitus exports
    ],
)
def test_both_orders_and_any_in_plane_orientation_are_one_anatomy(
    tmp_path, ras_from_canonical, from_head, order, flips
):
    native, ras_from_ijk = store(anatomy(), ras_from_canonical, order, (*flips[:2], from_head))
    names = [f"{n}/image_{(7 * n) % 9}" for n in range(9)]
    write_dicom(tmp_path / "ct", native, ras_from_ijk, names)
    volume = open_ct(tmp_path / "ct")
    np.testing.assert_allclose(volume.ras_from_canonical, ras_from_canonical, atol=1e-6)
    np.testing.assert_array_equal(volume.slab(1, 4), anatomy()[:, :, 1:4])
    assert volume.slab(0, 1).dtype.kind == "i"
    assert volume.shape[:2] == native.shape[:2]
    # The native slices are sorted along row × column, wherever the series begins.
    normal = np.cross(volume.ras_from_ijk[:3, 0], volume.ras_from_ijk[:3, 1])
    assert normal @ volume.ras_from_ijk[:3, 2] > 0
    assert volume.findings == ()
    muscle = anatomy()[:, :, 3] > 20
    np.testing.assert_array_equal(volume.canonical_slice_mask(volume.native_mask(muscle, 3), 3), muscle)


def test_pixel_spacing_is_between_rows_then_between_columns(tmp_path):
    native, ras_from_ijk = store(anatomy(), affine(), DICOM_ORDER, SUPINE)
    write_dicom(tmp_path, native, ras_from_ijk)
    volume = open_ct(tmp_path)
    assert volume.spacing_mm == pytest.approx((0.9, 1.3, 4.0))
    assert volume.orientation == "LPS"
    assert volume.shape == (30, 22, 9)


@pytest.mark.parametrize(
    "tags",
    [
        {"SliceThickness": 7.5, "SpacingBetweenSlices": -2.0, "GantryDetectorTilt": 20},
        {"PatientPosition": "FFP"},
        {"InstanceNumber": 1},
    ],
)
def test_tags_that_lie_change_nothing(tmp_path, tags):
    native, ras_from_ijk = store(anatomy(), affine(), DICOM_ORDER, SUPINE)
    write_dicom(tmp_path, native, ras_from_ijk, **tags)
    volume = open_ct(tmp_path)
    np.testing.assert_allclose(volume.ras_from_canonical, affine(), atol=1e-6)
    np.testing.assert_array_equal(volume.slab(0, 9), anatomy())


def tilted_gantry(degrees: float) -> np.ndarray:
    """Slices tilted about the left-right axis while the table moves straight up: a sheared affine."""
    made = affine(rotation(degrees, 0, 0))
    made[:3, 2] = (0, 0, 4.0)
    return made


def test_a_tilted_gantry_gives_a_sheared_affine_and_the_area_of_the_tilted_pixel(tmp_path):
    native, ras_from_ijk = store(anatomy(), tilted_gantry(18), DICOM_ORDER, SUPINE)
    write_dicom(tmp_path, native, ras_from_ijk)
    volume = open_ct(tmp_path)
    np.testing.assert_allclose(volume.ras_from_canonical, tilted_gantry(18), atol=1e-6)
    assert volume.pixel_area_cm2 == pytest.approx(0.9 * 1.3 / 100)
    assert volume.spacing_mm[2] == pytest.approx(4.0)
    assert codes(volume) == ["gantry_tilt"]
    assert "18°" in volume.findings[0].message
    assert volume.findings[0].severity is Severity.WARNING


def test_uneven_slices_are_flagged_and_exact_where_measured(tmp_path):
    native, ras_from_ijk = store(anatomy(), affine(), DICOM_ORDER, SUPINE)
    heights_mm = [0.0, 4, 8, 12, 15, 18, 21, 24, 27]
    for k, height in enumerate(heights_mm):
        save(
            dicom_image(native[:, :, k], ras_from_ijk, height / 4.0, InstanceNumber=k), tmp_path / f"{k}.dcm"
        )
    volume = open_ct(tmp_path)
    assert codes(volume) == ["uneven_slices"]
    for k, height in enumerate(heights_mm):
        assert volume.slice_superior_mm(k) == pytest.approx(-301 + height)
        around = volume.around(k)
        assert (around.ras_from_ijk @ [0, 0, k, 1])[2] == pytest.approx(-301 + height)
    assert volume.around(2).spacing_mm[2] == pytest.approx(4)
    assert volume.around(6).spacing_mm[2] == pytest.approx(3)


def test_a_missing_slice_is_refused_at_the_level_and_flagged_elsewhere(tmp_path):
    native, ras_from_ijk = store(anatomy(), affine(), DICOM_ORDER, SUPINE)
    files = write_dicom(tmp_path, native, ras_from_ijk)
    files[5].unlink()
    volume = open_ct(tmp_path)
    assert codes(volume) == ["missing_slices"]
    assert volume.slice_count == 8
    np.testing.assert_array_equal(volume.around(2).slab(2, 3), anatomy()[:, :, 2:3])
    for k in (4, 5):  # on both sides of the hole; position 5 is now slice 6 of the anatomy
        with pytest.raises(GeometryError, match="missing"):
            volume.around(k)


def test_positions_rounded_to_a_tenth_are_even(tmp_path):
    native, ras_from_ijk = store(anatomy(), affine(), DICOM_ORDER, SUPINE)
    for k in range(9):
        image = dicom_image(native[:, :, k], ras_from_ijk, k)
        image.ImagePositionPatient = [*image.ImagePositionPatient[:2], round(-301 + k * 3.3333, 1)]
        save(image, tmp_path / f"{k}.dcm")
    volume = open_ct(tmp_path)
    assert volume.findings == ()
    assert volume.around(4) is volume
    assert volume.spacing_mm[2] == pytest.approx(3.3333, abs=0.01)


@pytest.mark.parametrize(("thickness", "step"), [(3.0, 3.0), (None, 5.0), (99.0, 5.0)])
def test_a_single_file_is_a_single_slice(tmp_path, thickness, step):
    native, ras_from_ijk = store(anatomy(), affine(), DICOM_ORDER, SUPINE)
    path = write_dicom(tmp_path, native, ras_from_ijk, SliceThickness=thickness)[4]
    volume = open_ct(path)
    assert volume.slice_count == 1
    assert codes(volume) == ["single_slice"]
    assert volume.spacing_mm[2] == pytest.approx(step)
    np.testing.assert_array_equal(volume.slab(0, 1)[:, :, 0], anatomy()[:, :, 4])


@pytest.mark.parametrize("ras_from_canonical", [affine(), OBLIQUE], ids=["straight", "oblique"])
def test_an_enhanced_file_is_sorted_by_its_functional_groups(tmp_path, ras_from_canonical):
    native, ras_from_ijk = store(anatomy(), ras_from_canonical, DICOM_ORDER, SUPINE)
    path = write_enhanced(
        tmp_path / "enhanced",
        native,
        ras_from_ijk,
        [3, 0, 8, 1, 7, 2, 6, 4, 5],
        [-1024 + 10 * k for k in range(9)],
    )
    for given in (path, tmp_path):
        volume = open_ct(given)
        np.testing.assert_allclose(volume.ras_from_canonical, ras_from_canonical, atol=1e-6)
        np.testing.assert_array_equal(volume.slab(2, 7), anatomy()[:, :, 2:7])
        assert volume.input.slice_thickness_mm == 5
        assert volume.input.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_orientation_that_is_not_quite_unit_length_costs_no_area(tmp_path):
    native, ras_from_ijk = store(anatomy(), affine(), DICOM_ORDER, SUPINE)
    write_dicom(tmp_path, native, ras_from_ijk, ImageOrientationPatient=[0.996, 0, 0, 0, 0.996, 0])
    assert open_ct(tmp_path).pixel_area_cm2 == pytest.approx(0.9 * 1.3 / 100)


def test_the_hash_is_of_the_series_files_whatever_their_names(tmp_path):
    native, ras_from_ijk = store(anatomy(), affine(), DICOM_ORDER, SUPINE)
    write_dicom(tmp_path / "a", native, ras_from_ijk)
    write_dicom(tmp_path / "b", native, ras_from_ijk, [f"x{(5 * n) % 9}" for n in range(9)])
    (tmp_path / "b" / "notes.txt").write_text("not DICOM")
    one, other = open_ct(tmp_path / "a").input.sha256, open_ct(tmp_path / "b").input.sha256
    assert one == other
    changed = open_ct(write_dicom(tmp_path / "c", native + np.int16(1), ras_from_ijk)[0].parent)
    assert changed.input.sha256 != one


@pytest.mark.parametrize(
    ("position", "told", "warned"),
    [
        ("HFS", [], False),
        ("FFS", ["feet_first"], False),
        ("HFP", [], True),
        ("FFP", ["feet_first"], True),
        ("HFDR", [], True),
        ("FFDL", ["feet_first"], True),
        ("", [], False),
    ],
)
def test_how_the_patient_lay_is_told_and_changes_no_geometry(tmp_path, position, told, warned):
    """Sex `O` too: measured, without a status."""
    folder = dicom_cases.write_ct(
        tmp_path, flips=(True, True, False), PatientPosition=position, PatientSex="O"
    )
    question = ask(folder, GivenFacts(), l3=f"slice:{small_case.LEVEL}", case="one")
    masks = [small_case.muscle()[:, :, n] != 0 for n in (2, 3, 4)]
    hu = question.volume.slab(3, 4)[:, :, 0]
    drawing = Drawing(masks[1], hu, (masks[0], masks[2]), model=dicom_cases.MODEL, device="cpu")
    record = conclude(question, drawing).record
    found = {entry["code"]: entry["severity"] for entry in record["quality"]}
    assert [code for code in found if code == "feet_first"] == told
    assert found.get("not_supine") == ("warning" if warned else None)
    assert record["muscle"]["sma_cm2"] == pytest.approx(small_case.MUSCLE_CM2)
    assert record["l3"]["superior_mm"] == pytest.approx(-403.5)
    assert record["patient"]["sex"] is None
    assert record["status"]["value"] == "undetermined"
    assert found["sex_unknown"] == "info"
