"""The warm worker as its program meets it: real processes that draw, are killed, frozen and starved."""

from dataclasses import asdict

import numpy as np
import pytest

from SarcopeniaAssessLib.assessment import GivenFacts, ask, assess, conclude
from SarcopeniaAssessLib.volume import CtVolume
from SarcopeniaAssessLib.worker_client import (
    DrawRequest,
    Finished,
    LocalWorker,
    Progress,
    WarmWorker,
    draw_in_worker,
)
from Testing.library.small_case import LEVEL, affine, ct, muscle, write_model

GUARD_S = 120.0
"""Against a test that hangs; nothing is timed."""


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model") / "everything.safetensors")


@pytest.fixture(scope="module")
def volume():
    return CtVolume.from_array(ct(), affine())


@pytest.fixture(scope="module")
def question(volume):
    return ask(volume, GivenFacts("male", 60, 1.75), l3=f"slice:{LEVEL}")


@pytest.fixture(scope="module")
def warm():
    """One worker for all tests that leave it as they found it."""
    with WarmWorker() as worker:
        yield worker


def without_chance(record):
    """A record without what differs from run to run."""
    return {name: value for name, value in record.items() if name not in ("id", "timing_s")}


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
