"""The warm worker as its program meets it: real processes that draw, are killed, frozen and starved."""

import json
import os
import resource
import shutil
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from SarcopeniaAssessLib import assessment, models
from SarcopeniaAssessLib.assessment import GivenFacts, ask, assess, conclude
from SarcopeniaAssessLib.errors import DeviceError, LevelError, MaskError, ModelError, Offer, WorkerError
from SarcopeniaAssessLib.model_file import read_entry
from SarcopeniaAssessLib.volume import CtVolume
from SarcopeniaAssessLib.worker_client import (
    DrawRequest,
    Failed,
    Finished,
    HelloRequest,
    Job,
    LevelRequest,
    Limits,
    LocalWorker,
    Progress,
    WarmWorker,
    draw_in_worker,
)
from SarcopeniaAssessLib.worker_lines import PROTOCOL
from SarcopeniaTraining.spine_scans.drawing import draw_spine_scan
from Testing.library.small_case import LEVEL, affine, ct, muscle, write_model

GUARD_S = 120.0
"""Against a test that hangs; nothing is timed."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A place whose name no plain letters write: of the models, and of the worker's files."""
    made = tmp_path_factory.mktemp("worker") / "Größe 患者"
    made.mkdir()
    return made


@pytest.fixture(scope="module")
def model_file(folder):
    return write_model(folder / "alles-ü.safetensors")


@pytest.fixture(scope="module")
def volume():
    return CtVolume.from_array(ct(), affine())


@pytest.fixture(scope="module")
def question(volume):
    return ask(volume, GivenFacts("male", 60, 1.75), l3=f"slice:{LEVEL}")


@pytest.fixture(scope="module")
def warm(folder, model_file):
    """One worker for all tests; its registry has a model whose weights were altered."""
    shutil.copy(model_file, folder / "altered.safetensors")
    entry = replace(read_entry(model_file), name="altered", file="altered.safetensors", sha256="0" * 64)
    (folder / "Models.json").write_text(json.dumps({"models": [entry.to_mapping()]}))
    with WarmWorker(environment=os.environ | {"SARCOPENIA_MODELS": str(folder)}, within=folder) as worker:
        yield worker


@contextmanager
def starved(pid, limit, amount):
    """A running process that is given no more of something than so much."""
    before = resource.prlimit(pid, limit)
    resource.prlimit(pid, limit, (amount, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, limit, before)


def kilobytes(pid, name):
    """A line of what the kernel says of a process's memory."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def without_chance(record):
    """A record without what differs from run to run."""
    return {name: value for name, value in record.items() if name not in ("id", "timing_s", "assessed_at")}


def test_the_muscle_comes_back_as_it_is_drawn_here(warm, question, model_file):
    job = warm.submit(DrawRequest(question, model_file, "cpu"))
    there = job.result(GUARD_S)
    here = LocalWorker().submit(DrawRequest(question, model_file, "cpu")).result()
    np.testing.assert_array_equal(there.mask, muscle()[:, :, LEVEL] == 1)
    for name in ("mask", "hu", "probability"):
        np.testing.assert_array_equal(getattr(there, name), getattr(here, name))
        assert getattr(there, name).dtype == getattr(here, name).dtype
    np.testing.assert_array_equal(there.neighbours, here.neighbours)
    assert asdict(there.doubt) == asdict(here.doubt)
    assert there.model.entry == here.model.entry
    assert not hasattr(here.model, "network"), "a result in the scene holds no network"
    assert set(there.timing_s) == set(here.timing_s)


def test_the_record_is_that_of_assess(warm, volume, question, model_file):
    drawing = draw_in_worker(question, warm, model_file, "cpu")
    made = conclude(question, drawing).record
    expected = assess(
        volume, sex="male", age_years=60, height_m=1.75, l3=f"slice:{LEVEL}", model=model_file, device="cpu"
    ).record
    assert without_chance(made) == without_chance(expected)
    assert made["timing_s"]["network"] > 0
    assert made["model"]["sha256"] == expected["model"]["sha256"]


def test_the_process_and_its_model_are_kept_between_clicks(warm, question, model_file):
    warm.submit(DrawRequest(question, model_file, "cpu")).result(GUARD_S)
    pid, folder = warm.pid, sorted(warm.folder().glob("*.npy"))
    job = warm.submit(DrawRequest(question, model_file, "cpu"))
    events = []
    while not job.is_over:
        events += job.poll()
    assert isinstance(events[-1], Finished)
    texts = [event.text for event in events if isinstance(event, Progress)]
    assert not [text for text in texts if "Loading" in text]
    assert [text for text in texts if "part 3 of 3" in text]
    fractions = [event.fraction for event in events if isinstance(event, Progress)]
    assert fractions == sorted(fractions)
    assert warm.pid == pid
    assert sorted(warm.folder().glob("*.npy")) == folder


def still_draws(worker, question, model_file, pid):
    """The same process answers the next click."""
    drawing = worker.submit(DrawRequest(question, model_file, "cpu")).result(GUARD_S)
    np.testing.assert_array_equal(drawing.mask, muscle()[:, :, LEVEL] == 1)
    assert worker.pid == pid
    assert sorted(path.suffix for path in worker.folder().iterdir()) == [".log", ".npy"]


def test_want_of_memory_is_told_and_the_worker_goes_on(warm, question, model_file):
    warm.submit(DrawRequest(question, model_file, "cpu")).result(GUARD_S)
    pid = warm.pid
    wide = CtVolume.from_array(np.tile(ct(), (8, 10, 1)), affine())
    wanted = DrawRequest(ask(wide, GivenFacts(), l3="slice:3"), model_file, "cpu")
    job = warm.submit(wanted)
    with (
        starved(pid, resource.RLIMIT_AS, (kilobytes(pid, "VmSize") + 4096) * 1024),
        pytest.raises(WorkerError, match="The memory of this computer does not suffice") as told,
    ):
        job.result(GUARD_S)
    assert told.value.offer == Offer.AGAIN
    assert warm.submit(wanted).result(GUARD_S).mask.any(), "with memory it can be drawn"
    still_draws(warm, question, model_file, pid)


def test_a_full_disk_is_told_and_the_worker_goes_on(warm, question, model_file):
    warm.submit(DrawRequest(question, model_file, "cpu")).result(GUARD_S)
    pid = warm.pid
    with (
        starved(pid, resource.RLIMIT_FSIZE, 4096),
        pytest.raises(WorkerError, match="disk of the temporary folder is full"),
    ):
        warm.submit(DrawRequest(question, model_file, "cpu")).result(GUARD_S)
    still_draws(warm, question, model_file, pid)


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"model": "altered"}, ModelError, "the weights have the sha256"),
        ({"model": "nowhere"}, ModelError, "there is no model 'nowhere'"),
        ({"model": Path("nowhere.safetensors")}, ModelError, "nowhere.safetensors"),
        ({"device": "cuda:7"}, DeviceError, "device cuda:7 was asked for"),
        ({"device": "abacus"}, DeviceError, "there is no device 'abacus'"),
    ],
    ids=str,
)
def test_the_librarys_errors_are_raised_here_as_there(warm, question, model_file, changes, kind, words):
    warm.submit(DrawRequest(question, model_file, "cpu")).result(GUARD_S)
    pid = warm.pid
    with pytest.raises(kind, match=words):
        warm.submit(replace(DrawRequest(question, model_file, "cpu"), **changes)).result(GUARD_S)
    still_draws(warm, question, model_file, pid)


def test_a_slice_without_muscle_is_told(warm, model_file):
    empty = CtVolume.from_array(np.where(ct() == 50, -100, ct()).astype(np.int16), affine())
    question = ask(empty, GivenFacts(), l3="slice:3")
    for worker in (warm, LocalWorker()):
        with pytest.raises(MaskError, match="finds no muscle"):
            draw_in_worker(question, worker, model_file, "cpu")


def test_another_ct_is_handed_over_and_the_first_forgotten(warm, question, model_file):
    moved = np.roll(ct(), 2, axis=0)
    other = ask(CtVolume.from_array(moved, affine()), GivenFacts(), l3="slice:3")
    np.testing.assert_array_equal(draw_in_worker(other, warm, model_file, "cpu").mask, moved[:, :, 3] == 50)
    assert len(list(warm.folder().glob("*.npy"))) == 1
    still_draws(warm, question, model_file, warm.pid)


def test_files_that_the_system_tidies_away_are_written_again(warm, question, model_file):
    warm.submit(DrawRequest(question, model_file, "cpu")).result(GUARD_S)
    pid = warm.pid
    for file in warm.folder().glob("*.npy"):
        file.unlink()
    still_draws(warm, question, model_file, pid)
    shutil.rmtree(warm.folder())
    drawing = warm.submit(DrawRequest(question, model_file, "cpu")).result(GUARD_S)
    np.testing.assert_array_equal(drawing.mask, muscle()[:, :, LEVEL] == 1)


def test_weights_written_anew_are_read_anew(warm, question, folder):
    path = write_model(folder / "changing.safetensors")
    before = draw_in_worker(question, warm, path, "cpu").model.entry
    write_model(path, version="2")
    after = draw_in_worker(question, warm, path, "cpu").model.entry
    assert (before.version, after.version) == ("1", "2")
    assert before.sha256 != after.sha256


def test_the_plane_at_once_and_in_windows_are_two_models(question, tmp_path):
    seen = {"in_plane_mm": 4.0, "slice_mm": 6.0, "slices": 3, "tile": 32}
    path, worker = write_model(tmp_path / "windows.safetensors", preprocessing=seen), LocalWorker()
    drawn = [
        worker.submit(DrawRequest(question, path, "cpu", untiled)).result()
        for untiled in (False, True, False)
    ]
    assert [each.model.entry.version for each in drawn] == ["1", "1, untiled", "1"]


def test_a_model_whose_device_failed_is_loaded_anew(question, model_file, monkeypatch):
    loaded, worker = [], LocalWorker()
    load, draw = models.load_model, assessment.draw
    monkeypatch.setattr(models, "load_model", lambda *words: loaded.append(words) or load(*words))

    def refuse(*_):
        raise DeviceError("the memory of cuda does not suffice", "choose --device cpu")

    for doing in (draw, refuse, draw, draw):
        monkeypatch.setattr(assessment, "draw", doing)
        job = worker.submit(DrawRequest(question, model_file, "cpu"))
        if doing is refuse:
            with pytest.raises(DeviceError):
                job.result()
        else:
            job.result()
    assert len(loaded) == 2


def test_what_breaks_on_the_device_that_was_chosen_by_itself_offers_the_cpu(tmp_path):
    odd = {"is": "error", "id": 1, "kind": None, "type": "Odd", "text": "", "errno": None, "trace": ""}
    of_another = [{"is": "ready"}, odd | {"id": 0}, {"is": "answer", "id": 2}]
    chosen = {"is": "progress", "id": 1, "fraction": 0.3, "text": "Loading the model", "device": "cuda"}
    heard, said = [[], of_another, [chosen, odd]], []
    child = SimpleNamespace(status=None, log="", ready={"protocol": PROTOCOL})
    child.hear, child.say = lambda: heard.pop(0), said.append
    job = Job(
        SimpleNamespace(limits=Limits(), is_busy=True, child=lambda: child, folder=lambda: tmp_path),
        HelloRequest(),
        1,
    )
    job.poll()
    assert [words["do"] for words in said] == ["hello"]
    assert job.poll() == []
    (_, failed) = job.poll()
    assert failed.error.offer == Offer.CPU


def test_the_worker_says_what_it_is(warm):
    said = warm.submit(HelloRequest()).result(GUARD_S)
    here = LocalWorker().submit(HelloRequest()).result()
    assert said["devices"][0]["name"] == "cpu"
    assert said["auto"] in {device["name"] for device in said["devices"]}
    assert {name: said[name] for name in ("library", "python", "torch")} == {
        name: here[name] for name in ("library", "python", "torch")
    }


def test_the_graphics_card_that_is_chosen_is_one_of_the_devices(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda n: f"Card {n}")
    said = LocalWorker().submit(HelloRequest()).result()
    assert said["auto"] == "cuda:0"
    assert {"name": "cuda:0", "title": "Card 0"} in said["devices"]
    assert {"name": "cuda:1", "title": "Card 1"} in said["devices"]


def test_l3_that_is_not_found_is_told_there_as_here(warm, volume):
    told = []
    for worker in (warm, LocalWorker()):
        with pytest.raises(LevelError) as error:
            worker.submit(LevelRequest(volume)).result()
        told.append(str(error.value))
    assert told[0] == told[1]


def test_l3_and_its_alternative_are_found_there_as_here(warm):
    """Both clicks of the module, with the bundled networks, on a scan whose vertebrae cannot be counted."""
    phantom = draw_spine_scan(3_000_003)
    z = phantom.ras_from_ijk[2, 3] + 4.0 * np.arange(phantom.hu.shape[2]) - phantom.bodies_mm["L3"][2]
    inside = np.flatnonzero((z >= -72) & (z <= 70))
    place = phantom.ras_from_ijk.copy()
    place[2, 3] += 4.0 * inside[0]
    short = CtVolume.from_array(phantom.hu[:, :, inside[0] : inside[-1] + 1], place)
    level = warm.submit(LevelRequest(short)).result(GUARD_S)
    facts = GivenFacts("female", 50, 1.63)
    made = conclude(question := ask(short, facts, l3=level), draw_in_worker(question, warm)).record
    expected = assess(short, sex="female", age_years=50, height_m=1.63).record
    assert len(expected["l3"]["candidates"]) == 2
    assert without_chance(made) == without_chance(expected)


def test_the_fallback_tells_that_it_begins_and_then_the_outcome(question, model_file):
    job = LocalWorker().submit(DrawRequest(question, model_file, "cpu"))
    assert [type(event) for event in job.poll()] == [Progress]
    assert not job.is_over
    assert [type(event) for event in job.poll()] == [Finished]
    assert job.is_over
    assert job.poll() == []
    refused = LocalWorker().submit(DrawRequest(question, "nowhere"))
    assert [type(event) for event in refused.poll() + refused.poll()] == [Progress, Failed]
    cancelled = LocalWorker().submit(DrawRequest(question, model_file))
    cancelled.cancel()
    assert cancelled.poll() == []
    with pytest.raises(WorkerError, match="cancelled"):
        cancelled.result()
