"""The output folder: whole cases or none, whatever kills a run; nothing of a person's is ever lost."""

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from SarcopeniaAssessLib import case_table, results
from SarcopeniaAssessLib.errors import OutputError
from SarcopeniaAssessLib.results import Existing, OutputFolder, asked_for, require_same
from Testing.library.small_case import record

ACCEPTED = {"state": "accepted", "reviewer": "A. Reader", "at": "2025-01-01T10:00:00+00:00"}


def writer(made):
    """What a case's files are here: its record, and one more."""

    def write(folder):
        (folder / "assessment.json").write_text(json.dumps(made))
        (folder / "overlay.png").write_bytes(b"picture of " + made["case"].encode())
        return made

    return write


def put(folder, made):
    folder.publish(*folder.stage(made["case"], writer(made)))


def make(path, *records, existing=Existing.REFUSE):
    with OutputFolder(path, existing) as folder:
        for made in records:
            put(folder, made)


def rows(path):
    with (path / "assessments.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def names(path):
    return sorted(entry.name for entry in path.iterdir())


def test_a_case_appears_with_its_row(tmp_path):
    out = tmp_path / "a" / "b"
    make(out, record())
    assert names(out) == ["assessments.csv", "one"]
    assert names(out / "one") == ["assessment.json", "overlay.png"]
    assert rows(out)[0]["case"] == "one"
    assert float(rows(out)[0]["sma_cm2"]) == 143.96


@pytest.mark.parametrize("existing", [Existing.REFUSE, Existing.OVERWRITE])
def test_a_second_input_of_the_same_run_never_replaces_the_first(tmp_path, existing):
    with OutputFolder(tmp_path, existing) as folder:
        first, second = record(), {**record(), "id": "11111111-7c0e-4f0e-9a53-1f6b2c3d4e5f"}
        staged = folder.stage("one", writer(first))
        folder.publish(*staged)
        with pytest.raises(OutputError, match="same name"):
            folder.publish(*folder.stage("one", writer(second)))
    assert names(tmp_path) == ["assessments.csv", "one"]
    assert json.loads((tmp_path / "one" / "assessment.json").read_text())["id"] == first["id"]


def test_rows_of_earlier_runs_are_kept_and_sorted(tmp_path):
    make(tmp_path, record(case="b"), record(case="c"))
    make(tmp_path, record(case="a", muscle={"sma_cm2": 150.25}))
    assert [row["case"] for row in rows(tmp_path)] == ["a", "b", "c"]
    assert [float(row["sma_cm2"]) for row in rows(tmp_path)] == [150.25, 143.96, 143.96]


def test_the_table_tells_what_is_there_even_if_folders_were_moved_by_hand(tmp_path):
    make(tmp_path, record(case="a"), record(case="b"))
    (tmp_path / "a" / "assessment.json").unlink()
    (tmp_path / "a" / "overlay.png").unlink()
    (tmp_path / "a").rmdir()
    (tmp_path / "notes").mkdir()
    with OutputFolder(tmp_path):
        pass
    assert [row["case"] for row in rows(tmp_path)] == ["b"]
    assert (tmp_path / "notes").is_dir()


def test_a_folder_into_which_nothing_came_is_not_left(tmp_path):
    with OutputFolder(tmp_path / "new"):
        pass
    assert not (tmp_path / "new").exists()
    with OutputFolder(tmp_path):
        pass
    assert tmp_path.is_dir()


def test_what_is_there_is_refused(tmp_path):
    make(tmp_path, record())
    with OutputFolder(tmp_path) as folder:
        with pytest.raises(OutputError, match="--resume to keep it or --overwrite"):
            folder.earlier("one")
        assert folder.earlier("two") is None


def test_resume_gives_the_record_that_is_there(tmp_path):
    make(tmp_path, record())
    with OutputFolder(tmp_path, Existing.RESUME) as folder:
        assert folder.earlier("one") == record()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"input": {"sha256": "0" * 64}}, "input.sha256 differs"),
        ({"model": {"sha256": "1" * 64}}, "model differs"),
        ({"status": {"criterion": "derstine2018_sma"}}, "criterion differs"),
        ({"l3": {"slice_from_feet": 4, "superior_mm": -397.5}}, "L3 differs"),
        ({"patient": {"sex": "female"}}, "sex differs"),
        ({"mask": {"sha256": "2" * 64}}, "mask differs"),
        ({"patient": {"sex": None}, "model": {"sha256": "1" * 64}}, "model and sex differ "),
    ],
)
def test_resume_says_what_differs(changes, named):
    require_same(record(), asked_for(record()))
    with pytest.raises(OutputError, match=named):
        require_same(record(), asked_for(record(**changes)))


def test_resume_asks_for_nothing_that_makes_no_difference():
    others = record(id="0" * 36, patient={"age_years": 70.0}, timing_s={"total": 9.0}, l3={"method": "s"})
    require_same(record(), asked_for(others))


def test_overwrite_replaces_the_whole(tmp_path):
    make(tmp_path, record())
    (tmp_path / "one" / "notes.txt").write_text("stale")
    with OutputFolder(tmp_path, Existing.OVERWRITE) as folder:
        assert folder.earlier("one") is None
        put(folder, record(muscle={"sma_cm2": 99.5}))
    assert names(tmp_path) == ["assessments.csv", "one"]
    assert names(tmp_path / "one") == ["assessment.json", "overlay.png"]
    assert float(rows(tmp_path)[0]["sma_cm2"]) == 99.5


@pytest.mark.parametrize("existing", [Existing.OVERWRITE, Existing.REFUSE])
def test_what_a_person_accepted_is_never_replaced(tmp_path, existing):
    make(tmp_path, record(review=ACCEPTED))
    with OutputFolder(tmp_path, existing) as folder, pytest.raises(OutputError):
        folder.earlier("one")
    assert json.loads((tmp_path / "one" / "assessment.json").read_text())["review"]["state"] == "accepted"


@pytest.mark.parametrize("existing", list(Existing))
@pytest.mark.parametrize("content", [None, "", '{"case": "one"', "[]", "{}"])
def test_what_is_no_assessment_is_neither_kept_nor_replaced(tmp_path, existing, content):
    (tmp_path / "one").mkdir()
    if content is not None:
        (tmp_path / "one" / "assessment.json").write_text(content)
    with OutputFolder(tmp_path, existing) as folder, pytest.raises(OutputError):
        folder.earlier("one")
    assert (tmp_path / "one").is_dir()


def test_a_writer_that_fails_leaves_nothing(tmp_path):
    def write(folder):
        (folder / "overlay.png").write_bytes(b"half")
        raise RuntimeError

    with OutputFolder(tmp_path / "out") as folder, pytest.raises(RuntimeError):
        folder.stage("one", write)
    assert not (tmp_path / "out").exists()


def test_a_case_that_was_staged_but_not_published_is_not_left(tmp_path):
    make(tmp_path, record(case="a"))
    with OutputFolder(tmp_path) as folder:
        folder.stage("one", writer(record()))
    assert names(tmp_path) == ["a", "assessments.csv"]


def test_a_table_that_cannot_be_written_keeps_the_case_back(tmp_path, monkeypatch):
    make(tmp_path, record(muscle={"sma_cm2": 120.0}))
    real = case_table.write_synced

    def full(path, content):
        real(path, content[:10])
        raise OSError(28, "No space left on device")

    with OutputFolder(tmp_path, Existing.OVERWRITE) as folder:
        part, made = folder.stage("one", writer(record()))
        monkeypatch.setattr(case_table, "write_synced", full)
        with pytest.raises(OutputError, match="disk is full"):
            folder.publish(part, made)
    assert names(tmp_path) == ["assessments.csv", "one"]
    assert json.loads((tmp_path / "one" / "assessment.json").read_text())["muscle"]["sma_cm2"] == 120.0
    assert float(rows(tmp_path)[0]["sma_cm2"]) == 120.0


def test_a_swap_that_fails_half_way_puts_the_old_back(tmp_path, monkeypatch):
    make(tmp_path, record(muscle={"sma_cm2": 120.0}))
    real = os.rename

    def rename(source, target):
        if Path(target).name == "one" and "part" in Path(source).name:
            raise OSError(5, "input/output error")
        real(source, target)

    with OutputFolder(tmp_path, Existing.OVERWRITE) as folder:
        part, made = folder.stage("one", writer(record()))
        monkeypatch.setattr(os, "rename", rename)
        with pytest.raises(OutputError):
            folder.publish(part, made)
    assert json.loads((tmp_path / "one" / "assessment.json").read_text())["muscle"]["sma_cm2"] == 120.0


CHILD = """
import os, signal, sys, time
sys.path[:0] = sys.argv[2:]
from pathlib import Path
from SarcopeniaAssessLib.results import Existing, OutputFolder
from Testing.library.small_case import record
from Testing.library.test_results import make, writer
when, out = sys.argv[1].split(",", 1)

def die(*_):
    print("dying", flush=True)
    time.sleep(60)

def slow(folder):
    (folder / "overlay.png").write_bytes(b"half")
    die()

with OutputFolder(out, Existing.OVERWRITE) as folder:
    made = record(muscle={"sma_cm2": 99.5})
    if when == "writing":
        folder.stage("one", slow)
    part, made = folder.stage("one", writer(made))
    real, count = os.rename, 0
    def rename(source, target):
        global count
        if count == int(when):
            die()
        count += 1
        real(source, target)
    os.rename = os.replace = rename
    folder.publish(part, made)
"""


@pytest.mark.parametrize(("when", "sma_cm2"), [("writing", 120.0), ("0", 120.0), ("1", 120.0), ("2", 99.5)])
def test_a_kill_never_loses_the_old_case_nor_leaves_half_a_new_one(tmp_path, when, sma_cm2):
    """SIGKILL while files are written, and before each of the renames: old away, new in, table in."""
    make(tmp_path, record(muscle={"sma_cm2": 120.0}))
    paths = [str(Path(results.__file__).parents[1]), str(Path(__file__).parents[2])]
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, f"{when},{tmp_path}", *paths], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "dying\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert len(names(tmp_path)) > 2  # something was left behind
    with OutputFolder(tmp_path):
        assert names(tmp_path) == ["assessments.csv", "one"]
    assert json.loads((tmp_path / "one" / "assessment.json").read_text())["muscle"]["sma_cm2"] == sma_cm2
    assert names(tmp_path / "one") == ["assessment.json", "overlay.png"]
    assert float(rows(tmp_path)[0]["sma_cm2"]) == sma_cm2


def test_hidden_names_that_are_not_ours_are_left_alone(tmp_path):
    for name in (".git", ".one.part", ".old"):
        (tmp_path / name).mkdir()
    (tmp_path / ".one.sarcopenia-part-77").mkdir()
    with OutputFolder(tmp_path):
        pass
    assert names(tmp_path) == [".git", ".old", ".one.part"]


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/sarcopenia", "/dev/null"])
def test_a_folder_that_cannot_be_is_told_at_once(tmp_path, place):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError) as told, OutputFolder(tmp_path / place):
        pytest.fail("opened")
    assert str(tmp_path) not in str(told.value)
    assert names(tmp_path) == ["file"]


def test_a_second_run_is_kept_out(tmp_path):
    with OutputFolder(tmp_path), pytest.raises(OutputError, match="Another run"), OutputFolder(tmp_path):
        pytest.fail("opened")
    with OutputFolder(tmp_path):
        pass


def test_a_name_too_long_for_a_folder(tmp_path):
    with OutputFolder(tmp_path) as folder:
        with pytest.raises(OutputError, match="too long"):
            folder.earlier("x" * 201)
        make_long = record(case="x" * 200)
        put(folder, make_long)
    with pytest.raises(OutputError, match="too long"), OutputFolder(tmp_path / ("y" * 300)):
        pytest.fail("opened")


LIMITED = """
import resource, sys
sys.path[:0] = sys.argv[2:]
from SarcopeniaAssessLib.errors import OutputError
from SarcopeniaAssessLib.results import OutputFolder

def write(folder):
    (folder / "report.pdf").write_bytes(bytes(100_000))
    return {}

with OutputFolder(sys.argv[1]) as folder:
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
    try:
        folder.stage("one", write)
    except OutputError as error:
        print(error)
"""


def test_a_full_disk_is_told_and_nothing_half_written_stays(tmp_path):
    """A limit on file sizes is what an unprivileged test can have of a full disk."""
    out = tmp_path / "out"
    paths = [str(Path(results.__file__).parents[1]), str(Path(__file__).parents[2])]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(out), *paths], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("The disk is full")
    assert not out.exists()
