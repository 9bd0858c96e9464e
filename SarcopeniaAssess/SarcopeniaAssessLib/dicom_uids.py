"""UIDs of DICOM results: all of them follow from the record's provenance id, none is drawn by lot.

An instance is *sealed*: its SOP Instance UID follows from the provenance id and from every other byte of
the file, dates included. Two files of one UID are therefore the same file, and a file that was changed
later no longer has the UID of its content.
"""

from __future__ import annotations

import hashlib
import io
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom import Dataset

_UNSEALED = "2.25.0"
"""Stands for the instance's own UID while its file is hashed."""
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:sarcopenia-assess:dicom")


def provenance_uid(provenance_id: str) -> str:
    """The provenance id itself, a UUID, written as a UID (PS3.5 B.2): 2.25 and the number that it is."""
    return _uid(uuid.UUID(provenance_id))


def derived_uid(provenance_id: str, *parts: str) -> str:
    """A UID that follows from a provenance id and what it is for, e.g. a series' (UUID version 5)."""
    return _uid(uuid.uuid5(uuid.UUID(provenance_id), "\n".join(parts)))


def fixed_uid(*parts: str) -> str:
    """A UID that follows from words alone: the same for every result that says them."""
    return _uid(uuid.uuid5(_NAMESPACE, "\n".join(parts)))


def seal(instance: Dataset, provenance_id: str, kind: str) -> tuple[bytes, str]:
    """Give an instance the UID of its content.

    Parameters
    ----------
    instance:
        Whole but for its own UID, with `file_meta`.
    provenance_id, kind:
        The record's id and what the instance is: "SEG", "SR".

    Returns
    -------
    The file's bytes, and the UID.
    """
    _name(instance, _UNSEALED)
    uid = derived_uid(provenance_id, kind, _sha256(_encoded(instance)))
    _name(instance, uid)
    return _encoded(instance), uid


def is_sealed(content: bytes, provenance_id: str, kind: str) -> bool:
    """Whether a file still has the UID of its content; never of one that is damaged, or no DICOM file.

    Parameters
    ----------
    content:
        All bytes of the file.
    """
    from SarcopeniaAssessLib.dicom_attributes import breaches
    from SarcopeniaAssessLib.errors import InputError

    try:
        read = read_dicom(content)
        uid = str(read.SOPInstanceUID)
        if content != _encoded(read):  # bytes that a reader passes over
            return False
        _name(read, _UNSEALED)
        return uid == derived_uid(provenance_id, kind, _sha256(_encoded(read)))
    except (InputError, *breaches()):  # type: ignore[misc]
        return False


def read_dicom(content: bytes) -> Dataset:
    """A DICOM file that is in memory.

    Raises
    ------
    InputError
        It is none, or it is damaged.
    """
    from SarcopeniaAssessLib.dicom_attributes import DAMAGED, breaches, quiet_pydicom
    from SarcopeniaAssessLib.errors import InputError

    with quiet_pydicom():
        from pydicom import dcmread

        try:
            return dcmread(io.BytesIO(content))
        except breaches() as error:
            raise InputError(f"It is a {DAMAGED}, or none", "assess the CT again") from error


def _name(instance: Dataset, uid: str) -> None:
    from pydicom.uid import UID

    instance.SOPInstanceUID = UID(uid)
    instance.file_meta.MediaStorageSOPInstanceUID = UID(uid)


def _encoded(instance: Dataset) -> bytes:
    from SarcopeniaAssessLib.dicom_attributes import quiet_pydicom

    buffer = io.BytesIO()
    with quiet_pydicom():
        instance.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _uid(number: uuid.UUID) -> str:
    return f"2.25.{number.int}"
