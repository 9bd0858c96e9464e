"""The files behind a node: their hash, header and geometry, where they are what the node shows; else not."""

import hashlib
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import slicer

from SarcopeniaAssessLib.ct_io import open_ct
from SarcopeniaAssessLib.patient import PatientFacts, Sex
from SarcopeniaAssessLib.slicer_bridge.nodes import ct_of
from SarcopeniaAssessLib.slicer_bridge.sources import known_of, source_of
from Testing.library import ct_files, small_case
from Testing.slicer.host.dicom_database import DicomDatabase
from Testing.slicer.mrml_cases import (
    OBLIQUE,
    STORAGES,
    add_transform,
    add_volume,
    load_dicom,
    load_volume,
    moved,
    stored,
    turned,
)

pytestmark = pytest.mark.usefixtures("slicer_scene")
FACTS = {"PatientSex": "F", "PatientAge": "061Y", "PatientSize": "1.62", "PatientWeight": "70"}
HERS = PatientFacts(Sex.FEMALE, "dicom", 61.0, 1.62, 70.0)


def known(node):
    return known_of(ct_of(node), source_of(node))


def assert_same_ct(mine, other):
    """What a record says of a CT, and every voxel, are the same."""
    assert mine.input == other.input
    assert mine.shape == other.shape
    np.testing.assert_array_equal(mine.ras_from_ijk, other.ras_from_ijk)
    assert mine.patient == other.patient
    assert mine.findings == other.findings
    np.testing.assert_array_equal(mine.slab(0, mine.slice_count), other.slab(0, other.slice_count))


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("name", ["ct.nii.gz", "ct.nii", "ct.nrrd", "ct.mha"])
def test_a_loaded_file_is_known_by_its_hash(tmp_path, name, storage):
    native, ras = stored(small_case.ct(), OBLIQUE @ small_case.affine(), storage)
    write = ct_files.write_nifti if "nii" in name else ct_files.write_itk
    path = write(tmp_path / name, native, ras)
    mine = known(load_volume(path))
    assert mine.input.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert_same_ct(mine, open_ct(path))


def dicom_folder(folder, **attributes):
    """A series written in an order that is not its slices', with facts of a patient."""
    hu = small_case.ct()[:, ::-1, :]  # j runs to posterior, as DICOM's rows do
    ras = small_case.affine()
    ras[:3, 3] += 63 * ras[:3, 1]
    ras[:3, 1] *= -1
    hu, ras = hu[::-1], ras @ np.diag([-1.0, 1.0, 1.0, 1.0])
    ras[:3, 3] = small_case.affine()[:3, 3] + [89 * 4.0, 63 * 5.0, 0.0]
    names = [f"image_{(5 * k) % 7}" for k in range(7)]
    return ct_files.write_dicom(folder, hu, ras, names, **{**FACTS, **attributes})


def uneven_folder(folder):
    """Its slice 3 lies 0.35 mm too high: uneven, and less than a tenth of a pixel off Slicer's grid."""
    from pydicom import dcmread

    files = dicom_folder(folder)
    third = sorted(files, key=lambda file: dcmread(file).ImagePositionPatient[2])[3]
    header = dcmread(third)
    header.ImagePositionPatient[2] += 0.35
    header.save_as(third)
    return files


def test_a_dicom_series_is_known_with_its_header(tmp_path):
    files = dicom_folder(tmp_path, KVP=100)
    for order in (files, files[::-1]):
        mine = known(load_dicom(order))
        assert mine.patient == HERS
        assert mine.input.kvp == 100
        assert_same_ct(mine, open_ct(tmp_path))
        np.testing.assert_array_equal(mine.slab(0, 7), small_case.ct())


def test_another_series_in_the_folder_does_no_harm(tmp_path):
    files = dicom_folder(tmp_path / "a")
    dicom_folder(tmp_path / "b", SeriesInstanceUID="1.2.826.0.1.1.5")
    for n, file in enumerate((tmp_path / "b").iterdir()):
        file.rename(tmp_path / "a" / f"other_{n}")
    mine = known(load_dicom(files))
    assert_same_ct(mine, open_ct(tmp_path / "a", series="1.2.826.0.1.1.4"))


@pytest.mark.parametrize("turn", [turned(8.0, 2), turned(-5.0, 0)])
def test_a_parent_transform_moves_the_files_geometry_too(tmp_path, turn):
    path = ct_files.write_nifti(tmp_path / "ct.nii.gz", small_case.ct(), small_case.affine())
    node = load_volume(path)
    node.SetAndObserveTransformNodeID(add_transform(turn).GetID())
    mine = known(node)
    np.testing.assert_allclose(mine.ras_from_ijk, turn @ small_case.affine(), atol=1e-5)
    assert mine.input.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    node.HardenTransform()
    assert known(node).input.format == "memory", "the node's geometry is no file's any more"


def test_a_parent_transform_moves_each_slice_of_an_uneven_series(tmp_path):
    files = uneven_folder(tmp_path)
    turn = moved(3.0, -4.0, 25.0) @ turned(-5.0, 0) @ np.diag([1.5, 1.0, 1.0, 1.0])
    node = load_dicom(files)
    node.SetAndObserveTransformNodeID(add_transform(turn).GetID())
    mine, told = known(node), open_ct(tmp_path)
    assert mine.input == told.input
    for k in range(7):
        centre = turn @ [*told.slice_centre_mm(k), 1.0]
        np.testing.assert_allclose(mine.slice_centre_mm(k), centre[:3], atol=1e-3)
    assert [finding.code for finding in mine.findings] == ["uneven_slices", "transform_scales"]


def test_the_files_own_header_comes_before_what_the_scene_tells(tmp_path):
    node = load_dicom(dicom_folder(tmp_path / "series"))
    node.SetAttribute("DICOM.PatientSex", "M")
    assert source_of(node).facts == replace(HERS, sex=Sex.MALE)
    assert known(node).patient == HERS, "as the command has it"
    path = ct_files.write_nifti(tmp_path / "ct.nii.gz", small_case.ct(), small_case.affine())
    node = load_volume(path)
    node.SetAttribute("DICOM.PatientSex", "M")
    mine = known(node)
    assert mine.input.format == "nifti"
    assert mine.patient == PatientFacts(Sex.MALE, "dicom"), "the file has none"


def test_changed_voxels_are_no_files(tmp_path):
    path = ct_files.write_nifti(tmp_path / "ct.nii.gz", small_case.ct(), small_case.affine())
    node = load_volume(path)
    slicer.util.arrayFromVolume(node)[0, 0, 0] = -900
    slicer.util.arrayFromVolumeModified(node)
    assert source_of(node).files == ()
    changed = known(node)
    assert changed.input.format == "memory"
    slicer.util.arrayFromVolume(node)[0, 0, 0] = -1000
    assert known(node).input.sha256 != changed.input.sha256, "a hash of the voxels"


def test_a_file_that_has_become_another_is_not_believed(tmp_path):
    path = ct_files.write_nifti(tmp_path / "ct.nii.gz", small_case.ct(), small_case.affine())
    node = load_volume(path)
    ct_files.write_nifti(path, small_case.ct()[::-1].copy(), small_case.affine())
    assert known(node).input.format == "memory"
    path.write_bytes(b"damaged")
    assert known(node).input.format == "memory"
    path.unlink()
    assert source_of(node).files == ()


def test_a_file_of_the_same_voxels_elsewhere_is_not_believed(tmp_path):
    """Its pixels would be of another size, and so would every area."""
    path = ct_files.write_nifti(tmp_path / "ct.nii.gz", small_case.ct(), small_case.affine())
    node = load_volume(path)
    ct_files.write_nifti(path, small_case.ct(), small_case.affine() @ np.diag([1.5, 1.0, 1.0, 1.0]))
    mine = known(node)
    assert mine.input.format == "memory"
    assert mine.pixel_area_cm2 == pytest.approx(small_case.PIXEL_CM2)
    np.testing.assert_allclose(mine.ras_from_ijk, small_case.affine())
    ct_files.write_nifti(path, small_case.ct()[:, :, :6], small_case.affine())
    assert known(node).input.format == "memory"
    longer = np.concatenate([small_case.ct(), small_case.ct()[:, :, :1]], axis=2)
    ct_files.write_nifti(path, longer, small_case.affine())
    assert known(node).input.format == "memory"


@pytest.mark.parametrize("k", [0, 3, 6])
def test_a_file_with_other_values_is_not_believed(tmp_path, k):
    path = ct_files.write_nifti(tmp_path / "ct.nii.gz", small_case.ct(), small_case.affine())
    node = load_volume(path)
    other = small_case.ct()
    other[40, 30, k] += 1
    ct_files.write_nifti(path, other, small_case.affine())
    assert known(node).input.format == "memory"


def test_a_volume_made_here_has_no_files():
    node = add_volume()
    assert source_of(node).files == ()
    made = known(node)
    assert made.input.format == "memory"
    assert len(made.input.sha256) == 64
    assert made.patient == PatientFacts()


def test_a_dicom_database_tells_files_and_facts(tmp_path, monkeypatch):
    files = dicom_folder(tmp_path)
    loaded = load_dicom(files)
    node = add_volume(name="like the DICOM plugin's, without storage")
    node.SetAndObserveImageData(loaded.GetImageData())
    node.CopyOrientation(loaded)
    monkeypatch.setattr(slicer, "dicomDatabase", DicomDatabase(files), raising=False)
    from pydicom import dcmread

    node.SetAttribute("DICOM.instanceUIDs", " ".join(dcmread(file).SOPInstanceUID for file in files))
    node.SetAttribute("DICOM.PatientSex", "M")
    assert source_of(node).facts == HERS, "the database comes first"
    node.RemoveAttribute("DICOM.PatientSex")
    assert_same_ct(known(node), open_ct(tmp_path))
    loaded.SetAttribute("DICOM.instanceUIDs", node.GetAttribute("DICOM.instanceUIDs"))
    assert len(source_of(loaded).files) == 7
    slicer.util.arrayFromVolumeModified(loaded)
    assert source_of(loaded).files == (), "changed since it was read, whatever the database has"
    monkeypatch.setattr(slicer, "dicomDatabase", SimpleNamespace(
        instanceValue=lambda uid, tag: "", fileForInstance=lambda uid: ""
    ))  # fmt: skip
    assert source_of(node).facts == PatientFacts()
    assert source_of(node).files == ()


def test_facts_without_a_database():
    node = add_volume()
    for name, value in FACTS.items():
        node.SetAttribute(f"DICOM.{name}", value)
    assert source_of(node).facts == HERS
    node.SetAttribute("DICOM.PatientSize", "162")  # cm: wrong by the standard, not repaired
    node.SetAttribute("DICOM.PatientAge", "old")
    node.SetAttribute("DICOM.PatientWeight", "heavy")
    assert source_of(node).facts == PatientFacts(Sex.FEMALE, "dicom")


def test_facts_of_the_patient_above_in_the_subject_hierarchy():
    node = add_volume()
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "Patient")
    hierarchy.CreateItem(hierarchy.CreateStudyItem(patient, "Study"), node)
    hierarchy.SetItemAttribute(patient, "DICOM.PatientSex", "M")
    assert source_of(node).facts == PatientFacts(Sex.MALE, "dicom")
    node.SetAttribute("DICOM.PatientSex", "O")
    assert source_of(node).facts == PatientFacts(), "what the node itself says comes first"
