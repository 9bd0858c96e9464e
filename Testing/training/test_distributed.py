"""Two processes with half a batch each have the gradient, and the log, of one with the whole batch."""

import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import SarcopeniaAssessLib
from SarcopeniaAssessLib.models import load_model
from SarcopeniaTraining.distributed import ALONE, half_precision, joined_team
from SarcopeniaTraining.splits import write_splits

ROOTS = [str(Path(SarcopeniaAssessLib.__file__).parents[1]), str(Path(__file__).parents[2])]

# Batch norm is frozen, since that which is synchronised exists on GPUs only; no stochastic depth.
GRADIENTS = """
import dataclasses, json, os, sys
sys.path[:0] = json.loads(sys.argv[2])
import torch
torch.set_num_threads(1)
from SarcopeniaTraining.distributed import joined_team
from SarcopeniaTraining.finetuning import Training
from SarcopeniaTraining.networks import learner
from Testing.training.test_finetuning import CUBES, TINY, Rings
from SarcopeniaTraining.samples import Samples

def work(team):
    for preset, source in ((TINY, Rings()), (CUBES, Rings((40, 36, 32)))):
        preset = dataclasses.replace(preset, network={**preset.network, "drop_path_rate": 0.0})
        training = Training.start(preset)
        together = team.together(learner(training.network, thin=preset.thin))
        training.network.eval()
        samples = Samples(source, preset.patch, training.seed)
        image, label = (torch.stack(parts) for parts in zip(*(samples[n] for n in team.share([0, 1, 2, 3]))))
        loss = together(image, label, False)
        loss.backward()
        if team.leads:
            found = {name: p.grad for name, p in training.network.named_parameters()}
            torch.save({"gradients": found, "loss": team.mean(loss)}, f"{sys.argv[1]}-{preset.thin}.pt")
        else:
            team.mean(loss)

with joined_team("cpu") as (team, device):
    work(team)
if os.path.isdir("/proc/self/task"):
    names = [open(f"/proc/self/task/{n}/comm").read() for n in os.listdir("/proc/self/task")]
    assert not [name for name in names if "gloo" in name], "a thread that outlives Python aborts the process"
"""


def launched(script: Path, out: Path, processes: int) -> None:
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    done = subprocess.run(
        [sys.executable, *(launcher if processes > 1 else []), str(script), str(out), json.dumps(ROOTS)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def gradients(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gradients")
    script = folder / "gradients.py"
    script.write_text(GRADIENTS)
    for processes in (1, 2):
        launched(script, folder / str(processes), processes)
    return folder


@pytest.mark.parametrize("thin", [True, False])
def test_two_processes_have_the_gradients_of_one_with_the_doubled_batch(gradients, thin):
    one, two = (torch.load(gradients / f"{n}-{thin}.pt", weights_only=True) for n in (1, 2))
    assert two["loss"] == pytest.approx(one["loss"], abs=1e-6)
    assert one["gradients"].keys() == two["gradients"].keys()
    for name, gradient in one["gradients"].items():
        other = two["gradients"][name]
        assert gradient is not None, name
        assert torch.allclose(gradient, other, rtol=1e-3, atol=1e-6 * float(gradient.abs().max()) + 1e-7), (
            name
        )
    largest = max(float(g.abs().max()) for g in one["gradients"].values())
    assert largest > 1e-3


def test_one_process_is_a_team_of_its_own():
    with joined_team("cpu", {}) as (team, device):
        assert team == ALONE
        assert device == "cpu"
        assert team.leads
        team.wait()


@pytest.mark.parametrize("has", [True, False])
def test_half_precision_is_used_where_the_preset_asks_for_it_and_the_processor_has_it(monkeypatch, has):
    monkeypatch.setattr("torch.ops.mkldnn._is_mkldnn_bf16_supported", lambda: has)
    assert half_precision(True, "cpu") is has
    assert not half_precision(False, "cpu")


def test_this_processor_says_whether_it_has_half_precision():
    """By its own list of what it can; Linux on x86 alone has such a list."""
    facts = Path("/proc/cpuinfo")
    flags = re.search(r"^flags\s*:(.*)", facts.read_text(), re.MULTILINE) if facts.exists() else None
    if flags is None:
        pytest.skip("this system does not list what its processor can")
    assert half_precision(True, "cpu") is ("avx512bw" in flags[1].split())


def test_half_precision_is_never_emulated_on_a_gpu(monkeypatch):
    asked = {}
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda **how: asked.update(how) or False)
    assert not half_precision(True, "cuda")
    assert asked == {"including_emulation": False}


def test_two_processes_train_a_fold_and_one_writes(tmp_path):
    """The command under torchrun: one log, one set of checkpoints, both processes end well."""
    from Testing.training.test_finetuning import TINY as SLABS
    from Testing.training.tiny_cohort import tiny_cohort, two_folds

    write_splits(two_folds(tiny_cohort(tmp_path / "cohort")), tmp_path / "splits.json")
    slab = dataclasses.replace(SLABS.slab, in_plane_mm=6.0)
    preset = dataclasses.replace(SLABS, name="tiny", slab=slab, batch=4, epochs=2, checkpoint_every=1)
    (tmp_path / "tiny.json").write_text(json.dumps(preset.to_mapping()))
    words = ["finetune", str(tmp_path / "cohort"), "--preset", str(tmp_path / "tiny.json")]
    words += ["--splits", str(tmp_path / "splits.json"), "--fold", "1", "--out", str(tmp_path / "run")]
    script = tmp_path / "command.py"
    script.write_text(
        "import json, sys\n"
        "sys.path[:0] = json.loads(sys.argv[2])\n"
        "from SarcopeniaAssessLib.__main__ import run_group\n"
        "from SarcopeniaTraining.cli import cli\n"
        f"sys.exit(run_group(cli, {[*words, '--threads', '1']!r}))\n"
    )
    launched(script, tmp_path / "unused", 2)
    fold = tmp_path / "run" / "fold-01"
    lines = [json.loads(line) for line in (fold / "log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines if "loss" in line] == [1, 2]
    assert [line["epoch"] for line in lines if "validation_dice" in line] == [1, 2]
    assert load_model(fold / "best.safetensors").entry.name == "tiny"
