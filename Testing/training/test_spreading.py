"""Tasks in fresh processes, here and through Ray: results, failures, and what a killed parent leaves."""

import os
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from SarcopeniaAssessLib.errors import InputError, ModelError, OutputError, SarcopeniaError
from SarcopeniaTraining.spreading import Place, spread
from Testing.killed_parent import workers_left

PARENT = """
import os, time
from SarcopeniaTraining.spreading import Place, spread

def work(seconds):
    print(os.getpid(), flush=True)
    time.sleep(seconds)

def main():
    list(spread(work, [60], Place()))

if __name__ == "__main__":
    main()
"""


def square(number):
    return number * number, os.getpid()


def marked(folder, number):
    """Task 1 is refused at once; the others take a moment and leave a file."""
    if number == 1:
        raise ModelError("there is no fold 1", "give another")
    time.sleep(0.3)
    (folder / str(number)).write_text("done")
    return number


def fails(number):
    raise ZeroDivisionError(number)


def vanishes(number):
    if number == 0:
        os._exit(7)
    return number


def where(_):
    return Path.cwd(), Path("near.txt").read_text()


def test_every_task_has_its_result_and_a_process_of_its_own():
    found = dict(spread(square, [2, 3, 5], Place(jobs=2)))
    assert {task: result for task, (result, _) in found.items()} == {2: 4, 3: 9, 5: 25}
    assert len({pid for _, pid in found.values()} - {os.getpid()}) == 3


def test_no_task_is_no_process():
    assert list(spread(square, [], Place(jobs=2))) == []


def test_a_refusal_lets_the_others_finish_and_keeps_its_kind(tmp_path):
    found = []
    with pytest.raises(ModelError, match="there is no fold 1; give another"):
        found.extend(spread(partial(marked, tmp_path), [1, 2, 3], Place(jobs=2)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2", "3"]


def test_a_fault_of_the_program_is_raised_with_the_place_where_it_was(tmp_path):
    with pytest.raises(ZeroDivisionError) as caught:
        list(spread(fails, [4], Place()))
    assert "in fails" in "".join(caught.value.__notes__)


def test_a_process_that_ends_without_a_word_is_told_in_one_line():
    done = []
    with pytest.raises(OutputError, match=r"ended by itself \(exit status 7\)") as caught:
        done.extend(spread(vanishes, [0, 1], Place()))
    assert done == [(1, 1)]
    assert "goes on" in caught.value.remedy


def test_stopping_early_ends_what_runs():
    began = time.monotonic()
    for task, _ in spread(time.sleep, [0, 60], Place(jobs=2)):
        assert task == 0
        break
    assert time.monotonic() - began < 30


def test_processes_do_not_outlive_a_killed_parent(tmp_path):
    assert workers_left(tmp_path / "parent.py", PARENT) == []


@pytest.mark.parametrize("wrong", [{"jobs": 0}, {"cores": 0}, {"gpus": -1.0}])
def test_a_place_that_cannot_be_is_refused(wrong):
    with pytest.raises(InputError, match="cannot run"):
        Place(**wrong)


def test_without_ray_a_cluster_is_refused_with_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"sarcopenia-assess\[cluster\]"):
        list(spread(square, [1], Place(cluster="auto")))


@pytest.fixture(scope="module")
def two_workers():
    """A Ray of this machine with two cores."""
    ray = pytest.importorskip("ray")
    ray.init(address="local", num_cpus=2, include_dashboard=False, logging_level="ERROR")
    yield ray
    ray.shutdown()


def test_a_cluster_gives_what_this_machine_gives(two_workers, tmp_path, monkeypatch):
    (tmp_path / "near.txt").write_text("seen from there")
    monkeypatch.chdir(tmp_path)
    found = dict(spread(square, [2, 3, 5], Place(cluster="auto")))
    assert {task: result for task, (result, _) in found.items()} == {2: 4, 3: 9, 5: 25}
    assert len({pid for _, pid in found.values()} - {os.getpid()}) == 3
    assert list(spread(where, [0], Place(cluster="auto"))) == [(0, (tmp_path, "seen from there"))]


def test_failures_on_a_cluster_are_those_of_this_machine(two_workers, tmp_path):
    with pytest.raises(ModelError, match="there is no fold 1; give another"):
        list(spread(partial(marked, tmp_path), [1, 2], Place(cluster="auto")))
    assert [path.name for path in tmp_path.iterdir()] == ["2"]
    with pytest.raises(ZeroDivisionError):
        list(spread(fails, [1], Place(cluster="auto")))
    with pytest.raises(SarcopeniaError, match="lost on the cluster"):
        list(spread(vanishes, [0], Place(cluster="auto")))
    assert two_workers.is_initialized()  # whoever connected disconnects


def test_a_folder_that_the_cluster_does_not_share_is_told(two_workers, tmp_path, monkeypatch):
    gone = tmp_path / "mine-alone"
    monkeypatch.setattr("SarcopeniaTraining.spreading.Path.cwd", lambda: gone)
    with pytest.raises(OutputError, match="mine-alone is not on every machine"):
        list(spread(square, [1], Place(cluster="auto")))


def test_a_cluster_where_nobody_answers_is_refused(monkeypatch):
    ray = pytest.importorskip("ray")
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(InputError, match=r"No Ray cluster answers at 127\.0\.0\.1:1 "):
        list(spread(square, [1], Place(cluster="127.0.0.1:1")))
