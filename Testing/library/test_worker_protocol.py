"""Requests, answers and errors survive their way as lines and files, exactly, and carry no patient."""

import json

import numpy as np
import pytest

from SarcopeniaAssessLib.assessment import Drawing, GivenFacts, ask
from SarcopeniaAssessLib.errors import DeviceError, LevelError, ModelError, Offer, WorkerError
from SarcopeniaAssessLib.level import Level, LevelMethod
from SarcopeniaAssessLib.level_choice import MeasuredLevel
from SarcopeniaAssessLib.measurement import Measurement
from SarcopeniaAssessLib.models import ModelEntry
from SarcopeniaAssessLib.patient import InputFacts, PatientFacts, Sex
from SarcopeniaAssessLib.uncertainty import Doubt
from SarcopeniaAssessLib.volume import ArraySource, CtVolume
from SarcopeniaAssessLib.worker_files import write_array
from SarcopeniaAssessLib.worker_lines import RemoteFault, error_from_wire, error_to_wire, line, message
from SarcopeniaAssessLib.worker_protocol import (
    DrawRequest,
    HelloRequest,
    LevelRequest,
    RemoteModel,
    drawing_from_wire,
    drawing_to_wire,
    request_from_wire,
    request_to_wire,
)
from Testing.library.ct_files import rotation
from Testing.library.small_case import affine, ct

ALTERNATIVE = Level(5, -391.5, LevelMethod.AUTO, 1 / 3, "ribs counted", "L4")
AUTO = Level(3, -403.5, LevelMethod.AUTO, 2 / 3, "ribs counted", "L3", (ALTERNATIVE,))


def through_a_line(words):
    sent = line(words)
    assert sent.endswith(b"\n")
    assert sent.count(b"\n") == 1
    sent.decode("ascii")
    return message(sent)


@pytest.fixture
def oblique():
    """A CT whose affine has no short decimals."""
    turned = np.eye(4)
    turned[:3, :3] = rotation(6, -4, 11)
    patient = PatientFacts(Sex.MALE, "dicom", 61.0, 1.7123, 71.0)
    return CtVolume(ArraySource(ct()), turned @ affine(), patient, InputFacts("nifti", "ab" * 32))


def test_a_question_crosses_without_its_patient(tmp_path, oblique):
    question = ask(oblique, GivenFacts(), l3=AUTO, case="Müller")
    write_array(tmp_path / "hu.npy", ct())
    request = DrawRequest(question, tmp_path / "größe.safetensors", "cuda:1", untiled=True)
    wire = through_a_line(request_to_wire(request, tmp_path / "hu.npy", tmp_path / "answer.npz"))
    told = json.dumps(wire)
    assert "ller" not in told
    assert not [word for word in ("male", "61.0", "71.0", "ab" * 32) if word in told]
    seen = request_from_wire(wire)
    np.testing.assert_array_equal(seen.question.volume.ras_from_ijk, oblique.ras_from_ijk)
    np.testing.assert_array_equal(seen.question.volume.slab(0, 7), oblique.slab(0, 7))
    assert seen.question.volume.patient == PatientFacts(height_m=1.7123)
    assert seen.question.level == AUTO
    assert (seen.model, seen.device, seen.untiled) == (request.model, "cuda:1", True)


def test_a_name_stays_a_name_and_the_default_the_default(tmp_path, oblique):
    write_array(tmp_path / "hu.npy", ct())
    for model in ("a-name", None):
        request = DrawRequest(ask(oblique, GivenFacts(), l3="slice:3"), model)
        assert request_from_wire(request_to_wire(request, tmp_path / "hu.npy", tmp_path / "a")).model == model


def test_uneven_slices_cross_with_their_places(tmp_path):
    origins = np.array([affine()[:3, 3] + (0, 0, 6.0 * k + 0.1 * (k > 4)) for k in range(7)])
    volume = CtVolume(ArraySource(ct()), affine(), slice_origins_mm=origins)
    write_array(tmp_path / "hu.npy", ct())
    wire = through_a_line(request_to_wire(LevelRequest(volume), tmp_path / "hu.npy", tmp_path / "a"))
    np.testing.assert_array_equal(request_from_wire(wire).volume.slice_depths_mm, volume.slice_depths_mm)


def test_what_is_not_a_request_is_refused():
    assert request_from_wire(request_to_wire(HelloRequest(), None, None)) == HelloRequest()
    with pytest.raises(ValueError, match="unknown request 'dance'"):
        request_from_wire({"do": "dance"})
    for raw in (b"Traceback (most recent call last):", b"[1]"):
        with pytest.raises(ValueError):  # noqa: PT011 - json's own words, or ours
            message(raw)


@pytest.mark.parametrize("neighbours", [(True, True), (False, True), (False, False)])
def test_a_drawing_crosses_exactly(tmp_path, oblique, neighbours):
    question = ask(oblique, GivenFacts(), l3=AUTO)
    rng = np.random.default_rng(3)
    masks = rng.random((3, 90, 64)) > 0.5
    entry = ModelEntry("a", "1", {"kind": "unet"}, {"slices": 3}, "nothing", sha256="ab" * 32)
    drawn = Drawing(
        mask=masks[0],
        hu=None,
        neighbours=tuple(m if there else None for m, there in zip(masks[1:], neighbours, strict=True)),
        model=RemoteModel(entry),
        device="cuda:1",
        fragments_removed_cm2=np.float64(1 / 3),
        timing_s={"network": 0.1 + 0.2},
        probability=rng.random((90, 64), np.float32),
        doubt=Doubt(1 / 7, 1 / 11),
        alternatives=(MeasuredLevel(ALTERNATIVE, Measurement(1 / 13, None, 1 / 17, 1 / 19)),),
    )
    wire = through_a_line(drawing_to_wire(drawn, tmp_path / "größe.npz"))
    there = drawing_from_wire(wire, question)
    np.testing.assert_array_equal(there.mask, drawn.mask)
    np.testing.assert_array_equal(there.probability, drawn.probability)
    np.testing.assert_array_equal(there.hu, oblique.slab(3, 4)[:, :, 0])
    for got, sent in zip(there.neighbours, drawn.neighbours, strict=True):
        assert (got is None) == (sent is None)
        assert got is None or (got == sent).all()
    assert there.model == drawn.model
    assert (there.device, there.doubt, there.timing_s) == (drawn.device, drawn.doubt, drawn.timing_s)
    assert there.fragments_removed_cm2 == 1 / 3
    assert there.alternatives == drawn.alternatives


@pytest.mark.parametrize("kept", [0, 100, 20_000])
def test_a_drawing_that_is_cut_off_is_told(tmp_path, oblique, kept):
    question = ask(oblique, GivenFacts(), l3=AUTO)
    mask = np.ones((90, 64), bool)
    entry = ModelEntry("a", "1", {"kind": "unet"}, {"slices": 3}, "nothing")
    drawn = Drawing(mask, None, model=RemoteModel(entry), probability=np.ones((90, 64), np.float32))
    answer = tmp_path / "answer.npz"
    wire = drawing_to_wire(drawn, answer)
    answer.write_bytes(answer.read_bytes()[:kept])
    with pytest.raises(ValueError, match="not whole"):
        drawing_from_wire(wire, question)


@pytest.mark.parametrize("kind", [ModelError, DeviceError, LevelError, WorkerError])
def test_the_librarys_errors_come_back_as_they_were(kind):
    there = error_from_wire(through_a_line(error_to_wire(kind("Größe unknown", "measure it"))))
    assert type(there) is kind
    assert (there.problem, there.remedy) == ("Größe unknown", "measure it")


def test_other_errors_are_told_as_far_as_they_can_be():
    there = error_from_wire(through_a_line(error_to_wire(OSError(28, "No space left on device"))))
    assert isinstance(there, RemoteFault)
    assert (there.type, there.errno) == ("OSError", 28)
    assert "OSError" in there.trace
    not_ours = {"kind": "Severity", "type": "Odd", "text": "", "errno": None, "trace": ""}
    assert error_from_wire(not_ours) == RemoteFault("Odd", "")


def test_an_error_with_an_offer_can_be_pickled():
    import pickle

    there = pickle.loads(pickle.dumps(WorkerError("no room", "run on the CPU", Offer.CPU, "trace")))
    assert (there.problem, there.offer, there.details) == ("no room", Offer.CPU, "trace")
