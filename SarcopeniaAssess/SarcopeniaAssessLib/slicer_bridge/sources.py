"""What lies behind a volume node: the files it was loaded from, and what their headers tell of the patient.

A record names the file that was measured by its hash. A node knows its voxels alone, so the files are opened
again and compared with it; only where both agree are the file's hash, header and geometry the record's.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import slicer

from SarcopeniaAssessLib.ct_io import open_ct
from SarcopeniaAssessLib.dicom_facts import patient_facts
from SarcopeniaAssessLib.errors import SarcopeniaError
from SarcopeniaAssessLib.mask_grid import require_same_grid
from SarcopeniaAssessLib.patient import PatientFacts
from SarcopeniaAssessLib.slicer_bridge.nodes import world_from_local
from SarcopeniaAssessLib.volume import ArraySource, CtVolume

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FACT_TAGS = {
    "PatientSex": "0010,0040",
    "PatientAge": "0010,1010",
    "PatientSize": "0010,1020",
    "PatientWeight": "0010,1030",
}
_COMPARED_SLICES = 5


@dataclass(frozen=True)
class Source:
    """Where a node's voxels came from, as far as the scene tells; asked of the nodes once, then plain data.

    Attributes
    ----------
    files:
        Paths; empty where the node was made or changed in this session.
    series:
        SeriesInstanceUID of DICOM files.
    facts:
        Of the patient, from DICOM.
    world_from_file:
        4×4: the node's parent transform.
    """

    files: tuple[str, ...]
    series: str | None
    facts: PatientFacts
    world_from_file: NDArray[np.float64]


def source_of(volume_node: Any) -> Source:
    """What the scene, the DICOM database and the header of its first file tell of a node.

    Facts of the patient are asked in this order: the database by the node's instances, attributes of the
    node (`DICOM.PatientSex` …), attributes of the items above it in the subject hierarchy, the header. What
    none tells or what cannot be is unknown.
    """
    uids = (volume_node.GetAttribute("DICOM.instanceUIDs") or "").split()
    database = getattr(slicer, "dicomDatabase", None)
    files = _files_of(volume_node, uids, database)
    told = _header(files[:1])
    for name, tag in _FACT_TAGS.items():
        attribute = f"{slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMAttributePrefix()}{name}"
        found = _asked(database, uids[0], tag) if uids else ""
        found = found or volume_node.GetAttribute(attribute) or _above(volume_node, attribute)
        if found:
            told[name] = found
    return Source(
        files=files,
        series=told.get("SeriesInstanceUID"),
        facts=_read_facts({name: told[name] for name in _FACT_TAGS if name in told}),
        world_from_file=world_from_local(volume_node),
    )


def known_of(ct: CtVolume, source: Source) -> CtVolume:
    """A node's CT with all that its files tell: hash, header, findings, geometry to the last digit.

    Reads the files, for seconds; touches no node, so a thread may do it. Where there are none, or where they
    hold something else by now, the CT is known by the hash of its voxels.

    Returns
    -------
    The CT in its files' storage order; its voxels are those in memory.
    """
    told = _from_files(ct, source)
    if told is None:
        hashed = CtVolume.from_array(ct.stored_as(ct.axes), ct.ras_from_ijk)
        return replace(ct, input=hashed.input, patient=source.facts)
    return replace(
        told,
        source=ArraySource(ct.stored_as(told.axes)),
        patient=told.patient if told.patient != PatientFacts() else source.facts,
        findings=tuple(dict.fromkeys((*told.findings, *ct.findings))),
    )


def _from_files(ct: CtVolume, source: Source) -> CtVolume | None:
    """The files' CT where the node shows it, else `None`."""
    if not source.files:
        return None
    try:
        told = _moved(_opened(source), source.world_from_file)
        require_same_grid(told, ct)
        compared = np.unique(np.linspace(0, ct.slice_count - 1, _COMPARED_SLICES).round().astype(int))
        same = all(np.allclose(told.slab(k, k + 1), ct.slab(k, k + 1), rtol=0.0, atol=0.5) for k in compared)
    except (SarcopeniaError, OSError):
        return None
    return told if same else None


def _opened(source: Source) -> CtVolume:
    if len(source.files) == 1:
        return open_ct(source.files[0])
    folder = os.path.commonpath([str(Path(file).parent) for file in source.files])
    return open_ct(folder, series=source.series)


def _moved(told: CtVolume, world_from_file: NDArray[np.float64]) -> CtVolume:
    if np.array_equal(world_from_file, np.eye(4)):
        return told
    origins = told.slice_origins_mm
    return replace(
        told,
        ras_from_ijk=world_from_file @ told.ras_from_ijk,
        slice_origins_mm=None
        if origins is None
        else origins @ world_from_file[:3, :3].T + world_from_file[:3, 3],
    )


def _files_of(volume_node: Any, uids: Sequence[str], database: Any) -> tuple[str, ...]:
    """Files of a node that has not been changed since they were read."""
    storage = volume_node.GetStorageNode()
    files: list[str] = []
    if storage is not None and storage.GetFileName() and not volume_node.GetModifiedSinceRead():
        names = [storage.GetNthFileName(n) for n in range(storage.GetNumberOfFileNames())]
        files = list(dict.fromkeys(filter(None, [storage.GetFullNameFromFileName(), *names])))
    elif database is not None and storage is None:
        files = list(filter(None, (database.fileForInstance(uid) for uid in uids)))
    there = tuple(file for file in files if Path(file).is_file())
    return there if len(there) == len(files) else ()


def _header(files: Sequence[str]) -> dict[str, str]:
    """Series and patient's facts in a DICOM file's header, as it writes them; nothing of any other file."""
    from SarcopeniaAssessLib.dicom_attributes import looks_like_dicom

    if not files or not looks_like_dicom(Path(files[0])):
        return {}
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    wanted = [*_FACT_TAGS, "SeriesInstanceUID"]
    try:
        header = dcmread(files[0], stop_before_pixels=True, specific_tags=wanted)
    except (InvalidDicomError, OSError, ValueError):
        return {}
    return {name: str(header.get(name)) for name in wanted if header.get(name) not in (None, "")}


def _asked(database: Any, uid: str, tag: str) -> str:
    """A value of an instance; nothing where there is no database, or it does not know."""
    if database is None:
        return ""
    return str(database.instanceValue(uid, tag) or "").strip()


def _above(volume_node: Any, attribute: str) -> str:
    """An attribute of the node's item in the subject hierarchy, or of the nearest one above that has it."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(volume_node.GetScene())
    item = hierarchy.GetItemByDataNode(volume_node) if hierarchy is not None else 0
    while item and item != hierarchy.GetSceneItemID():
        if found := hierarchy.GetItemAttribute(item, attribute):
            return str(found)
        item = hierarchy.GetItemParent(item)
    return ""


def _read_facts(told: Mapping[str, str]) -> PatientFacts:
    """Values as DICOM writes them, read as a header's are; what cannot be true is left out."""
    if not told:
        return PatientFacts()
    from pydicom import Dataset

    from SarcopeniaAssessLib.dicom_attributes import quiet_pydicom

    header = Dataset()
    with quiet_pydicom():
        for name, text in told.items():
            with suppress(ValueError, TypeError):
                setattr(header, name, text)
        return patient_facts(header)[0]
