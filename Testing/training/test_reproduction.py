"""Steps run, kept, gone on with and made anew: on commands of a few lines, and whole on tiny CTs."""

import json
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

import SarcopeniaAssessLib
from SarcopeniaAssessLib.errors import OutputError
from SarcopeniaTraining.reproduction import reproduce, stale
from SarcopeniaTraining.reproduction_child import StepFailedError
from SarcopeniaTraining.reproduction_cohort import to_be_drawn
from SarcopeniaTraining.reproduction_manifest import Subject
from SarcopeniaTraining.reproduction_preset import load_reproduction_preset
from SarcopeniaTraining.reproduction_steps import Inputs, Step
from Testing.training.tiny_reproduction import tiny_cohort_of_both, tiny_presets

ROOTS = [str(Path(SarcopeniaAssessLib.__file__).parents[1]), str(Path(__file__).parents[2])]
FAKE = '''
"""Joins files into one: `fakestep OUT WORD IN...`; the word `fail` is a failure, `nothing` leaves nothing."""
import sys
from pathlib import Path

out, word, *read = sys.argv[1:]
if word == "fail":
    print("sarcopenia: warning: odd\\nsarcopenia: no space left; make room", file=sys.stderr)
    sys.exit(2)
if word != "nothing":
    text = word + "".join(Path(name).read_text() for name in read)
    Path(out).parent.mkdir(exist_ok=True)
    Path(out).write_text(text)
    with Path("calls.log").open("a") as log:
        log.write(out + "\\n")
'''


def step(name: str, out: str, word: str, *read: str, **more) -> Step:
    return Step(name, f"the {name}", "fakestep", (out, word, *read), (out,), reads=read, **more)


def steps(word: str = "a", *, later: str = "c") -> tuple[Step, ...]:
    """A training, what is made of it, and what is made of nothing."""
    train = Step("train", "the train", "fakestep", ("run/model", word), ("run/**/*",), trains=True)
    return (
        train,
        step("score", "scores/table.csv", "b", "run/model"),
        step("other", "other.txt", later),
        step("report", "report.html", "d", "scores/table.csv", "other.txt"),
    )


@pytest.fixture
def subject(tmp_path, monkeypatch):
    """Of phantoms that nobody draws; the steps are `steps()`."""
    (tmp_path / "fakestep.py").write_text(FAKE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr("SarcopeniaTraining.reproduction.code_sha256", lambda: "this program")
    preset = load_reproduction_preset("smoke")
    made = steps()
    return Subject(preset, to_be_drawn(preset.phantoms), Inputs(79), None, made, made)


def given(subject: Subject, made: tuple[Step, ...]) -> Subject:
    return replace(subject, everything=made, wanted=made)


def calls(out: Path) -> list[str]:
    """What was made since the last look."""
    log = out / "calls.log"
    found = log.read_text().split()
    log.unlink()
    return found


def test_every_step_is_run_once_and_a_second_call_changes_no_byte(subject, tmp_path):
    out = tmp_path / "out"
    done = reproduce(subject, out)
    assert done.ran == ("train", "score", "other", "report")
    assert (out / "report.html").read_text() == "dbac"
    assert calls(out) == ["run/model", "scores/table.csv", "other.txt", "report.html"]
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    again = reproduce(subject, out)
    assert (again.ran, again.kept) == ((), done.ran)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_a_changed_command_runs_what_depends_on_it_and_sets_the_training_aside(subject, tmp_path, capsys):
    out = tmp_path / "out"
    reproduce(subject, out)
    changed = given(subject, steps("x"))
    assert stale(changed, out) == ("train", "score", "report")
    assert reproduce(changed, out).ran == ("train", "score", "report")
    assert (out / "report.html").read_text() == "dbxc"
    assert (out / "superseded" / "run-1" / "model").read_text() == "a"
    assert "made anew (command); what was there is in superseded/run-1" in capsys.readouterr().err


def test_changed_data_make_anew_what_was_learned_from_them(subject, tmp_path, capsys):
    out, mask = tmp_path / "out", tmp_path / "mask.nii"
    mask.write_text("one")
    train, *rest = steps()
    learning = given(subject, (replace(train, given=(mask,)), *rest))
    reproduce(learning, out)
    mask.write_text("another")
    assert reproduce(learning, out).ran == ("train",)
    assert (out / "superseded" / "run-1" / "model").is_file()
    assert "made anew (data)" in capsys.readouterr().err


def test_a_step_that_makes_the_same_again_ends_the_chain(subject, tmp_path):
    """The training is made anew with the same bytes: what reads them is up to date."""
    out = tmp_path / "out"
    reproduce(subject, out)
    train, *rest = steps()
    same = given(subject, (replace(train, preset={"epochs": 3}), *rest))
    assert reproduce(same, out).ran == ("train",)


def test_a_new_program_makes_results_anew_but_no_training(subject, tmp_path, monkeypatch):
    out = tmp_path / "out"
    reproduce(subject, out)
    monkeypatch.setattr("SarcopeniaTraining.reproduction.code_sha256", lambda: "another")
    assert reproduce(subject, out).ran == ("score", "other", "report")


@pytest.mark.parametrize("harm", ["lost", "altered"])
def test_a_result_that_is_not_as_it_was_left_is_made_again(subject, tmp_path, harm):
    out = tmp_path / "out"
    reproduce(subject, out)
    table = out / "scores" / "table.csv"
    table.unlink() if harm == "lost" else table.write_text("altered")
    assert reproduce(subject, out).ran == ("score",)
    assert table.read_text() == "ba"


def test_a_failure_is_one_line_and_the_same_call_goes_on(subject, tmp_path):
    out = tmp_path / "out"
    failing = given(subject, steps(later="fail"))
    with pytest.raises(StepFailedError) as caught:
        reproduce(failing, out)
    assert str(caught.value) == (
        "step 3 of 4, the other: no space left; make room; "
        "when that is put right, the same command goes on from there"
    )
    assert calls(out) == ["run/model", "scores/table.csv"]
    assert json.loads((out / "reproduction.json").read_text())["steps"][0]["name"] == "train"
    done = reproduce(subject, out)
    assert (done.ran, done.kept) == (("other", "report"), ("train", "score"))


def test_a_step_that_leaves_nothing_is_a_failure(subject, tmp_path):
    with pytest.raises(StepFailedError, match="left nothing"):
        reproduce(given(subject, steps(later="nothing")), tmp_path / "out")


def test_the_manifest_names_every_output_with_its_hash_and_no_path(subject, tmp_path):
    out = tmp_path / "out"
    reproduce(subject, out)
    manifest = json.loads((out / "manifest.json").read_text())
    assert set(manifest["files"]) == {
        "other.txt",
        "report.html",
        "reproduction.json",
        "run/model",
        "scores/table.csv",
    }
    # printf a | sha256sum
    assert manifest["files"]["run/model"].startswith("ca978112ca1bbdcafac231b39a23dc4da786eff8")
    assert all(each["done"] for each in manifest["steps"])
    assert manifest["data"]["kind"] == "phantom"
    assert manifest["software"]["python"].startswith("3.")
    assert str(tmp_path) not in (out / "manifest.json").read_text() + (out / "reproduction.json").read_text()


def test_what_was_not_wanted_is_said(subject, tmp_path):
    out = tmp_path / "out"
    made = steps()
    reproduce(replace(subject, wanted=(made[0], made[1])), out)
    facts = json.loads((out / "reproduction.json").read_text())
    states = {each["name"]: each["state"] for each in facts["steps"]}
    assert states == {"train": "done", "score": "done", "other": "not wanted"}


def test_a_folder_of_something_else_is_refused(subject, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match="not empty and holds no reproduction"):
        reproduce(subject, out)
    assert (out / "thesis.txt").read_text() == "mine"


def test_another_preset_or_cohort_needs_another_folder(subject, tmp_path):
    out = tmp_path / "out"
    reproduce(subject, out)
    other = replace(subject, preset=load_reproduction_preset("paper"))
    with pytest.raises(OutputError, match="a reproduction by preset smoke"):
        reproduce(other, out)
    with pytest.raises(OutputError, match="another cohort"):
        reproduce(replace(subject, cohort=replace(subject.cohort, name="clinic")), out)


COMMAND = """
import json, sys
sys.path[:0] = json.loads(sys.argv[1])
from SarcopeniaAssessLib.__main__ import run_group
from SarcopeniaTraining.cli import cli
sys.exit(run_group(cli, json.loads(sys.argv[2])))
"""


def begun(place: Path, out: Path, *more: str) -> subprocess.Popen:
    words = ["reproduce", str(place / "cohort"), "--preset", str(place / "tiny.json"), "--out", str(out)]
    command = [sys.executable, "-c", COMMAND, json.dumps(ROOTS), json.dumps([*words, "--jobs", "1", *more])]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)


def ended(child: subprocess.Popen) -> str:
    """Wait for a good end; what it said."""
    said = child.communicate()[1]
    assert child.returncode == 0, said
    return said


def tables(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((out / "tables").iterdir())}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Tiny CTs and presets."""
    folder = tmp_path_factory.mktemp("place")
    tiny_cohort_of_both(folder / "cohort")
    tiny_presets(folder)
    return folder


@pytest.mark.slow  # two whole reproductions, one of them in six parts: about ten minutes of one core
def test_killed_at_five_moments_it_ends_with_the_tables_of_an_undisturbed_run(place):
    began = time.monotonic()
    ended(begun(place, place / "whole"))
    took = time.monotonic() - began
    expected = tables(place / "whole")
    assert {f"table{n}.csv" for n in (1, 2, 3, 4)} <= set(expected)
    draw, out = random.Random(7), place / "killed"
    for _ in range(5):
        child = begun(place, out)
        time.sleep(draw.uniform(0.02, 0.45) * took)
        child.send_signal(signal.SIGKILL)
        child.communicate()
    ended(begun(place, out))
    assert tables(out) == expected
    assert (out / "report.html").is_file()
    assert not (out / "superseded").exists()
    began = time.monotonic()
    said = ended(begun(place, out))
    assert said.count("up to date") == len(said.splitlines())
    assert time.monotonic() - began < max(0.1 * took, 10)
