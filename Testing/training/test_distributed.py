"""Two processes with half a batch each have the gradient, and the log, of one with the whole batch."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import SarcopeniaAssessLib
from SarcopeniaTraining.distributed import ALONE, half_precision, joined_team

ROOTS = [str(Path(SarcopeniaAssessLib.__file__).parents[1]), str(Path(__file__).parents[2])]

# Batch norm is frozen, since that which is synchronised exists on GPUs only; no stochastic depth.
GRADIENTS = """
import dataclasses, json, sys
sys.path[:0] = json.loads(sys.argv[2])
import torch
torch.set_num_threads(1)
from SarcopeniaTraining.distributed import joined_team
from SarcopeniaTraining.finetuning import Training
from SarcopeniaTraining.networks import learner
from Testing.training.test_finetuning import CUBES, TINY, Rings
from SarcopeniaTraining.samples import Samples
with joined_team("cpu") as (team, device):
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


def test_half_precision_is_used_on_the_cpu_where_the_preset_asks_for_it():
    assert half_precision(True, "cpu")
    assert not half_precision(False, "cpu")
