"""Segmentation and report of a case against its record and its mask."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib import __version__
from SarcopeniaAssessLib import dicom_codes as codes
from SarcopeniaAssessLib.dicom_readback import ReadReport, ReadSegmentation, read_report, read_segmentation
from SarcopeniaAssessLib.dicom_results import NOT_WRITTEN, REPORT_SR, SEG, SEGMENTATION, SR
from SarcopeniaAssessLib.dicom_seg import ALGORITHM_TYPES
from SarcopeniaAssessLib.dicom_sr import evaluations, is_verified, numbers, sentences
from SarcopeniaAssessLib.dicom_uids import is_sealed, provenance_uid
from SarcopeniaAssessLib.errors import Finding, SarcopeniaError, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from SarcopeniaAssessLib.mask_verification import CaseMask

_CLOSE = 1e-9
_NEAR_MM = 0.01


def check_dicom(folder: Path, record: Mapping[str, Any], mask: CaseMask | None) -> Iterator[Finding]:
    """What contradicts in the DICOM files of a case; nothing where there should be none."""
    contents = {}
    for name in (SEGMENTATION, REPORT_SR):
        try:
            contents[name] = (folder / name).read_bytes()
        except OSError:
            continue
    if len(contents) < 2:
        yield from _missing(record, contents)
        return
    try:
        segmentation = read_segmentation(contents[SEGMENTATION])
    except SarcopeniaError as error:
        yield _error("segmentation_unreadable", f"{SEGMENTATION}: {error.problem}.")
        return
    try:
        report = read_report(contents[REPORT_SR])
    except SarcopeniaError as error:
        yield _error("report_unreadable", f"{REPORT_SR}: {error.problem}.")
        return
    for name, kind in ((SEGMENTATION, SEG), (REPORT_SR, SR)):
        if not is_sealed(contents[name], record["id"], kind):
            words = (
                f"{name} was changed after it was made, or is another record's: its UID is not its content's."
            )
            yield _error("seal_broken", words)
    yield from _segmentation_findings(record, mask, segmentation)
    yield from _report_findings(record, report)
    if report.segmentation_uid != segmentation.uid:
        yield _error("reference_broken", "The report refers to another segmentation.")
    if report.about != segmentation.about:
        yield _error("patient_differs", "Report and segmentation are not of one patient and study.")


def _missing(record: Mapping[str, Any], there: Mapping[str, bytes]) -> Iterator[Finding]:
    told = any(entry["code"] == NOT_WRITTEN for entry in record["quality"])
    if not there and (record["input"]["format"] != "dicom" or told):
        return
    if not there and "assessed_at" not in record:
        words = "An older version wrote no DICOM files."
        yield Finding("dicom_results_missing", Severity.WARNING, words)
        return
    for name in (SEGMENTATION, REPORT_SR):
        if name not in there:
            yield _error("file_missing", f"{name} is missing.")


def _segmentation_findings(
    record: Mapping[str, Any], mask: CaseMask | None, read: ReadSegmentation
) -> Iterator[Finding]:
    if read.tracking_uid != provenance_uid(record["id"]):
        yield _error("other_result", f"{SEGMENTATION} does not carry the record's provenance id.")
    if read.algorithm_type != ALGORITHM_TYPES[record["mask"]["source"]]:
        words = f"{SEGMENTATION} is {read.algorithm_type}, the record's mask {record['mask']['source']}."
        yield _error("segmentation_contradicts", words)
    if mask is None:
        return
    affine, k = mask.grid.ras_from_ijk, record["l3"]["slice_from_feet"]
    if not 0 <= k < mask.grid.slice_count:
        return
    native_k = mask.grid.axes.native_slice(k, mask.grid.slice_count)
    if not np.array_equal(read.pixels, mask.labels[:, :, native_k] != 0):
        yield _error("segmentation_differs", f"{SEGMENTATION} is not the mask.")
    place = np.stack([affine[:3, 0], affine[:3, 1], affine[:3, 3] + native_k * affine[:3, 2]])
    if not np.allclose(read.ras_from_ij, place, rtol=0.0, atol=_NEAR_MM):
        yield _error("segmentation_moved", f"{SEGMENTATION} lies elsewhere than the mask.")


def _report_findings(record: Mapping[str, Any], read: ReadReport) -> Iterator[Finding]:
    if read.tracking_uid != provenance_uid(record["id"]):
        yield _error("other_result", f"{REPORT_SR} does not carry the record's provenance id.")
    wanted = {name.value: value for name, value, _ in numbers(record)}
    for code in sorted(wanted.keys() | read.numbers.keys()):
        here, there = wanted.get(code), read.numbers.get(code)
        if here is None or there is None or not math.isclose(here, there, rel_tol=_CLOSE):
            yield _error("report_contradicts", f"{REPORT_SR}: {code} is {there}, the record has {here}.")
    for name, value in evaluations(record):
        if read.evaluations.get(name.value) != value.value:
            told = read.evaluations.get(name.value, "nothing")
            words = f"{REPORT_SR}: {name.value} is {told}, the record has {value.value}."
            yield _error("report_contradicts", words)
    if read.is_verified != is_verified(record):
        words = "" if read.is_verified else "not "
        yield _error("report_contradicts", f"{REPORT_SR} is {words}verified, against the record's review.")
    ids = [text for name, text in read.texts if name == codes.PROVENANCE.value]
    if ids != [record["id"]]:
        yield _error("report_contradicts", f"{REPORT_SR} tells another provenance id.")
    # Another version may use other words.
    own = [name.value for name in (codes.CRITERION, codes.REASON, codes.REMARK, codes.LEVEL, codes.COMMENT)]
    if record["software"]["version"] == __version__:
        said = [(name, text) for name, text in read.texts if name in own]
        if said != [(each.name.value, each.value) for each in sentences(record) if each.name.value in own]:
            yield _error("report_contradicts", f"{REPORT_SR}: its sentences are not the record's.")


def _error(code: str, message: str) -> Finding:
    return Finding(code, Severity.ERROR, message)
