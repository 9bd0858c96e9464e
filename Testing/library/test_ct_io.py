"""One anatomy through every reader, and every input that is none: the reason, a remedy, no path."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from SarcopeniaAssessLib.ct_io import list_ct, open_ct, read_label_map
from SarcopeniaAssessLib.errors import InputError, IntensityError, SarcopeniaError
from Testing.library.ct_files import (
    STORAGES,
    affine,
    anatomy,
    rotation,
    store,
    write_dicom,
    write_itk,
    write_nifti,
)

OBLIQUE = affine(rotation(7, -6, 14))
DATA = Path(os.environ.get("SARCOPENIA_TEST_DATA", Path(__file__).parents[2] / "../shared/data")) / "abdomen"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="no real CT: set SARCOPENIA_TEST_DATA")


@pytest.mark.parametrize(("order", "flips"), STORAGES)
def test_all_storages_in_all_array_formats_are_one_anatomy(tmp_path, order, flips):
    native, ras_from_ijk = store(anatomy(), OBLIQUE, order, flips)
    files = [
        write_nifti(tmp_path / "ct.nii.gz", native, ras_from_ijk),
        write_itk(tmp_path / "ct.nrrd", native, ras_from_ijk),
        write_itk(tmp_path / "ct.mha", native, ras_from_ijk),
    ]
    for file, kind in zip(files, ("nifti", "nrrd", "metaimage"), strict=True):
        volume = open_ct(file)
        assert volume.input.format == kind
        assert volume.shape == native.shape
        assert volume.findings == ()
        np.testing.assert_allclose(volume.ras_from_ijk, ras_from_ijk, atol=1e-4)
        np.testing.assert_allclose(volume.ras_from_canonical, OBLIQUE, atol=1e-4)
        np.testing.assert_array_equal(volume.slab(3, 6), anatomy()[:, :, 3:6])
        muscle = (anatomy()[:, :, 4] > 20) & (anatomy()[:, :, 4] < 90)
        mask = volume.native_mask(muscle, 4)
        assert set(native[mask > 0]) == set(anatomy()[:, :, 4][muscle])


def test_content_decides_not_the_name(tmp_path):
    path = write_nifti(tmp_path / "ct.nii.gz", anatomy(), affine())
    for name in ("ct", "ct.nii", "ct.dcm"):
        assert open_ct(path.rename(tmp_path / name)).input.format == "nifti"
        path = tmp_path / name
    assert open_ct(write_itk(tmp_path / "a.mha", anatomy(), affine()).rename(tmp_path / "b")).shape == (
        30,
        22,
        9,
    )


def bad(tmp_path, kind: str) -> Path:
    path = tmp_path / "PLANTED-ID" / "Planted_Name.nii.gz"
    path.parent.mkdir()
    if kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("HU 1 2 3")
    elif kind == "gzipped text":
        path.write_bytes(gzip.compress(b"HU 1 2 3" * 200))
    elif kind == "only gzip magic":
        path.write_bytes(b"\x1f\x8b")
    elif kind == "empty folder":
        return path.parent
    elif kind == "folder without DICOM":
        path.write_text("notes")
        return path.parent
    elif kind == "null in name":
        return Path("a\0b")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "unreadable":
        return Path("/proc/self/mem")
    return path


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("missing", "no such file"),
        ("empty", "empty"),
        ("text", "no NIfTI, NRRD, MetaImage or DICOM"),
        ("gzipped text", "no NIfTI"),
        ("only gzip magic", "truncated"),
        ("empty folder", "no DICOM"),
        ("folder without DICOM", "no DICOM"),
        ("null in name", "cannot be read"),
        ("unreadable", "cannot be read"),
        ("pipe", "neither a file nor a folder"),
        ("device", "neither a file nor a folder"),
    ],
)
def test_what_is_no_image_is_refused_without_its_path(tmp_path, capfd, kind, says):
    path = bad(tmp_path, kind)
    for read in (open_ct, read_label_map):
        with pytest.raises(InputError) as caught:
            read(path)
        message = str(caught.value)
        if read is open_ct:
            assert says in message
        assert "\n" not in message
        assert "planted" not in message.lower()
        assert caught.value.remedy
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("hu", "says"),
    [
        (anatomy() + np.int16(1024), "intercept"),
        ((anatomy() > 0).astype(np.uint8), "label map"),
        (np.where(anatomy() > 40, np.nan, anatomy().astype(np.float32)), "NaN"),
        (np.full((30, 22, 9), -1000, np.int16), "air"),
        (np.abs(anatomy()), "not"),
    ],
)
@pytest.mark.parametrize("name", ["ct.nii.gz", "ct.nii", "ct.nrrd", "ct.mha"])
def test_values_that_are_not_hounsfield_units_are_refused_on_opening(tmp_path, name, hu, says):
    write = write_nifti if "nii" in name else write_itk
    with pytest.raises(IntensityError, match=says):
        open_ct(write(tmp_path / name, hu, affine()))


def test_one_nan_far_from_the_slab_is_found(tmp_path):
    hu = anatomy().astype(np.float32)
    hu[29, 0, 8] = np.inf
    with pytest.raises(IntensityError):
        open_ct(write_nifti(tmp_path / "ct.nii.gz", hu, affine()))


def test_a_series_cannot_be_chosen_of_one_image(tmp_path):
    path = write_nifti(tmp_path / "ct.nii.gz", anatomy(), affine())
    with pytest.raises(InputError, match="series"):
        open_ct(path, series="1.2.3")
    with pytest.raises(InputError):
        list_ct(path)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
@pytest.mark.parametrize("name", ["l.nii.gz", "l.nrrd", "l.mha"])
def test_label_maps_are_integers_on_their_own_grid(tmp_path, dtype, name):
    labels = (anatomy() > 0).astype(dtype) * 29
    write = write_nifti if "nii" in name else write_itk
    label_map = read_label_map(write(tmp_path / name, labels, OBLIQUE))
    assert label_map.labels.dtype.kind in "iu"
    np.testing.assert_array_equal(label_map.labels, labels)
    np.testing.assert_allclose(label_map.ras_from_ijk, OBLIQUE, atol=1e-4)
    assert len(label_map.input.sha256) == 64


def test_probabilities_are_no_labels(tmp_path):
    with pytest.raises(InputError, match="whole numbers"):
        read_label_map(write_nifti(tmp_path / "l.nii.gz", np.full((4, 5, 6), 0.3, np.float32), affine()))


def test_a_dicom_folder_is_no_label_map(tmp_path):
    write_dicom(tmp_path / "d", anatomy(), affine())
    with pytest.raises(InputError, match="label map"):
        read_label_map(tmp_path / "d")


def test_nothing_is_warned_of_on_standard_error(tmp_path, capfd):
    native, ras_from_ijk = store(anatomy(), affine(), (0, 1, 2), (True, True, False))
    for file in write_dicom(tmp_path / "d", native, ras_from_ijk, PatientAge="076Y", PatientSize="1.75"):
        file.write_bytes(file.read_bytes().replace(b"076Y", b"old ").replace(b"1.75", b"1,75"))
        file.write_bytes(file.read_bytes().replace(b"1.2.826.0.1.1", b"1.2.826.0.1.x"))
    with warnings.catch_warnings(record=True) as remarks:
        warnings.simplefilter("always")
        list_ct(tmp_path / "d")
        open_ct(tmp_path / "d").slab(0, 9)
        open_ct(write_nifti(tmp_path / "ct.nii.gz", native, ras_from_ijk)).slab(0, 9)
        open_ct(write_itk(tmp_path / "ct.nrrd", native, ras_from_ijk)).slab(0, 9)
    assert [str(remark.message) for remark in remarks] == []
    assert capfd.readouterr() == ("", "")


@needs_data
def test_the_real_ct_is_one():
    volume = open_ct(DATA / "ct.nii.gz")
    assert volume.orientation == "RAS"
    assert volume.spacing_mm == pytest.approx((3, 3, 3))
    slab = volume.slab(69, 74)
    assert slab.dtype == np.int32
    assert slab.min() == -1024
    assert volume.findings == ()


@needs_data
def test_a_real_label_map_is_refused_as_a_ct():
    with pytest.raises(SarcopeniaError, match="label map"):
        open_ct(DATA / "anatomy.nii.gz")


def test_importing_the_readers_imports_no_reader():
    """`--help` and the module's opening must not wait for nibabel, ITK, pydicom or scipy."""
    code = (
        "import sys, SarcopeniaAssessLib.level; "
        "print(sorted({'nibabel', 'SimpleITK', 'pydicom', 'scipy', 'torch'} & set(sys.modules)))"
    )
    library = Path(__file__).parents[2] / "SarcopeniaAssess"
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(library)},
        capture_output=True,
        check=False,
        text=True,
    )
    assert run.stdout.strip() == "[]", run.stderr
