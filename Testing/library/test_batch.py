"""Inputs become outcomes: none stops another, and the model is loaded once."""

import pickle

import numpy as np
import pytest

from SarcopeniaAssessLib import batch
from SarcopeniaAssessLib.assessment import GivenFacts
from SarcopeniaAssessLib.batch import Bench, Outcome, Request, Task, one_line, outcomes, quiet_libraries
from SarcopeniaAssessLib.errors import InputError
from SarcopeniaAssessLib.results import Existing, OutputFolder
from Testing.library.ct_files import store, write_dicom
from Testing.library.small_case import (
    LEVEL,
    MUSCLE_CM2,
    affine,
    area_cm2,
    ct,
    muscle,
    write_model,
    write_nifti,
)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    write_nifti(folder / "good.nii.gz", ct())
    (folder / "empty.nii.gz").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def request_of(files):
    model = str(write_model(files / "everything.safetensors"))

    def make(**changes):
        return Request(**{"facts": GivenFacts("male"), "l3": f"slice:{LEVEL}", "model": model, **changes})

    return make


def task(files, name="good"):
    return Task(name, str(files / f"{name}.nii.gz"))


def test_one_input_one_outcome(files, request_of):
    (done,) = Bench(request_of()).outcomes(task(files))
    assert done.record["muscle"]["sma_cm2"] == pytest.approx(MUSCLE_CM2)
    assert done.record["case"] == "good"
    assert done.problem is done.part is None
    assert any("6 mm apart" in words for words in done.warnings)


def test_a_failure_is_an_outcome_and_the_next_input_is_assessed(files, request_of):
    done = list(outcomes([task(files, "empty"), task(files, "none"), task(files)], request_of()))
    problems = [found[0].problem for _, found in done]
    assert problems[0].startswith("The file is empty; ")
    assert problems[1].startswith("There is no such file")
    assert problems[2] is None
    assert "Traceback" in done[0][1][0].trace


def test_the_model_is_loaded_once_and_only_when_needed(files, request_of, monkeypatch):
    loaded = []
    real = batch.load_model
    monkeypatch.setattr(batch, "load_model", lambda *given: loaded.append(given) or real(*given))
    list(outcomes([task(files, "empty")], request_of()))
    assert not loaded
    list(outcomes([task(files), task(files), task(files)], request_of()))
    assert len(loaded) == 1


def test_a_model_that_cannot_be_loaded_is_tried_once_and_told_of_every_case(files, request_of, monkeypatch):
    tried = []
    real = batch.load_model
    monkeypatch.setattr(batch, "load_model", lambda *given: tried.append(given) or real(*given))
    done = list(outcomes([task(files), task(files)], request_of(model="none-such")))
    assert [found[0].problem.startswith("there is no model") for _, found in done] == [True, True]
    assert len(tried) == 1


def test_files_wait_under_a_hidden_name(files, request_of, tmp_path):
    (done,) = Bench(request_of(out=tmp_path)).outcomes(task(files))
    assert done.part.parent == tmp_path
    assert done.part.name.startswith(".good.")
    assert (done.part / "muscle.nii.gz").is_file()
    assert done.record["timing_s"]["write"] > 0


def test_outcomes_travel_between_processes(files, request_of, tmp_path):
    (done,) = Bench(request_of(out=tmp_path)).outcomes(task(files))
    assert pickle.loads(pickle.dumps(done)) == done
    failed = Outcome.failed("x", InputError("a", "b"))
    assert pickle.loads(pickle.dumps(failed)) == failed


def publish(request, found):
    with OutputFolder(request.out, request.existing) as folder:
        for outcome in found:
            folder.publish(outcome.part, outcome.record)


@pytest.mark.parametrize(
    ("changes", "differs"),
    [
        ({}, None),
        ({"l3": "s:-403.5"}, None),
        ({"facts": GivenFacts("male", age_years=70)}, None),
        ({"l3": "slice:2"}, "L3 differs"),
        ({"facts": GivenFacts("female")}, "sex differs"),
        ({"facts": GivenFacts()}, "sex differs"),
        ({"criteria": ("bhardwaj2025",)}, None),
        ({"criteria": ("derstine2018",)}, "criterion differs"),
    ],
    ids=str,
)
def test_resume_keeps_what_was_asked_for_alike(files, request_of, tmp_path, changes, differs):
    first = request_of(out=tmp_path)
    with OutputFolder(tmp_path) as folder:
        (done,) = Bench(first).outcomes(task(files))
        folder.publish(done.part, done.record)
    (again,) = Bench(request_of(out=tmp_path, existing=Existing.RESUME, **changes)).outcomes(task(files))
    if differs is None:
        assert again.record == done.record
        assert again.part is None
    else:
        assert differs in again.problem


def test_untiled_is_another_model_to_resume(files, request_of, tmp_path):
    seen = {"in_plane_mm": 4.0, "slice_mm": 6.0, "slices": 3, "tile": 16}
    model = str(write_model(tmp_path / "tiled.safetensors", preprocessing=seen))
    out = tmp_path / "out"
    with OutputFolder(out) as folder:
        (done,) = Bench(request_of(out=out, model=model)).outcomes(task(files))
        (at_once,) = Bench(request_of(model=model, untiled=True)).outcomes(task(files))
        assert (done.problem, at_once.problem) == (None, None)
        assert (done.record["model"]["version"], at_once.record["model"]["version"]) == ("1", "1, untiled")
        folder.publish(done.part, done.record)
    resumed = request_of(out=out, model=model, untiled=True, existing=Existing.RESUME)
    (refused,) = Bench(resumed).outcomes(task(files))
    assert "model differs" in refused.problem


def test_resume_of_another_ct_with_the_same_name_is_refused(files, request_of, tmp_path):
    with OutputFolder(tmp_path / "out") as folder:
        (done,) = Bench(request_of(out=tmp_path / "out")).outcomes(task(files))
        folder.publish(done.part, done.record)
    other = ct()
    other[40, 40, 6] += 1
    path = write_nifti(tmp_path / "good.nii.gz", other)
    request = request_of(out=tmp_path / "out", existing=Existing.RESUME)
    (again,) = Bench(request).outcomes(Task("good", str(path)))
    assert "input.sha256 differs" in again.problem


def test_resume_of_another_mask_is_refused(files, tmp_path):
    out = tmp_path / "out"
    mask = write_nifti(tmp_path / "mask.nii.gz", muscle())
    asked = Task("mask", str(mask), is_mask=True, ct=str(files / "good.nii.gz"))
    with OutputFolder(out) as folder:
        (done,) = Bench(Request(l3="slice:3", out=out)).outcomes(asked)
        folder.publish(done.part, done.record)
    request = Request(l3="slice:3", out=out, existing=Existing.RESUME)
    (same,) = Bench(request).outcomes(asked)
    assert same.record == done.record
    changed = muscle()
    changed[26, 14, 3] = 0
    write_nifti(mask, changed)
    (other,) = Bench(request).outcomes(asked)
    assert "mask differs" in other.problem


@pytest.fixture(scope="module")
def two_series(tmp_path_factory):
    """A folder of two phases of one patient, and vertebra labels that lie on slice 3 of both."""
    folder = tmp_path_factory.mktemp("dicom")
    native, ras = store(ct(), affine(), (0, 1, 2), (True, True, False))
    brighter = native.copy()
    brighter[native == 50] = 90
    for uid, values, words in (
        ("1.2.826.0.1.7", native, "plain"),
        ("1.2.826.0.1.8", brighter, "portal\nphase"),
    ):
        write_dicom(
            folder / words[:3], values, ras, SeriesInstanceUID=uid, SeriesDescription=words, PatientSex="F"
        )
    labels = np.zeros(native.shape, np.uint8)
    labels[40:50, 30:40, 3] = 29
    return folder, write_nifti(folder.parent / "labels.nii.gz", labels, ras)


def test_each_series_is_a_case_of_its_own_where_the_level_fits_all(two_series, request_of):
    folder, labels = two_series
    request = request_of(facts=GivenFacts(), l3=f"labels:{labels}=29")
    done = list(Bench(request).outcomes(Task("patient", str(folder))))
    assert [outcome.case for outcome in done] == ["patient-1", "patient-2"]
    assert [outcome.record["case"] for outcome in done] == ["patient-1", "patient-2"]
    assert [round(outcome.record["muscle"]["mean_hu"]) for outcome in done] == [50, 90]
    assert [outcome.record["muscle"]["sma_cm2"] for outcome in done] == pytest.approx([area_cm2(3)] * 2)
    assert done[0].record["patient"]["sex_source"] == "dicom"
    for words in ("number 4", "UID 1.2.826.0.1.8", "portal phase", "7 slices"):
        assert words in done[1].note


def test_a_slice_is_one_series_own(two_series, request_of):
    folder, _ = two_series
    (refused,) = Bench(request_of()).outcomes(Task("patient", str(folder)))
    for words in (
        "2 axial CT series",
        "UID 1.2.826.0.1.7",
        "plain",
        "7 slices",
        "; choose one with --series UID",
    ):
        assert words in refused.problem
    (chosen,) = Bench(request_of(series="1.2.826.0.1.8")).outcomes(Task("patient", str(folder)))
    assert chosen.case == "patient"
    assert chosen.record["muscle"]["mean_hu"] == pytest.approx(90)


def test_processes_of_their_own_give_the_same(files, request_of, tmp_path):
    tasks = [task(files), task(files, "empty")]
    found = {asked.case: made for asked, made in outcomes(tasks, request_of(out=tmp_path), jobs=2)}
    assert found["good"][0].record["muscle"]["sma_cm2"] == pytest.approx(MUSCLE_CM2)
    assert (found["good"][0].part / "report.pdf").is_file()
    assert found["empty"][0].problem.startswith("The file is empty")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (InputError("Two\nlines", "do\tthis"), "Two lines; do this"),
        (
            MemoryError(),
            "The memory of this computer does not suffice; close other programs, or give fewer --jobs",
        ),
        (
            ValueError("Doe^John"),
            "Something unexpected happened (ValueError); run again with --debug and report it",
        ),
    ],
)
def test_every_error_is_one_line_with_a_remedy_and_no_foreign_words(error, line):
    assert one_line(error) == line


def test_other_libraries_are_silent_only_meanwhile(caplog):
    import logging
    import warnings

    with quiet_libraries():
        logging.getLogger("pydicom").error("Doe^John")
        warnings.warn("Doe^John", stacklevel=1)
    assert not caplog.records
    logging.getLogger("pydicom").error("heard")
    assert [entry.message for entry in caplog.records] == ["heard"]
