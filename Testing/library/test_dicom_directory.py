"""A DICOMDIR as the input: the files that it names, wherever they are safe to be, and no others."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.fileset import FileSet

from SarcopeniaAssessLib.ct_io import list_ct, may_hold_several, open_ct
from SarcopeniaAssessLib.errors import InputError
from Testing.library.ct_files import affine, anatomy, store, write_dicom
from Testing.library.dicom_cases import tool

NATIVE, RAS_FROM_IJK = store(anatomy(), affine(), (0, 1, 2), (True, True, False))


@pytest.fixture
def disc(tmp_path):
    """A disc as pydicom's own writer makes it, and beside its files another one that it does not name."""
    named = FileSet()
    attributes = {"StudyDate": "20240301", "StudyTime": "101500", "StudyID": "1"}
    for file in write_dicom(tmp_path / "source", NATIVE, RAS_FROM_IJK, **attributes):
        named.add(file)
    named.write(tmp_path / "disc")
    write_dicom(tmp_path / "disc" / "OTHER", NATIVE, RAS_FROM_IJK, SeriesInstanceUID="1.2.77")
    return tmp_path / "disc"


def edit(disc: Path, change) -> Path:
    """The DICOMDIR with every record of an image changed."""
    path = disc / "DICOMDIR"
    directory = pydicom.dcmread(path)
    images = [r for r in directory.DirectoryRecordSequence if r.DirectoryRecordType == "IMAGE"]
    for n, record in enumerate(images):
        change(n, record)
    directory.save_as(path)
    return path


def test_the_files_that_it_names_are_read_and_no_others(disc):
    path = disc / "DICOMDIR"
    assert may_hold_several(path)
    assert [(one.uid, one.slices) for one in list_ct(path)] == [("1.2.826.0.1.1.4", 9)]
    volume = open_ct(path)
    np.testing.assert_array_equal(volume.slab(0, 9), anatomy())
    assert volume.findings == ()
    assert [one.uid for one in list_ct(disc)] == ["1.2.77", "1.2.826.0.1.1.4"]  # the folder holds both


def test_another_programs_dicomdir_is_read(tmp_path):
    files = write_dicom(
        tmp_path, NATIVE, RAS_FROM_IJK, [f"IM{k}" for k in range(9)], StudyDate="20240301", StudyTime="1015",
        StudyID="1", AccessionNumber="",
    )  # fmt: skip
    said = tool("dcmmkdir", "-Nxc", "+I", "+id", str(tmp_path), "+D", str(tmp_path / "DICOMDIR"), *[
        file.name for file in files
    ])  # fmt: skip
    assert (tmp_path / "DICOMDIR").exists(), said
    np.testing.assert_array_equal(open_ct(tmp_path / "DICOMDIR").slab(0, 9), anatomy())


def test_a_disc_copied_in_small_letters_is_read(disc):
    for path in sorted(disc.rglob("*"), key=lambda p: -len(p.parts)):
        path.rename(path.with_name(path.name.lower()))
    assert open_ct(disc / "dicomdir").slice_count == 9


def test_of_two_names_that_differ_in_their_case_the_very_one_is_read(disc):
    if (disc / "dicomdir").exists():
        pytest.skip("this file system knows no case")
    for path in [p for p in (disc / "PT000000").rglob("*") if p.is_file()]:
        other = pydicom.dcmread(path)
        other.SeriesInstanceUID = "1.2.88"
        other.save_as(path.with_name(path.name.lower()))
    assert [one.uid for one in list_ct(disc / "DICOMDIR")] == ["1.2.826.0.1.1.4"]


def test_files_that_are_not_there_are_counted(disc):
    images = sorted(p for p in (disc / "PT000000").rglob("*") if p.is_file())
    for path in images[:2]:
        path.unlink()
    volume = open_ct(disc / "DICOMDIR")
    assert volume.slice_count == 7
    told = next(f.message for f in volume.findings if f.code == "left_out")
    assert told == "Left out of the folder: files that the DICOMDIR names and that are not there (2 images)."
    shutil.rmtree(disc / "PT000000")
    with pytest.raises(InputError, match=r"None of the 9 files.*whole disc"):
        open_ct(disc / "DICOMDIR")


@pytest.mark.parametrize("way", ["parent", "absolute", "slashes", "link", "folder link", "drive", "null"])
def test_names_that_lead_elsewhere_lead_nowhere(tmp_path, disc, way):
    secret = tmp_path / "source" / "image_1"
    (disc / "LINK").symlink_to(secret)
    (disc / "LINKS").symlink_to(secret.parent)
    ways = {
        "parent": ["..", "source", "image_1"],
        "absolute": str(secret),
        "slashes": "../source/image_1",
        "link": "LINK",
        "folder link": ["LINKS", "image_1"],
        "drive": "C:image_1",
        "null": "image\0_1",
    }

    def change(n, record):
        record["ReferencedFileID"]._value = ways[way]

    with pytest.raises(InputError, match="None of the 9 files") as caught:
        open_ct(edit(disc, change))
    assert "source" not in str(caught.value)


def test_names_with_slashes_that_stay_inside_are_followed(disc):
    """Not allowed, and written by careless software."""

    def change(n, record):
        record["ReferencedFileID"]._value = "/".join(record.ReferencedFileID)

    assert open_ct(edit(disc, change)).slice_count == 9


def test_records_taken_out_of_use_name_nothing(disc):
    def change(n, record):
        record.RecordInUseFlag = 0 if n in (0, 1, 2) else 0xFFFF

    assert open_ct(edit(disc, change)).slice_count == 6


def test_an_empty_or_damaged_dicomdir_is_refused(disc):
    path = edit(disc, lambda n, record: record.__delattr__("ReferencedFileID"))
    with pytest.raises(InputError, match="names no files"):
        open_ct(path)
    data = path.read_bytes()
    for cut in (140, 400, len(data) // 2):
        path.write_bytes(data[:cut])
        with pytest.raises(InputError):
            open_ct(path)
