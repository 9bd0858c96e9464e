"""A process's share: every run kept at once, each from the same start, resumed to the same end."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from SarcopeniaAssessLib.errors import ModelError, OutputError
from SarcopeniaTraining.classification import experiment_task
from SarcopeniaTraining.classification.architectures import architecture
from SarcopeniaTraining.classification.classifier_run import journal_path, read_records
from SarcopeniaTraining.classification.experiment_task import (
    NetworkTask,
    do_task,
    require_room,
    resident_mb,
    run_seed,
)
from SarcopeniaTraining.classification.kept_weights import read_best
from Testing.training.classification.tiny_experiment import (
    NAMES,
    PRESET,
    SIDE,
    small_classifier,
    tiny_images,
    tiny_splits,
)

SCHEMES = PRESET.schemes


@pytest.fixture(autouse=True)
def small_network(monkeypatch):
    pytest.importorskip("keras")
    monkeypatch.setattr("SarcopeniaTraining.classification.networks.build_classifier", small_classifier)
    monkeypatch.setattr(experiment_task, "use_threads", lambda threads: None)


def task(out, **changes) -> NetworkTask:
    images = tiny_images()
    made = NetworkTask("ResNet50", SCHEMES, tiny_splits().folds, PRESET, images, images, out, None, "same", 1)
    return dataclasses.replace(made, **changes)


def timeless(out) -> list:
    """All runs, without what the clock and the memory say."""
    found = []
    for scheme in SCHEMES:
        found += read_records(journal_path(out, "ResNet50", scheme))
    return [dataclasses.replace(each, seconds=0.0, resident_mb=0.0) for each in found]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("SarcopeniaTraining.classification.networks.build_classifier", small_classifier)
        patch.setattr(experiment_task, "use_threads", lambda threads: None)
        assert do_task(task(out)) == 6
    return out


def test_every_run_is_kept_with_its_predictions(whole):
    runs = timeless(whole)
    assert [(each.scheme, each.set) for each in runs] == [(s, n) for s in SCHEMES for n in (1, 2)]
    first, second = tiny_splits().folds
    assert [p.case for p in runs[0].validation] == list(first.validation)
    assert [p.case for p in runs[1].test] == list(second.test)
    assert [p.sarcopenic for p in runs[0].test] == [n % 4 == 0 for n in range(15, 20)]
    assert {each.start for each in runs} == {"random"}


def test_the_schemes_train_what_they_say(whole):
    """Four convolutions of 3×3: 84 + 3·84 numbers, four norms of 6, a head of 8; the ten before the head hold
    three convolutions and three norms."""
    counts = {each.scheme: each.trained_parameters for each in timeless(whole)}
    assert counts == {
        "unfreezeall": 4 * 84 + 4 * 6 + 8,
        "freezeall": 8,
        "unfreezetop10": 3 * 84 + 3 * 6 + 8,
    }


@pytest.mark.parametrize("done", [1, 3, 5])
def test_stopped_after_any_run_it_ends_with_the_same(whole, tmp_path, monkeypatch, done):
    add = experiment_task.Journal.add
    left = iter(range(done))

    def stop(journal, lines):
        add(journal, lines)
        if next(left, None) is None:
            raise KeyboardInterrupt

    monkeypatch.setattr(experiment_task.Journal, "add", stop)
    with pytest.raises(KeyboardInterrupt):
        do_task(task(tmp_path))
    monkeypatch.setattr(experiment_task.Journal, "add", add)
    assert do_task(task(tmp_path)) == 6 - done - 1
    assert timeless(tmp_path) == timeless(whole)
    assert read_best(tmp_path, "ResNet50") == read_best(whole, "ResNet50")


def test_a_scheme_alone_gives_the_runs_that_it_gives_among_others(whole, tmp_path):
    do_task(task(tmp_path, schemes=("unfreezetop10",), folds=tiny_splits().folds[1:]))
    (alone,) = timeless(tmp_path)
    assert alone == timeless(whole)[-1]


def test_nothing_left_to_do_asks_for_no_keras(whole, tmp_path, monkeypatch):
    out = tmp_path / "again"
    shutil.copytree(whole, out)
    monkeypatch.setattr(experiment_task, "require_keras", lambda: 1 / 0)
    assert do_task(task(out)) == 0


def test_the_same_run_on_whole_images_and_on_features(whole):
    """`freezeall` trained by hand through the whole network: its kept features change nothing."""
    from SarcopeniaTraining.classification.networks import HEAD, prepare, start_weights
    from SarcopeniaTraining.classification.training import Part, TrainableScheme, learn

    model = small_classifier(architecture("ResNet50"), SIDE, PRESET.seed)
    start_weights(model, run_seed(PRESET.seed, "ResNet50", 1), [HEAD])
    for layer in model.layers:
        layer.trainable = layer.name == HEAD
    images, fold = tiny_images(), tiny_splits().folds[0]
    prepared = prepare(architecture("ResNet50"), images.rgb)

    def part(cases):
        places = images.places(cases)
        return Part((prepared[places],), images.sarcopenic[places])

    scheme = TrainableScheme(None, model, PRESET.learning_rate)
    seed = run_seed(PRESET.seed, "ResNet50", 1)
    trained = learn(scheme, part(fold.train), part(fold.validation), PRESET, seed)
    kept = next(each for each in timeless(whole) if each.scheme == "freezeall")
    assert kept.history["val_loss"] == pytest.approx(trained.history["val_loss"], rel=1e-4)
    said = scheme.probability(part(fold.test).inputs)
    assert [p.probability for p in kept.test] == pytest.approx(said.tolist(), abs=1e-5)


def test_images_to_learn_from_may_be_others(whole, tmp_path):
    do_task(task(tmp_path, schemes=("freezeall",), train_images=tiny_images(seed=9)))
    other = timeless(tmp_path)[0]
    same = next(each for each in timeless(whole) if each.scheme == "freezeall")
    assert other.history["loss"][0] != same.history["loss"][0]
    assert [p.case for p in other.test] == [p.case for p in same.test]


def test_class_weights_are_told_and_change_the_run(whole, tmp_path):
    weighted = dataclasses.replace(PRESET, class_weights=True)
    do_task(task(tmp_path, schemes=("freezeall",), preset=weighted))
    run = timeless(tmp_path)[0]
    same = next(each for each in timeless(whole) if each.scheme == "freezeall")
    assert (run.class_weights, same.class_weights) == (True, False)
    assert run.seed == same.seed
    assert run.history["loss"] != same.history["loss"]


def test_a_run_that_diverges_is_told_and_the_others_are_made(tmp_path, monkeypatch):
    learn = experiment_task.learn

    def diverge(scheme, train, validation, learning, seed):
        if seed == run_seed(PRESET.seed, "ResNet50", 1):
            raise ModelError("the loss of epoch 1 is no number", "train with a lower learning rate")
        return learn(scheme, train, validation, learning, seed)

    monkeypatch.setattr(experiment_task, "learn", diverge)
    with pytest.raises(ModelError, match="ResNet50 freezeall, set 1: the loss of epoch 1 is no number"):
        do_task(task(tmp_path, schemes=("freezeall",)))
    assert [each.set for each in timeless(tmp_path)] == [2]


def test_a_journal_of_another_experiment_is_refused(whole, tmp_path):
    out = tmp_path / "other"
    shutil.copytree(whole, out)
    with pytest.raises(OutputError, match="belongs to another identity"):
        do_task(task(out, identity="other"))


def test_no_room_for_the_weights_is_told_before_any_training(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(1, 1, 100 * 2**20))
    require_room(tmp_path, 18 * 2**20, "ResNet50")
    with pytest.raises(OutputError, match=r"no room for the weights of ResNet50 \(102 MB\)"):
        require_room(tmp_path, 19 * 2**20, "ResNet50")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(1, 1, 0))
    monkeypatch.setattr(experiment_task, "learn", lambda *_: 1 / 0)
    with pytest.raises(OutputError, match="no room"):
        do_task(task(tmp_path))
    assert timeless(tmp_path) == []


def test_seeds_differ_between_networks_and_sets_and_not_between_schemes():
    seeds = {run_seed(1, network, n) for network in ("ResNet50", "DenseNet121") for n in range(1, 11)}
    assert len(seeds) == 20
    assert run_seed(1, "ResNet50", 3) == run_seed(1, "ResNet50", 3) != run_seed(2, "ResNet50", 3)


def test_the_journal_holds_no_path_and_no_person_beyond_the_cases(whole):
    text = "".join(path.read_text() for path in (whole / "runs").iterdir())
    assert str(whole) not in text
    cases = {said[0] for line in text.splitlines() for said in json.loads(line).get("test", [])}
    assert cases <= set(NAMES)


def test_memory_is_that_of_this_process():
    before = resident_mb()
    block = np.ones(30 * 2**17)  # 30 MB, touched
    assert 20 < resident_mb() - before < 60
    assert block.sum() == 30 * 2**17


def test_a_network_is_built_anew_for_another_rate_or_seed_and_never_two_are_kept(tmp_path):
    built, networks = {}, []
    for number, changes in enumerate([{}, {"epochs": 1}, {"learning_rate": 0.02}, {"seed": 2}]):
        preset = dataclasses.replace(PRESET, **changes)
        out = tmp_path / str(number)
        do_task(task(out, schemes=("freezeall",), folds=tiny_splits().folds[:1], preset=preset), built)
        networks += built.values()
    assert len(networks) == 4
    assert networks[0] is networks[1]
    assert len(set(map(id, networks))) == 3
    assert networks[2].learning_rate == 0.02


def test_weights_are_kept_before_their_run_is_written_down(tmp_path, monkeypatch):
    """Killed in between, the run is made again; the other way round its weights were lost for good."""
    add, held = experiment_task.Journal.add, []

    def note(journal, lines):
        held.append(read_best(tmp_path, "ResNet50"))
        add(journal, lines)

    monkeypatch.setattr(experiment_task.Journal, "add", note)
    one = task(tmp_path, schemes=("freezeall",), folds=tiny_splits().folds[:1], weights=tmp_path / "R.h5")
    do_task(one)
    assert [each["set"] for each in held] == [1]
    assert [each.start for each in timeless(tmp_path)] == ["radimagenet"]
