"""What lies behind a volume node: the files it was loaded from, and what their headers tell of the patient.

A record names the file that was measured by its hash. A node knows its voxels alone, so the files are opened
again and compared with it; only where both agree are the file's hash, header and geometry the record's.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import slicer

from SarcopeniaAssessLib.ct_io import open_ct
from SarcopeniaAssessLib.dicom_facts import patient_facts
from SarcopeniaAssessLib.dicom_source import is_dicom
from SarcopeniaAssessLib.errors import InputError, SarcopeniaError
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
_LOAD_AGAIN = "load its series again, and assess it"
_TAKE_OUT = "take it out of the transform, and assess it again"


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
    instances:
        DICOM files that the database has of the node's instances, where `files` are others: of a saved scene.
    lost:
        Why there are no `files`, of a node that came from DICOM: a problem and a remedy.
    """

    files: tuple[str, ...]
    series: str | None
    facts: PatientFacts
    world_from_file: NDArray[np.float64]
    instances: tuple[str, ...] = ()
    lost: tuple[str, str] | None = None


@dataclass(frozen=True, eq=False)
class FoundCt:
    """A node's CT with all that is known of it.

    Attributes
    ----------
    ct:
        For its record: as its files tell it, or with the hash of its voxels.
    dicom:
        The same opened from its DICOM files, for results that refer to them; `None`: see `refusal`.
    refusal:
        Why nothing can refer to DICOM files.
    """

    ct: CtVolume
    dicom: CtVolume | None
    refusal: SarcopeniaError | None


def source_of(volume_node: Any) -> Source:
    """What the scene, the DICOM database and the header of its first file tell of a node.

    Facts of the patient are asked in this order: the database by the node's instances, attributes of the
    node (`DICOM.PatientSex` …), attributes of the items above it in the subject hierarchy, the header. What
    none tells or what cannot be is unknown.
    """
    uids = (volume_node.GetAttribute("DICOM.instanceUIDs") or "").split()
    database = getattr(slicer, "dicomDatabase", None)
    instances = () if database is None else _there(database.fileForInstance(uid) for uid in uids)
    files, lost = _files_of(volume_node, instances)
    told = _header(files[:1])
    if not told.get("SeriesInstanceUID"):
        told |= {name: uid for name, uid in _header(instances[:1]).items() if name == "SeriesInstanceUID"}
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
        instances=() if set(instances) <= set(files) else instances,
        lost=lost if uids else None,
    )


def known_of(ct: CtVolume, source: Source) -> CtVolume:
    """A node's CT with all that its files tell; see `found_ct`."""
    return found_ct(ct, source).ct


def found_ct(ct: CtVolume, source: Source) -> FoundCt:
    """A node's CT with all that its files tell: hash, header, findings, geometry to the last digit.

    Reads the files, for seconds; touches no node, so a thread may do it. Where there are none, or where they
    hold something else by now, the CT is known by the hash of its voxels.

    Returns
    -------
    The CT in its files' storage order, its voxels those in memory; and its DICOM files, or why not.
    """
    told, refusal = _shown(ct, source, source.files)
    known = _by_its_voxels(ct, source) if told is None else _by_its_files(ct, source, told)
    if source.instances:
        told, refusal = _shown(ct, source, source.instances)
    if told is None or not is_dicom(told):
        return FoundCt(known, None, refusal or _no_dicom(source))
    if not np.array_equal(source.world_from_file, np.eye(4)):
        return FoundCt(known, None, InputError("The CT lies under a transform, its files do not", _TAKE_OUT))
    return FoundCt(known, told, None)


def _by_its_voxels(ct: CtVolume, source: Source) -> CtVolume:
    hashed = CtVolume.from_array(ct.stored_as(ct.axes), ct.ras_from_ijk)
    return replace(ct, input=hashed.input, patient=source.facts)


def _by_its_files(ct: CtVolume, source: Source, told: CtVolume) -> CtVolume:
    return replace(
        told,
        source=ArraySource(ct.stored_as(told.axes)),
        patient=told.patient if told.patient != PatientFacts() else source.facts,
        findings=tuple(dict.fromkeys((*told.findings, *ct.findings))),
    )


def _shown(
    ct: CtVolume, source: Source, files: Sequence[str]
) -> tuple[CtVolume | None, SarcopeniaError | None]:
    """The files' CT, moved as the node is, where the node shows it; else why not, if there are files."""
    if not files:
        return None, None
    try:
        told = _moved(_opened(files, source.series), source.world_from_file)
        _require_same(ct, told)
    except SarcopeniaError as error:
        return None, error
    except (OSError, ValueError):  # files on several drives have no common folder
        return None, InputError("The CT's files cannot be read any more", _LOAD_AGAIN)
    return told, None


def _require_same(ct: CtVolume, told: CtVolume) -> None:
    """Refuse files that are not what the node shows: another grid, other values on some slices."""
    try:
        require_same_grid(told, ct)
    except SarcopeniaError as error:
        problem = "The CT lies on another grid than its files: it was resampled, or its slices are uneven"
        remedy = "choose the CT as it was loaded, or assess its series by the command"
        raise InputError(problem, remedy) from error
    compared = np.unique(np.linspace(0, ct.slice_count - 1, _COMPARED_SLICES).round().astype(int))
    if not all(np.allclose(told.slab(k, k + 1), ct.slab(k, k + 1), rtol=0.0, atol=0.5) for k in compared):
        raise InputError("The CT has other values than its files", _LOAD_AGAIN)


def _no_dicom(source: Source) -> InputError:
    if source.lost is not None:
        return InputError(*source.lost)
    return InputError(
        "The CT was not loaded from DICOM files", "load its series by Slicer's module DICOM, and assess it"
    )


def _opened(files: Sequence[str], series: str | None) -> CtVolume:
    if len(files) == 1:
        return open_ct(files[0])
    folder = os.path.commonpath([str(Path(file).parent) for file in files])
    return open_ct(folder, series=series)


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


def _files_of(volume_node: Any, instances: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, str] | None]:
    """Files of a node that has not been changed since they were read; or none, and why."""
    storage = volume_node.GetStorageNode()
    if storage is not None and storage.GetFileName():
        if volume_node.GetModifiedSinceRead():
            return (), ("The CT was changed in Slicer, or comes from a saved scene", _LOAD_AGAIN)
        names = [storage.GetNthFileName(n) for n in range(storage.GetNumberOfFileNames())]
        files = _there(dict.fromkeys(filter(None, [storage.GetFullNameFromFileName(), *names])))
    else:
        files = instances if storage is None else ()
    return files, None if files else ("The DICOM files of the CT are not where they were", _LOAD_AGAIN)


def _there(names: Iterable[str]) -> tuple[str, ...]:
    """The files that are named, where all of them are there."""
    files = tuple(filter(None, names))
    return files if all(Path(file).is_file() for file in files) else ()


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
