"""`verify` on what was left alone, and on planted manipulations: each is found.

Who manipulates renews the checksums too, where it can be done, so that what is found is a contradiction.
"""

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner
from pydicom import dcmread

from SarcopeniaAssessLib.__main__ import cli
from SarcopeniaAssessLib.audit import append
from SarcopeniaAssessLib.case_files import write_case
from SarcopeniaAssessLib.checksums import CHECKSUMS, write_checksums
from SarcopeniaAssessLib.dicom_uids import seal
from SarcopeniaAssessLib.errors import InputError
from SarcopeniaAssessLib.results import OutputFolder
from SarcopeniaAssessLib.verification import verify_case, verify_folder
from Testing.library.dicom_cases import accepted, assessed, write_ct


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """An output folder of two cases, with its table and an audit log."""
    place = tmp_path_factory.mktemp("verify")
    out = place / "out"
    first, second = (assessed(write_ct(place / f"ct{n}"), k=n) for n in (3, 4))
    second.record["case"] = "two"
    with OutputFolder(out) as folder:
        for made in (first, second):
            case = made.record["case"]
            folder.publish(*folder.stage(case, lambda part, made=made: write_case(part, made)))
    for made in (first, second):
        append(out / "audit.jsonl", "accepted", accepted(made).record)
    return out


@pytest.fixture
def out(originals, tmp_path):
    return Path(shutil.copytree(originals, tmp_path / "out"))


def codes(out):
    return {(each.name, f.code) for each in verify_folder(out) for f in each.findings}


def of_case(out):
    """Codes of the first case and of the table; a renewed record no longer fits its row."""
    return {code for name, code in codes(out) if name in ("one", "assessments.csv")}


def test_nothing_is_found_in_what_was_left_alone(out):
    assert codes(out) == set()
    assert [each.name for each in verify_folder(out)] == ["one", "two", "assessments.csv", "audit.jsonl"]
    assert verify_folder(out / "one") == [verify_case(out / "one")]
    assert verify_case(out / "one").is_whole


def record_changed(block, **changes):
    def change(case):
        path = case / "assessment.json"
        record = json.loads(path.read_text(encoding="utf-8"))
        if block is None:
            record |= changes
        else:
            record[block] |= changes
        path.write_text(json.dumps(record, ensure_ascii=False), encoding="utf-8")

    return change


def area_made_larger(case):
    path = case / "assessment.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    record["muscle"]["sma_cm2"] *= 1.02
    record["muscle"]["smi_cm2_m2"] *= 1.02
    path.write_text(json.dumps(record), encoding="utf-8")


def remark_taken_out(case):
    path = case / "assessment.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    del record["quality"][0]
    path.write_text(json.dumps(record), encoding="utf-8")


def mask_changed(edit):
    def change(case):
        image = nib.load(case / "muscle.nii.gz")
        labels, affine = np.asanyarray(image.dataobj).copy(), image.affine.copy()
        edit(labels, affine)
        nib.save(nib.Nifti1Image(labels, affine), case / "muscle.nii.gz")

    return change


def one_pixel_moved(labels, affine):
    """The area stays as it was."""
    i, j, k = np.argwhere(labels)[0]
    labels[i, j, k], labels[0, 0, k] = 0, 1


def moved_aside(labels, affine):
    affine[0, 3] += 4


def dicom_changed(name, edit, resealed=None):
    def change(case):
        read = dcmread(case / name)
        edit(read)
        if resealed is None:
            read.save_as(case / name)
            return
        record = json.loads((case / "assessment.json").read_text(encoding="utf-8"))
        (case / name).write_bytes(seal(read, record["id"], resealed)[0])

    return change


def pixel_flipped(read):
    read.PixelData = bytes([read.PixelData[0] ^ 1]) + read.PixelData[1:]


def named(read):
    read.PatientName, read.PatientID = "Other^Patient", "77"


def moved(read):
    place = read.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0]
    place.ImagePositionPatient = [float(place.ImagePositionPatient[0]) + 4, *place.ImagePositionPatient[1:]]


def group(read):
    return read.ContentSequence[-1].ContentSequence[0].ContentSequence


def area_said_otherwise(read):
    (area,) = (item for item in group(read) if item.ConceptNameCodeSequence[0].CodeValue == "42798000")
    area.MeasuredValueSequence[0].NumericValue = "90.0"
    area.MeasuredValueSequence[0].FloatingPointValue = 90.0


def status_said_otherwise(read):
    (status,) = (item for item in group(read) if item.ConceptNameCodeSequence[0].CodeValue == "STATUS")
    status.ConceptCodeSequence[0].CodeValue = "SARCOPENIC"


def verified(read):
    read.VerificationFlag = "VERIFIED"


def of_the_other(name):
    def change(case):
        shutil.copy(case.parent / "two" / name, case / name)

    return change


def without(name):
    def change(case):
        (case / name).unlink()

    return change


ID = "5b1f0c1e-7c0e-4f0e-9a53-1f6b2c3d4e5f"
REVIEWED = {"state": "accepted", "reviewer": "Nobody", "organization": "X", "at": "2026-01-01T00:00:00Z"}
SEG, SR = "muscle.seg.dcm", "report.sr.dcm"

MANIPULATIONS = [
    ("a larger area", area_made_larger, {"area_contradicts", "report_contradicts", "table_row_differs"}),
    ("another mean HU", record_changed("muscle", mean_hu=49.0), {"report_contradicts"}),
    ("another interval", record_changed("muscle", sma_interval_cm2=[90.0, 140.0]), {"status_contradicts"}),
    ("another cut-off", record_changed("status", cutoff=140.0, value="sarcopenic"), {"status_contradicts"}),
    ("a small cut-off", record_changed("status", cutoff=91.0), {"status_contradicts"}),
    ("no longer borderline", record_changed("status", borderline=True), {"status_contradicts"}),
    ("another sex", record_changed("patient", sex="male"), {"status_contradicts"}),
    ("a forged acceptance", record_changed("review", **REVIEWED), {"report_contradicts"}),
    ("a remark taken out", remark_taken_out, {"report_contradicts"}),
    ("another id", record_changed(None, id=ID), {"other_result", "seal_broken"}),
    ("another slice", record_changed("l3", slice_from_feet=4), {"mask_slice_differs"}),
    ("another level", record_changed("l3", superior_mm=-400.0), {"mask_level_differs"}),
    (
        "a mask that was drawn otherwise",
        record_changed("mask", source="edited"),
        {"segmentation_contradicts"},
    ),
    ("a pixel of the mask", mask_changed(one_pixel_moved), {"segmentation_differs"}),
    ("a mask moved aside", mask_changed(moved_aside), {"segmentation_moved"}),
    ("a pixel of the SEG", dicom_changed(SEG, pixel_flipped), {"seal_broken", "segmentation_differs"}),
    (
        "a sealed pixel",
        dicom_changed(SEG, pixel_flipped, "SEG"),
        {"segmentation_differs", "reference_broken"},
    ),
    ("a SEG of a patient", dicom_changed(SEG, named), {"seal_broken", "patient_differs"}),
    ("a SEG moved", dicom_changed(SEG, moved, "SEG"), {"segmentation_moved", "reference_broken"}),
    ("an area of the SR", dicom_changed(SR, area_said_otherwise), {"seal_broken", "report_contradicts"}),
    ("a sealed area", dicom_changed(SR, area_said_otherwise, "SR"), {"report_contradicts"}),
    ("a status of the SR", dicom_changed(SR, status_said_otherwise, "SR"), {"report_contradicts"}),
    ("a verified SR", dicom_changed(SR, verified, "SR"), {"report_contradicts"}),
    ("the SR of the other", of_the_other(SR), {"other_result", "seal_broken", "reference_broken"}),
    ("the SEG of the other", of_the_other(SEG), {"other_result", "seal_broken", "segmentation_moved"}),
    ("the page of the other", of_the_other("report.pdf"), {"other_result"}),
    ("the mask of the other", of_the_other("muscle.nii.gz"), {"mask_slice_differs"}),
    ("the record of the other", of_the_other("assessment.json"), {"other_result", "table_row_differs"}),
    ("no SR", without(SR), {"file_missing"}),
    ("no SEG and no SR", lambda case: (without(SR)(case), without(SEG)(case)), {"file_missing"}),
    ("no mask", without("muscle.nii.gz"), {"mask_unreadable"}),
    ("no page", without("report.pdf"), {"file_missing"}),
]


@pytest.mark.parametrize(
    ("change", "wanted"), [m[1:] for m in MANIPULATIONS], ids=[m[0] for m in MANIPULATIONS]
)
def test_a_manipulation_is_found_though_the_checksums_were_renewed(out, change, wanted):
    change(out / "one")
    write_checksums(out / "one")
    assert wanted <= of_case(out)
    assert not any(name == "two" for name, _ in codes(out))


@pytest.mark.parametrize("name", ["assessment.json", "muscle.nii.gz", "overlay.png", "report.pdf", SEG, SR])
def test_a_byte_is_found_by_its_checksum(out, name):
    path = out / "one" / name
    content = path.read_bytes()
    path.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    assert "file_changed" in of_case(out)


def edited(path, change):
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")


def table_edited(out):
    edited(out / "assessments.csv", lambda text: text.replace("not sarcopenic", "sarcopenic", 1))


def table_cut(out):
    edited(out / "assessments.csv", lambda text: "".join(text.splitlines(keepends=True)[:-1]))


def table_of_no_text(out):
    (out / "assessments.csv").write_bytes(b"\xff\xfe\xff")


def case_taken_away(out):
    shutil.rmtree(out / "two")


def cases_swapped(out):
    (out / "one").rename(out / "three")
    (out / "two").rename(out / "one")
    (out / "three").rename(out / "two")


def line_edited(out):
    edited(out / "audit.jsonl", lambda text: text.replace("Ada", "Ida", 1))


def line_taken_off(out):
    edited(out / "audit.jsonl", lambda text: text.splitlines(keepends=True)[0])


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (table_edited, ("assessments.csv", "table_row_differs")),
        (table_cut, ("assessments.csv", "table_row_missing")),
        (table_of_no_text, ("assessments.csv", "table_unreadable")),
        (case_taken_away, ("assessments.csv", "table_case_missing")),
        (cases_swapped, ("assessments.csv", "table_row_differs")),
        (line_edited, ("audit.jsonl", "audit_line_changed")),
        (line_taken_off, ("audit.jsonl", "audit_line_missing")),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_manipulation_of_the_whole_folder_is_found(out, change, wanted):
    change(out)
    assert wanted in codes(out)


def test_an_older_folder_is_verified_as_far_as_it_goes(out):
    for name in (SEG, SR, CHECKSUMS):
        (out / "one" / name).unlink()
    path = out / "one" / "assessment.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    del record["assessed_at"]
    path.write_text(json.dumps(record), encoding="utf-8")
    assert of_case(out) == {"checksums_missing", "dicom_results_missing"}
    assert verify_case(out / "one").is_whole


def test_a_record_that_is_none_is_told_and_the_rest_verified(out):
    (out / "one" / "assessment.json").write_text("{", encoding="utf-8")
    assert {("one", "record_invalid"), ("one", "file_changed")} <= codes(out)


@pytest.mark.parametrize("made", ["empty", "other", "absent"])
def test_a_folder_that_holds_no_case_is_refused(tmp_path, made):
    place = tmp_path / made
    if made != "absent":
        place.mkdir()
    if made == "other":
        (place / "a").mkdir()
        (place / "a" / "picture.png").write_bytes(b"x")
    with pytest.raises(InputError, match="no case of this program"):
        verify_folder(place)


def test_the_command_tells_each_case_and_its_status(out):
    done = CliRunner().invoke(cli, ["verify", str(out)], standalone_mode=False)
    assert done.return_value == 0
    assert done.stdout.splitlines() == [
        *(f"{name}  agrees" for name in ("one", "two", "assessments.csv")),
        "audit.jsonl  2 lines, the chain is whole",
    ]
    area_made_larger(out / "one")
    done = CliRunner().invoke(cli, ["verify", str(out / "one")], standalone_mode=False)
    assert done.return_value == 1
    assert "one  contradicts itself" in done.stdout
    assert "sarcopenia: one: The mask measures 136.00 cm²" in done.stderr
