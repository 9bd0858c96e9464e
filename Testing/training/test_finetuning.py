"""The loop: it learns, stops at any step and goes on exactly, and stops for good when it diverges."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from SarcopeniaAssessLib.errors import ModelError, OutputError
from SarcopeniaTraining.checkpoints import CHECKPOINT, PREVIOUS, Checkpoints, DivergedError
from SarcopeniaTraining.finetuning import LOG, Surroundings, Training, train
from SarcopeniaTraining.losses import UNANNOTATED
from SarcopeniaTraining.presets import load_preset
from SarcopeniaTraining.samples import Samples
from SarcopeniaTraining.schedule import Schedule

SMOKE = load_preset("smoke")
TINY = dataclasses.replace(
    SMOKE,
    network={**SMOKE.network, "embed_dim": 8, "num_heads": [1, 1, 2, 2], "decoder_channels": [8, 8, 8, 8, 8]},
    epochs=3,
    warmup_epochs=0.5,
    checkpoint_every=2,
    batch=2,
    patch=(64, 64),
    learning_rate=2e-3,
)
CUBES = dataclasses.replace(
    TINY,
    network={
        "kind": "smit",
        "embed_dim": 4,
        "depths": [2, 2, 2, 2],
        "num_heads": [1, 1, 1, 1],
        "decoder_channels": [4, 4, 4, 4, 4],
    },
    slab=dataclasses.replace(SMOKE.slab, slices=32),
    patch=(32, 32, 32),
    augmentation="paper",
    batch=2,
    epochs=2,
    checkpoint_every=1,
)


class Rings:
    """Four bright rings on dark ground, known in the middle slice; `broken`: the last is no number."""

    def __init__(self, shape: tuple[int, int, int] = (70, 66, 3), broken: bool = False) -> None:
        self.shape, self.broken = shape, broken

    def __len__(self) -> int:
        return 4

    def slab(self, place, rng):
        i, j = np.meshgrid(np.arange(self.shape[0]), np.arange(self.shape[1]), indexing="ij")
        radius = np.hypot(i - self.shape[0] / 2, j - self.shape[1] / 2)
        ring = (radius > 0.12 * self.shape[0]) & (radius < (0.25 + 0.03 * place) * self.shape[0])
        image = np.repeat(np.where(ring, 0.7, 0.2).astype(np.float32)[:, :, None], self.shape[2], axis=-1)
        if self.broken and place == 3:
            image[:] = np.nan
        label = np.full(self.shape, UNANNOTATED, np.uint8)
        label[..., self.shape[2] // 2] = ring
        return image, label


pytestmark = pytest.mark.usefixtures("one_thread")


def run(folder, preset=TINY, source=None, **surroundings) -> Training:
    training = Training.start(preset)
    samples = Samples(source or Rings(), preset.patch, training.seed)
    asked = {"examine": lambda _, epoch: {"examined": epoch}, "workers": 0, **surroundings}
    around = Surroundings(folder, **asked)
    return train(training, samples, Schedule.of(preset, 4), around)


def same(one: Training, other: Training) -> bool:
    pairs = [(one.network, other.network), (one.average, other.average)]
    return all(
        tensor.equal(b.state_dict()[name]) for a, b in pairs for name, tensor in a.state_dict().items()
    )


def log_of(folder) -> list[dict]:
    """The log without what the clock says."""
    lines = [json.loads(line) for line in (folder / LOG).read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in ("seconds", "waiting_s")} for line in lines]


class Killed(BaseException):
    """Not an error that anything catches."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return run(folder), folder


@pytest.mark.parametrize("at", [1, 3, 4, 5])
def test_stopped_at_any_step_it_ends_with_the_same_weights(whole, tmp_path, at, monkeypatch):
    monkeypatch.setattr("SarcopeniaTraining.finetuning.SAVE_EVERY_S", 0.0)

    def stop(step: int) -> None:
        if step == at:
            raise Killed

    with pytest.raises(Killed):
        run(tmp_path, advance=stop)
    again = run(tmp_path)
    assert again.step == 6
    assert same(again, whole[0])
    assert log_of(tmp_path) == log_of(whole[1])


def test_killed_between_log_and_checkpoint_no_line_is_doubled(whole, tmp_path):
    def stop(training: Training, epoch: int):
        raise Killed

    with pytest.raises(Killed):
        run(tmp_path, examine=stop)
    assert len(log_of(tmp_path)) == 2
    assert same(run(tmp_path), whole[0])
    assert log_of(tmp_path) == log_of(whole[1])


@pytest.mark.parametrize("damaged", [CHECKPOINT, PREVIOUS])
def test_of_a_damaged_checkpoint_the_other_is_taken_and_the_end_is_the_same(whole, tmp_path, damaged):
    run(tmp_path, dataclasses.replace(TINY, checkpoint_every=1))
    path = tmp_path / damaged
    path.write_bytes(path.read_bytes()[:-40])
    told: list[str] = []
    again = run(tmp_path, dataclasses.replace(TINY, checkpoint_every=1), tell=told.append)
    assert same(again, whole[0])
    assert [line.split(" ")[0] for line in told] == ([CHECKPOINT] if damaged == CHECKPOINT else [])


def test_the_log_has_a_line_for_each_epoch_and_each_examination(whole):
    lines = [json.loads(line) for line in (whole[1] / LOG).read_text().splitlines()]
    epochs = [line for line in lines if "loss" in line]
    assert [line["step"] for line in epochs] == [2, 4, 6]
    assert all({"epoch", "learning_rate", "seconds", "waiting_s"} <= set(line) for line in epochs)
    assert [line["epoch"] for line in lines if "examined" in line] == [2, 3]


def test_another_seed_gives_other_weights(whole, tmp_path):
    assert not same(run(tmp_path, dataclasses.replace(TINY, seed=2)), whole[0])


def test_it_learns(tmp_path):
    preset = dataclasses.replace(TINY, epochs=20, checkpoint_every=20, learning_rate=5e-3, precision="single")
    run(tmp_path, preset)
    losses = [json.loads(line).get("loss") for line in (tmp_path / LOG).read_text().splitlines()]
    assert losses[19] < losses[0] / 2


def test_cubes_learn_from_their_one_annotated_slice(tmp_path):
    """Every sample holds the annotated slice, so every gradient is one."""
    source = Rings((40, 36, 32))
    run(tmp_path, CUBES, source)
    image, label = Samples(source, CUBES.patch, (1,))[0]
    assert image.shape == label.shape == (1, 32, 32, 32)
    assert sorted({int(n) for n in np.unique(label)}) == [0, 1, UNANNOTATED]
    assert (label != UNANNOTATED).any(dim=(0, 1, 2)).sum() == 1
    assert (tmp_path / CHECKPOINT).is_file()


def test_cubes_learn_in_single_precision_on_a_cpu_and_slabs_in_half(tmp_path, monkeypatch):
    """torch's bfloat16 3-D convolution reads memory that nobody wrote (docs/finetuning.md)."""
    asked = []
    monkeypatch.setattr(
        "SarcopeniaTraining.finetuning.half_precision", lambda wanted, device: asked.append(wanted) or False
    )
    assert TINY.half
    assert CUBES.half
    run(tmp_path / "slabs", TINY)
    assert set(asked) == {True}
    asked.clear()
    run(tmp_path / "cubes", CUBES, Rings((40, 36, 32)))
    assert set(asked) == {False}


def test_a_loss_that_is_no_number_stops_it_and_the_last_good_checkpoint_stays(tmp_path, monkeypatch):
    """Two epochs of good samples, then the same training meets a broken one."""
    run(tmp_path, dataclasses.replace(TINY, epochs=2))
    good = Checkpoints(tmp_path).load(lambda line: None)
    monkeypatch.setattr("SarcopeniaTraining.finetuning.SAVE_EVERY_S", 0.0)
    with pytest.raises(DivergedError, match=r"is kept; train again .* lower learning_rate"):
        run(tmp_path, dataclasses.replace(TINY, epochs=9), Rings(broken=True))
    kept = Checkpoints(tmp_path).load(lambda line: None)
    assert good["step"] <= kept["step"] < 6
    assert all(torch.isfinite(t).all() for t in kept["network"].values())


def test_a_diverging_learning_rate_stops_it_and_no_broken_weights_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("SarcopeniaTraining.finetuning.SAVE_EVERY_S", 0.0)
    with pytest.raises(DivergedError, match="diverged"):
        run(tmp_path, dataclasses.replace(TINY, learning_rate=1e30, warmup_epochs=0, precision="single"))
    kept = Checkpoints(tmp_path).load(lambda line: None)
    assert kept["step"] >= 1
    assert all(torch.isfinite(t).all() for t in kept["network"].values())


def test_nothing_is_said_to_be_kept_where_it_diverges_before_any_checkpoint(tmp_path):
    with pytest.raises(DivergedError, match="train again") as error:
        run(tmp_path, dataclasses.replace(TINY, learning_rate=1e30, warmup_epochs=0, precision="single"))
    assert not (tmp_path / CHECKPOINT).exists()
    assert "is kept" not in str(error.value)


def test_a_full_disk_is_one_error_and_the_log_of_a_device_without_room_too(tmp_path):
    (tmp_path / LOG).symlink_to("/dev/full")
    with pytest.raises(OutputError, match="make room"):
        run(tmp_path)


def test_a_batch_that_does_not_divide_is_refused(tmp_path):
    from SarcopeniaTraining.distributed import Team

    with pytest.raises(ModelError, match="cannot be shared by 3"):
        Team(0, 3).share([4, 5])
    assert [Team(r, 2).share([4, 5, 6, 7]) for r in (0, 1)] == [[4, 6], [5, 7]]
