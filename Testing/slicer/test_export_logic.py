"""SEG, SR and case folders of results in the scene: what an archive gets, and when it gets nothing."""

import json
from pathlib import Path

import numpy as np
import pytest
import slicer
from pydicom import dcmread

from SarcopeniaAssessLib.checksums import check_checksums
from SarcopeniaAssessLib.ct_io import read_label_map
from SarcopeniaAssessLib.errors import GeometryError, InputError, OutputError
from SarcopeniaAssessLib.slicer_bridge.logic import AssessLogic
from SarcopeniaAssessLib.verification import verify_folder
from Testing.library import ct_files, small_case
from Testing.slicer.host.dicom_database import load_from_database
from Testing.slicer.mrml_cases import add_transform, add_volume, edit, load_dicom, load_volume, moved
from Testing.slicer.test_review_logic import saved_and_loaded
from Testing.slicer.test_sources import dicom_folder, uneven_folder

pytestmark = pytest.mark.usefixtures("slicer_scene", "no_database")
ROWS_OF_LEVEL = 3
PATIENT = ("PatientName", "PatientID", "PatientBirthDate", "StudyDate", "AccessionNumber")


@pytest.fixture
def no_database():
    """The DICOM database of a test goes with it."""
    yield
    if hasattr(slicer, "dicomDatabase"):
        del slicer.dicomDatabase


@pytest.fixture
def files(tmp_path):
    return dicom_folder(tmp_path / "study", AccessionNumber="A-17", StudyDate="20260131")


@pytest.fixture
def assessed(logic, model, files):
    """A man's result of slice 3 of a series loaded from the database."""
    return logic.assess(load_from_database(files), "male", "slice:3", model=model)


def source_of_level(files):
    """The header of the file whose slice is the fourth from the feet: found by its position alone."""
    headers = [dcmread(file) for file in files]
    return sorted(headers, key=lambda header: header.ImagePositionPatient[2])[ROWS_OF_LEVEL]


def everything_agrees(out):
    return {each.name: [finding.code for finding in each.findings] for each in verify_folder(out)}


class TestSegmentationAndReport:
    def test_lie_on_the_slice_that_was_measured(self, logic, assessed, files, tmp_path):
        seg_path, sr_path = logic.exportDicom(assessed, tmp_path)
        assert [seg_path.name, sr_path.name] == ["study-muscle.seg.dcm", "study-report.sr.dcm"]
        seg, source = dcmread(seg_path), source_of_level(files)
        assert seg.SegmentSequence[0].SegmentAlgorithmType == "AUTOMATIC"
        assert seg.SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0].CodeValue == "127954009"
        named = seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence
        assert [item.ReferencedSOPInstanceUID for item in named] == [source.SOPInstanceUID]
        place = seg.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0].ImagePositionPatient
        np.testing.assert_allclose(np.array(place, float), np.array(source.ImagePositionPatient, float))
        assert seg.StudyInstanceUID == source.StudyInstanceUID
        hu = source.pixel_array.astype(int) - 1024
        np.testing.assert_array_equal(seg.pixel_array.squeeze() != 0, hu == 50)
        assert np.count_nonzero(seg.pixel_array) * 0.2 == small_case.MUSCLE_CM2, "4 mm × 5 mm a pixel"
        sr = dcmread(sr_path)
        assert sr.CurrentRequestedProcedureEvidenceSequence[0].StudyInstanceUID == source.StudyInstanceUID
        assert "136" in str(sr), "the area, in cm²"

    @pytest.mark.parametrize(
        ("decide", "flag", "final"),
        [
            (None, "UNVERIFIED", "PRELIMINARY"),
            (("accept", "A. Reader", ""), "UNVERIFIED", "FINAL"),
            (("accept", "A. Reader", "A Hospital"), "VERIFIED", "FINAL"),
            (("reject", "A. Reader", "A Hospital"), "UNVERIFIED", "PRELIMINARY"),
        ],
    )
    def test_only_what_was_accepted_for_an_organization_is_verified(
        self, logic, assessed, tmp_path, decide, flag, final
    ):
        if decide is not None:
            getattr(logic, decide[0])(assessed, *decide[1:])
        sr = dcmread(logic.exportDicom(assessed, tmp_path)[1])
        assert (sr.VerificationFlag, sr.PreliminaryFlag) == (flag, final)
        if flag == "VERIFIED":
            (observer,) = sr.VerifyingObserverSequence
            assert observer.VerifyingOrganization == "A Hospital"
            assert str(observer.VerifyingObserverName).startswith("A. Reader")

    def test_of_a_corrected_outline_say_so(self, logic, assessed, files, tmp_path):
        from SarcopeniaAssessLib.slicer_bridge import result_nodes

        edit(assessed, result_nodes.ct_node_of(assessed))
        seg = dcmread(logic.exportDicom(assessed, tmp_path)[0])
        assert seg.SegmentSequence[0].SegmentAlgorithmType == "SEMIAUTOMATIC"
        assert np.count_nonzero(seg.pixel_array) == 660, "680 pixels without 20"

    def test_name_nobody_unless_it_is_asked_for(self, logic, assessed, files, tmp_path):
        source = source_of_level(files)
        for path in logic.exportDicom(assessed, tmp_path):
            made = dcmread(path)
            assert [str(made.get(name) or "") for name in PATIENT] == [""] * 5
            assert made.PatientIdentityRemoved == "YES"
            assert b"Planted" not in path.read_bytes()
        for path in logic.exportDicom(assessed, tmp_path, keepIdentity=True):
            made = dcmread(path)
            assert [made[name].value for name in PATIENT] == [source[name].value for name in PATIENT]

    def test_say_the_same_again(self, logic, assessed, tmp_path):
        (tmp_path / "again").mkdir()
        once = [path.read_bytes() for path in logic.exportDicom(assessed, tmp_path)]
        again = [path.read_bytes() for path in logic.exportDicom(assessed, tmp_path / "again")]
        assert once == again

    def test_come_both_or_not_at_all(self, logic, assessed, tmp_path):
        (tmp_path / "study-report.sr.dcm").mkdir()
        with pytest.raises(OutputError, match="cannot be written"):
            logic.exportDicom(assessed, tmp_path)
        assert not (tmp_path / "study-muscle.seg.dcm").exists()

    def test_on_a_full_disk_leave_what_was_there(self, logic, assessed, tmp_path, monkeypatch):
        before = {path: path.read_bytes() for path in logic.exportDicom(assessed, tmp_path)}
        logic.accept(assessed, "A. Reader", "A Hospital")  # other bytes than before
        write = Path.write_bytes

        def full(path, content):
            write(path, content[:10] if "report" in path.name else content)
            if "report" in path.name:
                raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "write_bytes", full)
        with pytest.raises(OutputError, match="No space left"):
            logic.exportDicom(assessed, tmp_path)
        assert {path: path.read_bytes() for path in before} == before
        assert {path for path in tmp_path.iterdir() if path.is_file()} == set(before)


class TestNothingToReferTo:
    def test_a_file_that_is_no_dicom(self, logic, model, tmp_path):
        volume = load_volume(
            ct_files.write_nifti(tmp_path / "ct.nii.gz", small_case.ct(), small_case.affine())
        )
        node = logic.assess(volume, "male", "slice:3", model=model)
        with pytest.raises(InputError, match="not loaded from DICOM files"):
            logic.exportDicom(node, tmp_path)

    def test_a_volume_of_this_session(self, logic, model, tmp_path):
        node = logic.assess(add_volume(), "male", "slice:3", model=model)
        with pytest.raises(InputError, match="not loaded from DICOM files"):
            logic.exportDicom(node, tmp_path)

    def test_voxels_changed_after_they_were_loaded(self, logic, model, files, tmp_path):
        volume = load_from_database(files)
        slicer.util.arrayFromVolume(volume)[0, 0, 0] += 1
        slicer.util.arrayFromVolumeModified(volume)
        node = logic.assess(volume, "male", "slice:3", model=model)
        with pytest.raises(InputError, match="has other values than its files"):
            logic.exportDicom(node, tmp_path)
        del slicer.dicomDatabase
        logic.forget()
        with pytest.raises(InputError, match="was changed in Slicer"):
            logic.exportDicom(node, tmp_path)

    def test_a_slice_changed_between_those_that_are_compared(self, logic, model, files, tmp_path):
        """Of seven slices 0, 2, 3, 4 and 6 are compared, from either end; the measured one is too."""
        volume = load_from_database(files)
        volume.SetAndObserveStorageNodeID(None)  # only the database tells its files
        slicer.util.arrayFromVolume(volume)[[1, 5], 0, 0] += 1
        slicer.util.arrayFromVolumeModified(volume)
        node = logic.assess(volume, "male", "slice:1", model=model)
        with pytest.raises(InputError, match="not made of the CT's DICOM files"):
            logic.exportDicom(node, tmp_path)

    @pytest.mark.parametrize("gone", [slice(None), slice(2, 3)])
    def test_files_that_are_gone(self, logic, model, files, tmp_path, gone):
        volume = load_from_database(files)
        for file in files[gone]:
            file.unlink()
        node = logic.assess(volume, "male", "slice:3", model=model)
        with pytest.raises(InputError, match="not where they were"):
            logic.exportDicom(node, tmp_path)

    def test_a_file_that_goes_after_the_assessment(self, logic, assessed, files, tmp_path):
        level = next(file for file in files if dcmread(file) == source_of_level(files))
        level.unlink()
        with pytest.raises(InputError, match="cannot be read any more"):
            logic.exportDicom(assessed, tmp_path)
        assert list(tmp_path.glob("*.dcm")) == []

    def test_a_grid_of_its_own(self, logic, model, files, tmp_path):
        """Resampled: half the slices' distance, as *Crop volume* makes it, still with the instances' UIDs."""
        volume = load_from_database(files)
        finer = np.repeat(slicer.util.arrayFromVolume(volume), 2, axis=0)
        node = add_volume(finer.transpose(2, 1, 0)[::-1, ::-1].copy(), name="finer")
        node.SetAttribute("DICOM.instanceUIDs", volume.GetAttribute("DICOM.instanceUIDs"))
        made = logic.assess(node, "male", "slice:6", model=model)
        with pytest.raises(InputError, match="on another grid than its files"):
            logic.exportDicom(made, tmp_path)

    def test_a_transform_above_the_ct(self, logic, model, files, tmp_path):
        volume = load_from_database(files)
        volume.SetAndObserveTransformNodeID(add_transform(moved(0.0, 0.0, 12.0)).GetID())
        node = logic.assess(volume, "male", "slice:3", model=model)
        with pytest.raises(InputError, match="lies under a transform"):
            logic.exportDicom(node, tmp_path)

    def test_a_transform_taken_away_after_the_assessment(self, logic, model, files, tmp_path):
        volume = load_from_database(files)
        volume.SetAndObserveTransformNodeID(add_transform(moved(0.0, 0.0, 12.0)).GetID())
        node = logic.assess(volume, "male", "slice:3", model=model)
        volume.SetAndObserveTransformNodeID(None)
        with pytest.raises(GeometryError, match="lay elsewhere"):
            logic.exportDicom(node, tmp_path)

    def test_a_ct_that_lay_hardly_elsewhere(self, logic, model, files, tmp_path):
        """Near enough for its review, and still another place than the files'."""
        volume = load_from_database(files)
        volume.SetAndObserveTransformNodeID(add_transform(moved(0.0, 0.0, 1e-4)).GetID())
        node = logic.assess(volume, "male", "slice:3", model=model)
        volume.SetAndObserveTransformNodeID(None)
        with pytest.raises(InputError, match="not made of the CT's DICOM files"):
            logic.exportDicom(node, tmp_path)

    def test_a_header_without_uids(self, logic, model, tmp_path):
        volume = load_dicom(dicom_folder(tmp_path / "study", StudyInstanceUID=None))
        node = logic.assess(volume, "male", "slice:3", model=model)
        with pytest.raises(InputError, match="no StudyInstanceUID"):
            logic.exportDicom(node, tmp_path)

    def test_an_uneven_series_within_slicers_grid_is_written_at_its_own_place(self, logic, model, tmp_path):
        files = uneven_folder(tmp_path / "study")
        node = logic.assess(load_from_database(files), "male", "slice:3", model=model)
        seg = dcmread(logic.exportDicom(node, tmp_path)[0])
        place = seg.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0].ImagePositionPatient
        np.testing.assert_allclose(
            np.array(place, float), np.array(source_of_level(files).ImagePositionPatient, float)
        )


class TestASavedScene:
    def test_finds_its_dicom_files_by_the_database(self, logic, assessed, tmp_path):
        accepted = logic.accept(assessed, "A. Reader", "A Hospital")
        before = [path.read_bytes() for path in logic.exportDicom(assessed, tmp_path)]
        (loaded,) = saved_and_loaded(tmp_path / "scene.mrb")
        later = AssessLogic()
        assert later.record(loaded) == accepted
        (tmp_path / "later").mkdir()
        assert [path.read_bytes() for path in later.exportDicom(loaded, tmp_path / "later")] == before

    def test_finds_its_series_where_another_lies_beside_it(self, assessed, files, tmp_path):
        for file in dicom_folder(tmp_path / "other", SeriesInstanceUID="1.2.826.0.1.1.5"):
            file.rename(files[0].with_name(f"other_{file.name}"))
        (loaded,) = saved_and_loaded(tmp_path / "scene.mrb")
        seg = dcmread(AssessLogic().exportDicom(loaded, tmp_path)[0])
        assert seg.ReferencedSeriesSequence[0].SeriesInstanceUID == dcmread(files[0]).SeriesInstanceUID

    def test_that_was_assessed_from_its_own_file_is_told(self, logic, assessed, model, tmp_path):
        from SarcopeniaAssessLib.slicer_bridge import result_nodes

        (loaded,) = saved_and_loaded(tmp_path / "scene.mrb")
        later = AssessLogic()
        again = later.assess(result_nodes.ct_node_of(loaded), "male", "slice:3", model=model)
        assert later.record(again)["input"]["format"] != "dicom"
        with pytest.raises(InputError, match="not made of the CT's DICOM files"):
            later.exportDicom(again, tmp_path)

    def test_without_a_database_is_told(self, logic, assessed, tmp_path):
        (loaded,) = saved_and_loaded(tmp_path / "scene.mrb")
        del slicer.dicomDatabase
        with pytest.raises(InputError, match="comes from a saved scene"):
            AssessLogic().exportDicom(loaded, tmp_path)


class TestTheFolderOfACase:
    def test_verifies_and_holds_all_that_the_command_leaves(self, logic, assessed, files, tmp_path):
        accepted = logic.accept(assessed, "A. Reader", "A Hospital")
        out = tmp_path / "out"
        assert logic.exportCase(assessed, out) == out / "study"
        assert sorted(path.name for path in (out / "study").iterdir()) == [
            "SHA256SUMS",
            "assessment.json",
            "muscle.nii.gz",
            "muscle.seg.dcm",
            "overlay.png",
            "report.pdf",
            "report.sr.dcm",
        ]
        assert sorted(path.name for path in out.iterdir()) == ["assessments.csv", "study"]
        assert everything_agrees(out) == {"study": [], "assessments.csv": []}
        assert check_checksums(out / "study") == []
        assert json.loads((out / "study" / "assessment.json").read_text()) == accepted, "as it was accepted"
        mask = read_label_map(out / "study" / "muscle.nii.gz")
        assert np.count_nonzero(mask.labels) * 0.2 == small_case.MUSCLE_CM2
        assert dcmread(out / "study" / "report.sr.dcm").VerificationFlag == "VERIFIED"

    @pytest.mark.parametrize("edited", [False, True])
    def test_of_an_unreviewed_or_corrected_result_verifies(self, logic, assessed, tmp_path, edited):
        from SarcopeniaAssessLib.slicer_bridge import result_nodes

        if edited:
            edit(assessed, result_nodes.ct_node_of(assessed))
        logic.exportCase(assessed, tmp_path / "out", keepIdentity=True)
        assert everything_agrees(tmp_path / "out") == {"study": [], "assessments.csv": []}
        assert dcmread(tmp_path / "out" / "study" / "muscle.seg.dcm").PatientID == "PLANTED-ID"
        others = [p for p in (tmp_path / "out" / "study").iterdir() if p.suffix != ".dcm"]
        assert not [p.name for p in others if b"PLANTED" in p.read_bytes() or b"Planted" in p.read_bytes()]

    def test_of_another_format_has_no_dicom_files_and_verifies(self, logic, model, tmp_path):
        volume = load_volume(
            ct_files.write_nifti(tmp_path / "ct.nii.gz", small_case.ct(), small_case.affine())
        )
        node = logic.assess(volume, "male", "slice:3", model=model)
        case = logic.exportCase(node, tmp_path / "out")
        assert list(case.glob("*.dcm")) == []
        assert "dicom_results_missing" not in (case / "assessment.json").read_text(), "none were to be had"
        assert everything_agrees(tmp_path / "out") == {"ct": [], "assessments.csv": []}

    def test_of_a_series_whose_files_went_says_why_it_has_no_dicom_files(
        self, logic, assessed, files, tmp_path
    ):
        logic.accept(assessed, "A. Reader", "A Hospital")
        for file in files:
            file.unlink()
        logic.forget()
        case = logic.exportCase(assessed, tmp_path / "out")
        assert list(case.glob("*.dcm")) == []
        (told,) = [
            entry["message"]
            for entry in json.loads((case / "assessment.json").read_text())["quality"]
            if entry["code"] == "dicom_results_missing"
        ]
        assert told == ("No DICOM results were written: the DICOM files of the CT are not where they were.")
        assert everything_agrees(tmp_path / "out") == {"study": [], "assessments.csv": []}

    def test_never_takes_an_accepted_ones_place(self, logic, assessed, tmp_path):
        out = tmp_path / "out"
        logic.accept(assessed, "A. Reader")
        first = logic.exportCase(assessed, out)
        before = {path.name: path.read_bytes() for path in first.iterdir()}
        second = logic.exportCase(assessed, out, replaceCase=True)
        assert second == out / "study-2"
        assert json.loads((second / "assessment.json").read_text())["case"] == "study-2"
        assert {path.name: path.read_bytes() for path in first.iterdir()} == before
        assert everything_agrees(out) == {"study": [], "study-2": [], "assessments.csv": []}

    def test_replaces_nothing_unless_that_is_wanted(self, logic, assessed, tmp_path):
        first = logic.exportCase(assessed, tmp_path / "out")
        before = {path.name: path.read_bytes() for path in first.iterdir()}
        assert logic.exportCase(assessed, tmp_path / "out").name == "study-2"
        assert {path.name: path.read_bytes() for path in first.iterdir()} == before

    def test_replaces_what_nobody_has_accepted_where_that_is_wanted(self, logic, assessed, tmp_path):
        out = tmp_path / "out"
        logic.exportCase(assessed, out)
        logic.accept(assessed, "A. Reader")
        assert logic.exportCase(assessed, out, replaceCase=True) == out / "study"
        written = json.loads((out / "study" / "assessment.json").read_text())
        assert written["review"]["state"] == "accepted"
        assert everything_agrees(out) == {"study": [], "assessments.csv": []}
        assert sorted(path.name for path in out.iterdir()) == ["assessments.csv", "study"]

    def test_keeps_away_from_another_level_another_ct_and_what_is_no_case(
        self, logic, assessed, model, tmp_path
    ):
        from SarcopeniaAssessLib.slicer_bridge import result_nodes

        out = tmp_path / "out"
        (out / "study").mkdir(parents=True)
        (out / "study" / "notes.txt").write_text("mine")
        volume = result_nodes.ct_node_of(assessed)
        assert logic.exportCase(assessed, out, replaceCase=True).name == "study-2"
        other = logic.assess(volume, "male", "slice:4", model=model)
        assert logic.exportCase(other, out, replaceCase=True).name == "study-3"
        assert (out / "study" / "notes.txt").read_text() == "mine"

    def test_that_cannot_be_written_leaves_nothing(self, logic, assessed, tmp_path, monkeypatch):
        from SarcopeniaAssessLib import case_files

        def full(_path):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(case_files, "write_checksums", full)
        with pytest.raises(OutputError, match="disk is full"):
            logic.exportCase(assessed, tmp_path / "out")
        assert not Path(tmp_path / "out").exists()
