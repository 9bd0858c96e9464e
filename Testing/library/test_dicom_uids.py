"""UIDs follow from the provenance id and from the bytes; a changed byte is found."""

import uuid

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from SarcopeniaAssessLib.dicom_uids import (
    derived_uid,
    fixed_uid,
    is_sealed,
    provenance_uid,
    read_dicom,
    seal,
)
from SarcopeniaAssessLib.errors import InputError

ID = "5b1f0c1e-7c0e-4f0e-9a53-1f6b2c3d4e5f"
OTHER = "5b1f0c1e-7c0e-4f0e-9a53-1f6b2c3d4e50"


def instance(**changes):
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = CTImageStorage
    made.PatientName, made.ContentDate = "A^B", "20260101"
    item = Dataset()
    item.TextValue = "odd"
    made.ContentSequence = Sequence([item])
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def test_a_provenance_id_is_a_uid_as_it_is():
    assert provenance_uid("00000000-0000-4000-8000-000000000001") == f"2.25.{(4 << 76) + (8 << 60) + 1}"
    assert provenance_uid(ID) == "2.25.121120954623195482854354326559347527263"


def test_derived_uids_differ_by_id_and_by_each_part():
    made = {
        derived_uid(ID, "SEG", "series"),
        derived_uid(ID, "SR", "series"),
        derived_uid(OTHER, "SEG", "series"),
        fixed_uid("SEG", "series"),
        provenance_uid(ID),
    }
    assert len(made) == 5
    assert derived_uid(ID, "a", "b") == f"2.25.{uuid.uuid5(uuid.UUID(ID), 'a' + chr(10) + 'b').int}"
    assert all(len(uid) <= 64 for uid in made)


def test_equal_content_is_equal_to_the_byte_and_every_change_is_another_uid():
    content, uid = seal(instance(), ID, "SR")
    assert seal(instance(), ID, "SR") == (content, uid)
    item = Dataset()
    item.TextValue = "even"
    others = [
        seal(instance(PatientName="A^C"), ID, "SR"),
        seal(instance(ContentDate="20260102"), ID, "SR"),
        seal(instance(ContentSequence=Sequence([item])), ID, "SR"),
        seal(instance(), ID, "SEG"),
        seal(instance(), OTHER, "SR"),
    ]
    assert len({uid, *(other for _, other in others)}) == 6
    assert (
        read_dicom(content).SOPInstanceUID == read_dicom(content).file_meta.MediaStorageSOPInstanceUID == uid
    )


def test_any_changed_byte_breaks_the_seal():
    content, _ = seal(instance(), ID, "SR")
    assert is_sealed(content, ID, "SR")
    assert not is_sealed(content, OTHER, "SR")
    assert not is_sealed(content, ID, "SEG")
    assert not is_sealed(content + b"\0\0", ID, "SR")
    for place in (content.index(b"A^B"), content.index(b"20260101") + 7, content.index(b"odd")):
        assert not is_sealed(content[:place] + b"5" + content[place + 1 :], ID, "SR")
    assert not is_sealed(b"x" + content[1:], ID, "SR")  # the preamble, which no reader minds


@pytest.mark.parametrize("content", [b"", b"no DICOM", b"\0" * 128 + b"DICM" + b"\xff" * 40])
def test_what_is_damaged_or_no_dicom_is_not_sealed(content):
    assert not is_sealed(content, ID, "SR")
    whole, _ = seal(instance(), ID, "SR")
    for end in range(0, len(whole), 7):
        assert not is_sealed(whole[:end], ID, "SR")


@pytest.mark.parametrize("content", [b"", b"no DICOM"])
def test_what_is_no_dicom_is_not_read(content):
    with pytest.raises(InputError, match="damaged DICOM file, or none"):
        read_dicom(content)
