"""One anatomy in every storage: the bundled model gives the same SMA, on the input's own grid.

A phantom, anisotropic and under an oblique rotation, as NIfTI, NRRD and MetaImage in all 48 axis orders
and flips, and as DICOM in both slice orders with shuffled names. K counts from the feet in all of them.
"""

import itertools

import numpy as np
import pytest

from SarcopeniaAssessLib.assessment import assess
from SarcopeniaAssessLib.models import load_model
from SarcopeniaTraining.phantom.anatomy import Person
from SarcopeniaTraining.phantom.generate import Grid, phantom
from Testing.library import ct_files

LEVEL = 2
SHAPE, SPACING_MM = (262, 163, 5), (1.5, 1.8, 4.0)


@pytest.fixture(scope="module")
def model():
    return load_model()


@pytest.fixture(scope="module")
def drawn():
    """Canonical HU, oblique affine and true mask of the level."""
    made = phantom(Person.random(2_000_000), Grid.axial(SHAPE, SPACING_MM))
    affine = np.eye(4)
    affine[:3, :3] = ct_files.rotation(3, -4, 7) @ np.diag(SPACING_MM)
    affine[:3, 3] = (-180.5, -120.25, -301.0)
    return made.hu, affine, made.muscle[:, :, LEVEL] > 0


@pytest.fixture(scope="module")
def expected(drawn, model, tmp_path_factory):
    path = ct_files.write_nifti(tmp_path_factory.mktemp("ras") / "ct.nii.gz", *drawn[:2])
    found = assess(path, l3=f"slice:{LEVEL}", model=model)
    truth = drawn[2]
    dice = 2 * (found.slice_mask & truth).sum() / (found.slice_mask.sum() + truth.sum())
    assert dice > 0.95
    return found.record["muscle"]["sma_cm2"], found.slice_mask


def check(found, stored_shape, expected):
    sma, mask = expected
    assert found.record["muscle"]["sma_cm2"] == pytest.approx(sma, rel=0.005)
    assert found.record["l3"]["slice_from_feet"] == LEVEL
    assert found.mask.shape == stored_shape
    assert found.mask.sum() == pytest.approx(mask.sum(), rel=0.005)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_all_48_storages_of_a_format(tmp_path, drawn, model, expected, suffix):
    hu, affine, _ = drawn
    for number, (order, flips) in enumerate(ct_files.STORAGES):
        native, ras = ct_files.store(hu, affine, order, flips)
        write = ct_files.write_nifti if suffix == ".nii.gz" else ct_files.write_itk
        path = write(tmp_path / f"ct{number}{suffix}", native, ras)
        found = assess(path, l3=f"slice:{LEVEL}", model=model)
        check(found, native.shape, expected)
        # Where the mask lies on the stored grid, seen through the affine, is where it lay before.
        inside = np.argwhere(found.mask)
        centre = (ras @ [*inside.mean(axis=0), 1])[:3]
        own = np.argwhere(expected[1])
        assert centre == pytest.approx((affine @ [*own.mean(axis=0), LEVEL, 1])[:3], abs=0.3)
        path.unlink()


@pytest.mark.parametrize("upwards", [True, False])
def test_dicom_in_both_slice_orders_with_shuffled_names(tmp_path, drawn, model, expected, upwards):
    hu, affine, _ = drawn
    native, ras = ct_files.store(hu, affine, (0, 1, 2), (True, True, False))
    names = itertools.cycle(["image_10", "image_2", "b", "IM7", "a.dcm"])
    for k, name in zip(range(SHAPE[2]), names, strict=False):
        instance = k + 1 if upwards else SHAPE[2] - k
        dataset = ct_files.dicom_image(native[:, :, k], ras, k, InstanceNumber=instance)
        ct_files.save(dataset, tmp_path / "ct" / name)
    found = assess(tmp_path / "ct", l3=f"slice:{LEVEL}", model=model)
    check(found, SHAPE, expected)
