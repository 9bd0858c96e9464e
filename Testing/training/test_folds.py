"""Folds of a cohort: the run's folder as documented; killed, refused, short of disk, it keeps its promise."""

import dataclasses
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

import SarcopeniaAssessLib
from SarcopeniaAssessLib.errors import MaskError, ModelError, OutputError
from SarcopeniaAssessLib.models import load_model
from SarcopeniaTraining.cohort import Cohort, CohortCase, read_cohort
from SarcopeniaTraining.folds import FoldsPlan, chosen_patients, finetune_folds
from SarcopeniaTraining.splits import read_splits, write_splits
from Testing.training.test_finetuning import TINY as SLABS
from Testing.training.tiny_cohort import case_files, tiny_cohort, two_folds, write_manifest

ROOTS = [str(Path(SarcopeniaAssessLib.__file__).parents[1]), str(Path(__file__).parents[2])]
TINY = dataclasses.replace(
    SLABS, name="tiny", slab=dataclasses.replace(SLABS.slab, in_plane_mm=6.0), epochs=3, checkpoint_every=2
)
COMMAND = """
import json, sys
sys.path[:0] = json.loads(sys.argv[1])
from SarcopeniaAssessLib.__main__ import run_group
from SarcopeniaTraining.cli import cli
sys.exit(run_group(cli, json.loads(sys.argv[2])))
"""


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a cohort, its splits and a preset as a file."""
    folder = tmp_path_factory.mktemp("place")
    write_splits(two_folds(tiny_cohort(folder / "cohort")), folder / "splits.json")
    (folder / "tiny.json").write_text(json.dumps(TINY.to_mapping()))
    return folder


def plan(place: Path, out: Path, **changes) -> FoldsPlan:
    cohort = read_cohort(place / "cohort")
    splits = read_splits(place / "splits.json", cohort)
    asked = {"preset": TINY, "numbers": (1, 2), "cache": place / "cache", "threads": 1, **changes}
    return FoldsPlan(cohort=cohort, splits=splits, out=out, **asked)


def command(place: Path, out: Path, *more: str) -> list[str]:
    words = ["finetune", str(place / "cohort"), "--preset", str(place / "tiny.json"), "--out", str(out)]
    words += [
        "--splits",
        str(place / "splits.json"),
        "--cache",
        str(place / "cache"),
        "--threads",
        "1",
        *more,
    ]
    return [sys.executable, "-c", COMMAND, json.dumps(ROOTS), json.dumps(words)]


@pytest.fixture(scope="module")
def whole(place):
    return finetune_folds(plan(place, place / "whole")), place / "whole"


def kept_models(out: Path) -> dict[str, bytes]:
    return {
        path.relative_to(out).as_posix(): path.read_bytes() for path in sorted(out.rglob("*.safetensors"))
    }


def test_the_folder_of_a_run_is_as_documented(whole):
    best, out = whole
    run = json.loads((out / "run.json").read_text())
    assert run["schema"] == "sarcopenia-run/1"
    assert run["cohort"]["name"] == "cohort"
    assert read_cohort(out / run["cohort"]["from_run"]).digest == run["cohort"]["digest"]
    assert run["folds"] == [1, 2]
    assert run["encoder"] is None
    assert run["train_patients"] is None
    assert run["provenance"]["torch"] == torch.__version__
    assert run["preset"] == TINY.to_mapping()
    assert str(out) not in (out / "run.json").read_text()
    assert [fold.number for fold in read_splits(out / "splits.json").folds] == [1, 2]
    for number in (1, 2):
        folder = out / f"fold-{number:02d}"
        validation = json.loads((folder / "validation.json").read_text())
        assert set(validation) == {"epoch-002", "epoch-003", "best"}
        assert validation["best"] == best[number]
        assert 0 <= validation[best[number]]["dice"] <= 1
        lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
        assert [line["epoch"] for line in lines if "loss" in line] == [1, 2, 3]
        assert [line["epoch"] for line in lines if "validation_dice" in line] == [2, 3]
        chosen = load_model(folder / "best.safetensors")
        assert chosen.entry.preprocessing == TINY.slab.to_mapping()
        assert chosen.entry.training["epoch"] == int(best[number][-3:])
        assert "4 annotated CTs" in chosen.entry.trained_on


def test_the_best_is_the_one_with_the_highest_validation_dice(whole):
    for number, best in whole[0].items():
        values = json.loads((whole[1] / f"fold-{number:02d}" / "validation.json").read_text())
        assert values[best]["dice"] == max(v["dice"] for k, v in values.items() if k != "best")


@pytest.mark.parametrize("begun", ["fold-01/checkpoint.pt", "fold-02/log.jsonl"])
def test_killed_in_a_fold_or_between_two_it_ends_with_the_same_weights(place, whole, tmp_path, begun):
    out = tmp_path / "killed"
    child = subprocess.Popen(command(place, out), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while not (out / begun).exists() and child.poll() is None:
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    finetune_folds(plan(place, out))
    assert kept_models(out) == kept_models(whole[1])


@pytest.mark.slow  # two more processes that import torch and MONAI
def test_folds_side_by_side_give_the_same_weights(place, whole, tmp_path):
    found = finetune_folds(plan(place, tmp_path / "two", jobs=2))
    assert found == whole[0]
    assert kept_models(tmp_path / "two") == kept_models(whole[1])


@pytest.mark.slow  # a Ray, and two processes that import torch and MONAI
def test_folds_on_a_cluster_give_the_same_weights(place, whole, tmp_path):
    pytest.importorskip("ray")
    found = finetune_folds(plan(place, tmp_path / "spread", cluster="local"))
    assert found == whole[0]
    assert kept_models(tmp_path / "spread") == kept_models(whole[1])


def test_test_patients_are_never_opened(place, whole, tmp_path):
    """Their files are gone, and nothing is missed."""
    shutil.copytree(place / "cohort", tmp_path / "cohort")
    for case in ("T07", "T08"):
        for file in (tmp_path / "cohort" / case).iterdir():
            file.write_bytes(b"")
    cohort = read_cohort(tmp_path / "cohort")
    changed = dataclasses.replace(
        plan(place, tmp_path / "run", numbers=(1,), cache=tmp_path / "cache"), cohort=cohort
    )
    assert finetune_folds(changed)[1] == whole[0][1]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"preset": dataclasses.replace(TINY, learning_rate=0.5)}, "preset (learning_rate)"),
        ({"train_patients": 3}, "train_patients"),
        ({"preset": dataclasses.replace(TINY, seed=8, batch=4)}, "preset (batch, seed)"),
    ],
)
def test_a_folder_of_another_training_is_refused_and_said_why(place, whole, changes, said):
    before = kept_models(whole[1])
    with pytest.raises(OutputError, match=re.escape(f"differs in {said}")):
        finetune_folds(plan(place, whole[1], **changes))
    assert kept_models(whole[1]) == before


def test_other_splits_and_another_cohort_are_refused(place, whole, tmp_path):
    asked = plan(place, whole[1])
    other = dataclasses.replace(asked.splits, folds=asked.splits.folds[:1])
    with pytest.raises(OutputError, match="splits"):
        finetune_folds(dataclasses.replace(asked, splits=other, numbers=(1,)))
    with pytest.raises(OutputError, match="cohort"):
        finetune_folds(dataclasses.replace(asked, cohort=dataclasses.replace(asked.cohort, digest="0" * 64)))


def test_what_a_preset_says_of_itself_may_change(place, whole):
    said = dataclasses.replace(TINY, cost="now measured", expected="more")
    assert finetune_folds(plan(place, whole[1], preset=said)) == whole[0]


def test_masks_are_checked_before_any_training(tmp_path, capsys):
    rows = [case_files(tmp_path / "c", number) for number in range(1, 9)]
    cohort = write_manifest(tmp_path / "c", rows)
    mask = tmp_path / "c" / "T05" / "muscle.nii.gz"
    image = nib.load(mask)
    nib.save(nib.Nifti1Image(np.zeros(image.shape, np.uint8), image.affine), mask)
    asked = FoldsPlan(TINY, cohort, two_folds(cohort), (1,), tmp_path / "run", tmp_path / "cache", threads=1)
    with pytest.raises(MaskError, match=r"1 of 6 cases cannot be trained on \(T05\)"):
        finetune_folds(asked)
    assert "T05:" in capsys.readouterr().err
    assert not (tmp_path / "run" / "fold-01").exists()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_fewer_patients_are_always_among_more_and_keep_the_share(seed):
    """Of 40 patients 10 are sarcopenic, first in the list: of 8 then 2, of 20 then 5."""
    cases = tuple(CohortCase(f"C{n}", Path("ct"), sarcopenic=n < 10) for n in range(40))
    cohort, names = Cohort(Path("manifest.csv"), cases, "0" * 64), [case.case for case in cases]
    eight, twenty = (chosen_patients(names, cohort, n, (seed, 1)) for n in (8, 20))
    assert [sum(bool(cohort[case].sarcopenic) for case in part) for part in (eight, twenty)] == [2, 5]
    assert set(eight) < set(twenty)
    assert set(eight) != set(chosen_patients(names, cohort, 8, (seed + 10, 1)))
    assert set(chosen_patients(names, cohort, None, (seed, 1))) == set(names)
    with pytest.raises(ModelError, match="give 1…40"):
        chosen_patients(names, cohort, 41, (seed, 1))


def test_more_patients_than_there_are_leave_no_folder(place, tmp_path):
    with pytest.raises(ModelError, match="99 training patients are wanted"):
        finetune_folds(plan(place, tmp_path / "run", train_patients=99))
    assert not (tmp_path / "run").exists()


def test_fewer_patients_train_for_as_many_steps(place, tmp_path):
    finetune_folds(plan(place, tmp_path, numbers=(1,), train_patients=2))
    lines = [json.loads(line) for line in (tmp_path / "fold-01" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "loss" in line] == [2, 4, 6]
    assert "2 annotated CTs" in load_model(tmp_path / "fold-01" / "best.safetensors").entry.trained_on


def test_a_full_disk_is_one_line_and_the_last_good_checkpoint_goes_on(place, whole, tmp_path):
    """A limit on the size of files is met as a full disk is: first epochs with room, then without."""
    out = tmp_path / "full"
    short = dataclasses.replace(TINY, epochs=2, warmup_epochs=0.5)
    finetune_folds(plan(place, out, preset=short, numbers=(1,)))
    run = json.loads((out / "run.json").read_text())
    run["preset"] = TINY.to_mapping()
    (out / "run.json").write_text(json.dumps(run))
    good = (out / "fold-01" / "checkpoint.pt").read_bytes()
    limited = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
    )
    words = command(place, out, "--fold", "1")
    words[2] = limited + words[2]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("sarcopenia: ")
    assert "room" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert (out / "fold-01" / "checkpoint.pt").read_bytes() == good
    done = subprocess.run(command(place, out, "--fold", "1"), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "fold-01/best.safetensors (epoch-00" in done.stdout
    assert (out / "fold-01" / "epoch-003.safetensors").is_file()


def test_an_encoder_for_a_unet_is_refused(place, tmp_path):
    unet = {"kind": "unet", "in_channels": 3, "channels": [4, 8], "strides": [2], "num_res_units": 1}
    asked = plan(
        place,
        tmp_path / "run",
        preset=dataclasses.replace(TINY, network=unet),
        encoder=place / "splits.json",
    )
    with pytest.raises(ModelError, match="no SMIT"):
        finetune_folds(asked)


def test_a_unet_is_trained_by_the_same_loop_and_kept_as_the_librarys_own(place, tmp_path):
    unet = {"kind": "unet", "in_channels": 3, "channels": [4, 8], "strides": [2], "num_res_units": 1}
    preset = dataclasses.replace(TINY, network=unet, epochs=1, warmup_epochs=0)
    assert finetune_folds(plan(place, tmp_path, preset=preset, numbers=(2,))) == {2: "epoch-001"}
    assert load_model(tmp_path / "fold-02" / "best.safetensors").entry.architecture["kind"] == "unet"


def test_an_encoder_is_taken_and_its_report_saved(place, tmp_path, capsys):
    from SarcopeniaAssessLib.smit import SmitConfig
    from SarcopeniaTraining.encoders import save_encoder
    from SarcopeniaTraining.finetuning import Training
    from SarcopeniaTraining.folds import encoder_taker

    donor = Training.start(dataclasses.replace(TINY, seed=77)).network
    config = SmitConfig.from_mapping({k: v for k, v in TINY.network.items() if k != "kind"})
    sha256 = save_encoder(tmp_path / "encoder.safetensors", donor.encoder, config, {"seed": 77})
    asked = plan(place, tmp_path / "run", numbers=(1,), encoder=tmp_path / "encoder.safetensors")
    network = Training.start(TINY, prepare=encoder_taker(asked)).network
    for name, tensor in donor.encoder.state_dict().items():
        assert network.encoder.state_dict()[name].equal(tensor), name
    finetune_folds(asked)
    taken = json.loads((tmp_path / "run" / "run.json").read_text())["encoder"]
    assert taken["source"] == "encoder.safetensors"
    assert taken["sha256"] == sha256
    assert len(taken["report"]["matched"]) >= len(list(donor.encoder.parameters()))
    assert not taken["report"]["unused"]
    assert "encoder encoder.safetensors:" in capsys.readouterr().err
    with pytest.raises(OutputError, match="differs in encoder"):
        finetune_folds(dataclasses.replace(asked, encoder=None))
