"""The best run's weights: replaced by better ones alone, and named rightly whenever it is killed."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import load_file

from SarcopeniaAssessLib.errors import OutputError
from SarcopeniaAssessLib.output_lock import lock_file
from SarcopeniaTraining.classification import kept_weights
from SarcopeniaTraining.classification.kept_weights import (
    clear_half_written,
    keep_best,
    read_best,
    weights_path,
)
from Testing.training.classification.one_run import predicted, record

RIGHT, WRONG = predicted(c=0.7, d=0.4), predicted(c=0.4, d=0.7)


def network(value: float) -> SimpleNamespace:
    """As `save_weights` reads a Keras model: one layer with one weight of that value."""
    weight = SimpleNamespace(name="kernel", shape=(2,), numpy=lambda: np.full(2, value, np.float32))
    return SimpleNamespace(name="resnet50", layers=[SimpleNamespace(name="status", weights=[weight])])


def kept(folder) -> float:
    (tensor,) = load_file(weights_path(folder, "ResNet50")).values()
    return float(tensor[0])


def test_only_a_better_run_on_validation_takes_the_place(tmp_path):
    assert keep_best(tmp_path, network(1), record(number=1, validation=WRONG))
    assert keep_best(tmp_path, network(2), record(number=2, validation=RIGHT))
    assert not keep_best(tmp_path, network(3), record(number=3, validation=WRONG, val_loss=(0.01,)))
    assert kept(tmp_path) == 2
    held = read_best(tmp_path, "ResNet50")
    assert (held["scheme"], held["set"], held["validation_auc"]) == ("unfreezeall", 2, 1.0)


def test_the_same_run_again_changes_nothing(tmp_path):
    keep_best(tmp_path, network(1), record())
    assert not keep_best(tmp_path, network(2), record())
    assert kept(tmp_path) == 1


def test_the_order_of_the_runs_does_not_matter(tmp_path):
    runs = [(1, WRONG), (2, RIGHT), (3, RIGHT)]
    for place, order in enumerate([(0, 1, 2), (2, 1, 0), (1, 2, 0)]):
        for n in order:
            number, said = runs[n]
            keep_best(tmp_path / str(place), network(number), record(number=number, validation=said))
    files = {(tmp_path / str(n) / "weights" / "ResNet50.json").read_bytes() for n in range(3)}
    assert len(files) == 1
    assert [kept(tmp_path / str(n)) for n in range(3)] == [2, 2, 2]


@pytest.mark.parametrize(("at", "set_then"), [(1, 1), (2, 1), (3, 2)])
def test_killed_anywhere_the_name_is_that_of_the_weights(tmp_path, monkeypatch, at, set_then):
    """1: while the candidate is written, 2: after both runs are named, 3: after the weights are in place."""
    keep_best(tmp_path, network(1), record(number=1, validation=WRONG))
    writes = iter(range(1, 9))
    whole = kept_weights.write_whole

    def stop(path, content):
        if next(writes) == at - 1:
            raise KeyboardInterrupt
        whole(path, content)

    if at == 1:
        monkeypatch.setattr("SarcopeniaTraining.classification.networks.save_weights", lambda *_: 1 / 0)
    else:
        monkeypatch.setattr(kept_weights, "write_whole", stop)
    if at == 2:
        monkeypatch.setattr("pathlib.Path.replace", lambda *_: 1 / 0)
        monkeypatch.setattr(kept_weights, "write_whole", lambda path, content: path.write_bytes(content))
    with pytest.raises((KeyboardInterrupt, ZeroDivisionError)):
        keep_best(tmp_path, network(2), record(number=2, validation=RIGHT))
    monkeypatch.undo()
    assert kept(tmp_path) == set_then
    assert read_best(tmp_path, "ResNet50")["set"] == set_then
    keep_best(tmp_path, network(2), record(number=2, validation=RIGHT))
    assert (kept(tmp_path), read_best(tmp_path, "ResNet50")["set"]) == (2, 2)


def test_another_process_that_writes_is_waited_for(tmp_path, monkeypatch):
    keep_best(tmp_path, network(1), record(number=1, validation=WRONG))
    monkeypatch.setattr(kept_weights, "_LOCK_WAIT_S", 0.05)
    with (
        lock_file(tmp_path / "weights" / ".ResNet50.lock", 0),
        pytest.raises(OutputError, match="Another program is writing"),
    ):
        keep_best(tmp_path, network(2), record(number=2, validation=RIGHT))
    assert kept(tmp_path) == 1
    assert keep_best(tmp_path, network(2), record(number=2, validation=RIGHT))


def test_altered_weights_are_nobodys(tmp_path):
    keep_best(tmp_path, network(1), record())
    path = weights_path(tmp_path, "ResNet50")
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    assert read_best(tmp_path, "ResNet50") is None


def test_what_a_kill_left_is_cleared_and_nothing_else(tmp_path):
    keep_best(tmp_path, network(1), record())
    (tmp_path / "runs").mkdir()
    left = ("weights/candidate-ResNet50.safetensors", "weights/.writing-a", "runs/.writing-b", ".writing-c")
    for name in left:
        (tmp_path / name).write_bytes(b"half")
    clear_half_written(tmp_path)
    assert not any((tmp_path / name).exists() for name in left)
    assert kept(tmp_path) == 1


def test_without_room_the_weights_stay(tmp_path, monkeypatch):
    keep_best(tmp_path, network(1), record(number=1, validation=WRONG))

    def full(path, content):
        raise OutputError(f"{path.name} cannot be written (No space left on device)", "make room")

    monkeypatch.setattr("SarcopeniaTraining.classification.networks.write_whole", full)
    with pytest.raises(OutputError, match="No space left"):
        keep_best(tmp_path, network(2), record(number=2, validation=RIGHT))
    assert kept(tmp_path) == 1
    assert json.loads((tmp_path / "weights" / "ResNet50.json").read_text())["set"] == 1


def test_a_folder_that_cannot_be_written_to_is_one_line(tmp_path):
    (tmp_path / "weights").write_text("in the way")
    with pytest.raises(OutputError, match=r"ResNet50\.safetensors cannot be written \(.*\); make room"):
        keep_best(tmp_path, network(1), record())
