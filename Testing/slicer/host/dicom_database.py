"""`slicer.dicomDatabase` as far as a scripted module asks it: ctkDICOMDatabase over the files of a test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import slicer


class DicomDatabase:
    """What ctkDICOMDatabase answers; of what it does not know, nothing."""

    def __init__(self, files: Sequence[Path]) -> None:
        from pydicom import dcmread

        read = ((file, dcmread(file, stop_before_pixels=True)) for file in files)
        self._headers = {str(header.SOPInstanceUID): (file, header) for file, header in read}

    @property
    def uids(self) -> list[str]:
        """Every instance, in the files' order."""
        return list(self._headers)

    def instanceValue(self, uid: str, tag: str) -> str:
        """An attribute of an instance, "gggg,eeee"."""
        group, element = (int(part, 16) for part in tag.split(","))
        found = self._headers[uid][1].get((group, element)) if uid in self._headers else None
        return "" if found is None else str(found.value)

    def fileForInstance(self, uid: str) -> str:
        """The file of an instance."""
        return str(self._headers[uid][0]) if uid in self._headers else ""


def load_from_database(files: Sequence[Path]) -> Any:
    """A series loaded by DICOMScalarVolumePlugin: its files in the database, its instances at the node."""
    from Testing.slicer.mrml_cases import load_dicom

    slicer.dicomDatabase = DicomDatabase(files)
    node = load_dicom(files)
    node.SetAttribute("DICOM.instanceUIDs", " ".join(slicer.dicomDatabase.uids))
    return node
