"""What each part needs: network and weights torch, numpy, safetensors; `assess` nothing of the training."""

import subprocess
import sys
import textwrap

import pytest
import torch

from SarcopeniaAssessLib.model_file import ModelEntry, save_model
from SarcopeniaAssessLib.smit import SmitConfig, build_smit
from Testing.library.small_case import area_cm2, ct, write_model, write_nifti

TRAINING = (
    "monai",
    "lightning",
    "pytorch_lightning",
    "sklearn",
    "matplotlib",
    "torchvision",
    "SarcopeniaTraining",
)
BESIDE_TORCH = (
    *TRAINING,
    "scipy",
    "nibabel",
    "SimpleITK",
    "pydicom",
    "PIL",
    "reportlab",
    "jsonschema",
    "click",
    "rich",
)
SMALL = SmitConfig(embed_dim=4, window_padding="zeros")


def without(packages, code):
    """Run code in a fresh interpreter whose import system does not find those packages."""
    hook = f"""
    import sys

    class Absent:
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] in {packages!r}:
                raise ModuleNotFoundError("absent on purpose: " + name)

    sys.meta_path.insert(0, Absent())
    """
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(hook) + textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("package", BESIDE_TORCH)
def test_the_hook_bites(package):
    done = without(BESIDE_TORCH, f"import {package}")
    assert done.returncode == 1
    assert f"absent on purpose: {package}" in done.stderr


def test_a_network_and_its_weights_need_torch_numpy_and_safetensors_alone(tmp_path):
    path = tmp_path / "small.safetensors"
    entry = ModelEntry("small", "1", {"kind": "smit", **SMALL.to_mapping()}, {"slices": 3}, "nothing")
    torch.manual_seed(1)
    network = build_smit(SMALL).eval()
    save_model(path, network, entry)
    code = f"""
    import torch
    from SarcopeniaAssessLib.models import load_model
    network = load_model({str(path)!r}).network
    with torch.inference_mode():
        print(float(network.slice_logits(torch.ones(1, 1, 32, 32, 32), 7).sum()))
    """
    done = without(BESIDE_TORCH, code)
    assert done.returncode == 0, done.stderr
    with torch.inference_mode():
        expected = float(network(torch.ones(1, 1, 32, 32, 32))[..., 7].sum())
    assert float(done.stdout) == pytest.approx(expected, rel=1e-3)


def test_assess_needs_nothing_of_the_training(tmp_path):
    scan = write_nifti(tmp_path / "scan.nii.gz", ct())
    model = write_model(tmp_path / "everything.safetensors")
    given = ["assess", str(scan), "--model", str(model), "--l3", "slice:3", "--sex", "male"]
    done = without(
        TRAINING,
        f"import sys; sys.argv[1:] = {given!r}; from SarcopeniaAssessLib.__main__ import main; main()",
    )
    assert done.returncode == 0, done.stderr
    assert f"SMA {area_cm2(3):.1f} cm²" in done.stdout
