"""Inputs on a Ray cluster of two machines, one of which is lost on the way."""

import json
import logging
import os

import pytest

from SarcopeniaAssessLib.__main__ import cli, run_group
from SarcopeniaAssessLib.assessment import GivenFacts
from SarcopeniaAssessLib.batch import Request, Task, outcomes
from SarcopeniaAssessLib.cluster import outcomes_on_cluster, ray_at
from SarcopeniaAssessLib.errors import InputError
from SarcopeniaAssessLib.results import OutputFolder
from Testing.library.small_case import LEVEL, MUSCLE_CM2, ct, write_model, write_nifti

ray = pytest.importorskip("ray")
CASES = 12


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    """So many CTs, one of them empty."""
    folder = tmp_path_factory.mktemp("studies")
    for number in range(CASES):
        path = folder / f"case-{number:02d}.nii.gz"
        if number == 5:
            path.write_bytes(b"")
        else:
            write_nifti(path, ct())
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(write_model(tmp_path_factory.mktemp("model") / "everything.safetensors"))


@pytest.fixture
def machines():
    """Two nodes of a processor each beside a head that has none, and how to lose one."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    ray.init(address=cluster.address, logging_level=logging.ERROR, log_to_driver=False)
    yield cluster, nodes
    ray.shutdown()
    cluster.shutdown()


def request_of(model, out):
    return Request(GivenFacts("male"), l3=f"slice:{LEVEL}", model=model, out=out)


def tasks_of(folder):
    return [Task(path.name.removesuffix(".nii.gz"), str(path)) for path in sorted(folder.iterdir())]


def test_a_machine_is_lost_and_no_case_is_lost_or_doubled(machines, studies, model, tmp_path):
    cluster, nodes = machines
    request = request_of(model, tmp_path)
    seen, failed = [], []
    with OutputFolder(tmp_path) as folder:
        for task, found in outcomes_on_cluster(tasks_of(studies), request, "auto"):
            (outcome,) = found
            seen.append(task.case)
            if outcome.record is None:
                failed.append(outcome)
            else:
                folder.publish(outcome.part, outcome.record)
            if len(seen) == 4:
                cluster.remove_node(nodes[0], allow_graceful=False)
    assert sorted(seen) == [f"case-{number:02d}" for number in range(CASES)]
    assert [outcome.case for outcome in failed] == ["case-05"]
    assert failed[0].problem.startswith("The file is empty; ")
    made = sorted(path.name for path in tmp_path.iterdir())
    assert made == ["assessments.csv", *(name for name in sorted(seen) if name != "case-05")]
    for path in tmp_path.glob("*/assessment.json"):
        assert json.loads(path.read_text())["muscle"]["sma_cm2"] == pytest.approx(MUSCLE_CM2)


def test_the_results_are_those_of_one_process(machines, studies, model):
    """All but what a clock says."""
    few = tasks_of(studies)[:3]

    def told(found):
        record = dict(found[0].record)
        return {k: v for k, v in record.items() if k not in ("id", "timing_s", "assessed_at")}

    request = request_of(model, None)
    there = {task.case: told(found) for task, found in outcomes_on_cluster(few, request, "auto")}
    here = {task.case: told(found) for task, found in outcomes(few, request)}
    assert there == here


def test_paths_are_seen_from_where_the_command_runs(machines, studies, model, tmp_path, monkeypatch):
    """Model and CT alike, on machines whose processes were started elsewhere."""
    monkeypatch.chdir(studies)
    here = os.path.relpath(model, studies)
    ((_, (outcome,)),) = outcomes_on_cluster(
        [Task("a", "case-00.nii.gz")], request_of(here, tmp_path), "auto"
    )
    assert outcome.problem is None


def test_no_cluster_is_one_line(capsys, tmp_path, studies):
    words = ["assess", str(studies), "--each", "--cluster", "127.0.0.1:1", "--out", str(tmp_path / "out")]
    assert run_group(cli, words) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("sarcopenia: case-00: No Ray cluster answers at 127.0.0.1:1")
    assert said[0].endswith("or give the address of its head")
    assert said[-1] == f"sarcopenia: and so {CASES - 5} more"
    assert not (tmp_path / "out").exists()


def test_without_ray_the_remedy_is_told(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(InputError, match="needs Ray") as told, ray_at("auto"):
        pytest.fail("connected")
    assert "[cluster]" in str(told.value)
