"""Plans of classifiers: refused whole, spread over processes, gone on with, told as they go."""

import dataclasses
import json

import numpy as np
import pytest

from SarcopeniaAssessLib.errors import InputError, ModelError, OutputError
from SarcopeniaAssessLib.output_lock import FolderLock
from SarcopeniaTraining.classification import experiment, experiment_task
from SarcopeniaTraining.classification.classifier_images import Source
from SarcopeniaTraining.classification.classifier_run import read_classification
from SarcopeniaTraining.classification.experiment import (
    check_plan,
    cohort_facts,
    line_of,
    planned_records,
    require_both_classes,
    run_here,
    run_plan,
)
from SarcopeniaTraining.classification.run_claim import identity
from SarcopeniaTraining.splits import Fold, Splits
from SarcopeniaTraining.spreading import Place
from Testing.training.classification.one_run import predicted, record
from Testing.training.classification.tiny_experiment import (
    NAMES,
    PRESET,
    SIDE,
    small_classifier,
    tiny_images,
    tiny_plan,
    tiny_splits,
)


@pytest.fixture
def here(monkeypatch):
    """Tasks in this process, on a small network; returns what was begun."""
    pytest.importorskip("keras")
    begun = []

    def one_by_one(work, tasks, place):
        for task in tasks:
            begun.append((task.network, task.schemes))
            yield task, work(task)

    monkeypatch.setattr(experiment, "spread", one_by_one)
    monkeypatch.setattr(experiment_task, "use_threads", lambda threads: None)
    monkeypatch.setattr("SarcopeniaTraining.classification.networks.build_classifier", small_classifier)
    return begun


def with_fold(**parts) -> Splits:
    """The tiny splits with other cases in parts of the first set."""
    first, second = tiny_splits().folds
    return Splits((dataclasses.replace(first, **parts), second), 1, "c" * 64)


def test_all_runs_are_made_and_told_and_a_second_call_makes_none(here, tmp_path):
    plan, told = tiny_plan(tmp_path), []
    records = run_plan(plan, told.append)
    assert [(one.scheme, one.set) for one in records] == [
        (scheme, number) for scheme in PRESET.schemes for number in (1, 2)
    ]
    assert len(told) == 6
    assert len(here) == 1
    run = read_classification(tmp_path)
    assert (run.records, run.unfinished, run.start) == (tuple(records), (), "random")
    again = []
    assert run_plan(plan, again.append) == records
    assert (len(here), again) == (1, [])


def test_several_plans_in_one_process_share_a_network_and_give_the_same(here, tmp_path, monkeypatch):
    frozen = dataclasses.replace(PRESET, schemes=("freezeall",))
    weighted = dataclasses.replace(frozen, class_weights=True)
    plans = [
        tiny_plan(tmp_path / str(n), preset=preset) for n, preset in enumerate([frozen, weighted, frozen])
    ]
    alone = [timeless(run_plan(plan, lambda line: None)) for plan in plans[:2]]
    built = []

    def note(*arguments):
        built.append(arguments)
        return small_classifier(*arguments)

    monkeypatch.setattr("SarcopeniaTraining.classification.networks.build_classifier", note)
    again = [dataclasses.replace(plan, out=tmp_path / f"again-{n}") for n, plan in enumerate(plans)]
    together = [timeless(records) for records in run_here(again, lambda line: None)]
    assert together == [alone[0], alone[1], alone[0]]
    assert alone[0] != alone[1]
    assert len(built) == 1


def timeless(records):
    return [dataclasses.replace(each, seconds=0.0, resident_mb=0.0) for each in records]


def test_a_plan_grows_by_sets_and_keeps_what_is_there(here, tmp_path):
    small = dataclasses.replace(PRESET, sets=(2,), schemes=("freezeall",))
    (first,) = run_plan(tiny_plan(tmp_path, preset=small), lambda line: None)
    more = dataclasses.replace(PRESET, sets=(1, 2), schemes=("freezeall",))
    assert run_plan(tiny_plan(tmp_path, preset=more), lambda line: None)[1] == first
    assert read_classification(tmp_path).unfinished == ()
    assert planned_records(tiny_plan(tmp_path, preset=small)) == [first]


@pytest.mark.parametrize(
    ("place", "tasks"),
    [
        (Place(jobs=3), [("InceptionResNetV2", 3), ("DenseNet121", 3), ("ResNet50", 3)]),
        (Place(jobs=4), [(name, 1) for name in ("InceptionResNetV2", "DenseNet121", "ResNet50")] * 3),
        (Place(cluster="auto"), [(name, 1) for name in ("InceptionResNetV2", "DenseNet121", "ResNet50")] * 3),
    ],
)
def test_a_process_takes_a_network_or_a_network_and_scheme(tmp_path, monkeypatch, place, tasks):
    begun = []

    def note(work, given, where):
        begun.extend((task.network, len(task.schemes)) for task in given)
        return iter(())

    monkeypatch.setattr(experiment, "spread", note)
    preset = dataclasses.replace(PRESET, networks=("ResNet50", "DenseNet121", "InceptionResNetV2"), side=80)
    images = {80: large_images()}
    run_plan(tiny_plan(tmp_path, preset=preset, images=images, place=place), lambda line: None)
    assert begun == tasks


def test_what_is_learned_from_reaches_the_folder_and_the_processes(tmp_path, monkeypatch):
    tasks = []

    def note(work, given, where):
        tasks.extend(given)
        return iter(())

    monkeypatch.setattr(experiment, "spread", note)
    monkeypatch.setattr("SarcopeniaTraining.classification.radimagenet.check_weights", lambda *_: "sum")
    weights = tmp_path / "RadImageNet-ResNet50_notop.h5"
    weights.write_bytes(b"")
    drawn = dataclasses.replace(tiny_images(seed=9), source=Source.ANNOTATED)
    plan = tiny_plan(tmp_path / "run", train_images={SIDE: drawn}, leak=True, threads=2, weights=tmp_path)
    run_plan(plan, lambda line: None)
    (task,) = tasks
    assert (task.images, task.train_images) == (plan.images[SIDE], drawn)
    assert (task.weights, task.threads, task.folds) == (weights, 2, plan.folds())
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (facts["leak"], facts["images"]["source"]) == (True, str(Source.CT))
    assert facts["images"]["learned_from"] == str(Source.ANNOTATED)
    assert task.identity == identity(facts, plan.splits)


def test_what_is_there_already_is_told(here, tmp_path, capsys):
    frozen = dataclasses.replace(PRESET, schemes=("freezeall",), sets=(1,))
    run_plan(tiny_plan(tmp_path, preset=frozen))
    first = capsys.readouterr().err
    assert "ResNet50 freezeall, set 1: validation AUC" in first
    assert "there already" not in first
    run_plan(tiny_plan(tmp_path, preset=dataclasses.replace(frozen, sets=(1, 2))))
    assert "1 of 2 runs are there already" in capsys.readouterr().err


def large_images():
    images = tiny_images()
    return dataclasses.replace(images, rgb=np.repeat(np.repeat(images.rgb, 3, 1), 3, 2)[:, :80, :80])


@pytest.mark.parametrize("part", ["train", "validation", "test"])
@pytest.mark.parametrize(("sarcopenic", "word"), [(True, "not sarcopenic"), (False, "sarcopenic")])
def test_a_part_of_one_class_is_refused_before_anything_is_written(tmp_path, part, sarcopenic, word):
    alike = ("C00", "C04") if sarcopenic else ("C01", "C02")
    parts = {"train": ("C08", "C03"), "validation": ("C12", "C05"), "test": ("C16", "C06")}
    splits = with_fold(**parts | {part: alike})
    with pytest.raises(InputError, match=f"none of the 2 {part} cases of set 1 is {word}; give splits"):
        run_plan(tiny_plan(tmp_path / "run", splits=splits))
    assert not (tmp_path / "run").exists()


def test_all_of_one_class_is_refused(tmp_path):
    images = tiny_images()
    one_class = dataclasses.replace(images, sarcopenic=np.zeros(len(NAMES), np.bool_))
    with pytest.raises(InputError, match="none of the 10 train cases of set 1 is sarcopenic"):
        run_plan(tiny_plan(tmp_path / "run", images={SIDE: one_class}))


def test_a_case_without_an_image_is_refused(tmp_path):
    with pytest.raises(InputError, match="set 1 names C99, which has no image"):
        check_plan(tiny_plan(tmp_path, splits=with_fold(test=("C99", "C16"))))


def test_a_set_that_the_splits_do_not_have_is_refused(tmp_path):
    with pytest.raises(InputError, match="no set 3; the splits have 1…2"):
        check_plan(tiny_plan(tmp_path, preset=dataclasses.replace(PRESET, sets=(1, 3))))


def test_images_of_another_side_are_refused(tmp_path):
    with pytest.raises(ModelError, match="no images of 224 pixels"):
        check_plan(tiny_plan(tmp_path, preset=dataclasses.replace(PRESET, side=None)))
    with pytest.raises(ModelError, match="no images of 32 pixels"):
        check_plan(tiny_plan(tmp_path, train_images={80: large_images()}))


def test_without_tensorflow_it_is_one_line_and_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tensorflow", None)
    with pytest.raises(
        ModelError, match=r"need TensorFlow .*; pip install 'sarcopenia-assess\[classification\]'"
    ):
        run_plan(tiny_plan(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("content", [b"no HDF5 at all", b""])
def test_damaged_weights_are_refused_before_anything_is_written(tmp_path, content):
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "RadImageNet-ResNet50_notop.h5").write_bytes(content)
    with pytest.raises(ModelError, match=r"RadImageNet-ResNet50_notop\.h5"):
        run_plan(tiny_plan(tmp_path / "run", weights=weights))
    assert not (tmp_path / "run").exists()


def test_the_start_is_each_networks_own_file_with_its_sum(tmp_path, monkeypatch):
    for name in ("ResNet50", "DenseNet121"):
        (tmp_path / f"RadImageNet-{name}_notop.h5").write_bytes(b"")
    monkeypatch.setattr(
        "SarcopeniaTraining.classification.radimagenet.check_weights",
        lambda file, arch: f"sum of {arch.name}",
    )
    preset = dataclasses.replace(PRESET, networks=("ResNet50", "DenseNet121"))
    assert check_plan(tiny_plan(tmp_path / "run", preset=preset, weights=tmp_path)) == {
        name: {"file": f"RadImageNet-{name}_notop.h5", "sha256": f"sum of {name}"}
        for name in ("ResNet50", "DenseNet121")
    }
    assert set(check_plan(tiny_plan(tmp_path / "run", preset=preset)).values()) == {"random"}


def test_two_experiments_in_one_folder_are_kept_apart(here, tmp_path):
    lock = FolderLock(tmp_path)
    with pytest.raises(OutputError, match="Another run is writing"):
        run_plan(tiny_plan(tmp_path), lambda line: None)
    lock.release()
    assert here == []


def test_a_journal_of_something_else_is_told_before_anything_is_trained(here, tmp_path):
    frozen = dataclasses.replace(PRESET, schemes=("freezeall",))
    run_plan(tiny_plan(tmp_path, preset=frozen), lambda line: None)
    path = tmp_path / "runs" / "ResNet50-freezeall.jsonl"
    path.write_text(path.read_text().replace('"identity": "', '"identity": "0'))
    with pytest.raises(OutputError, match="belongs to another identity"):
        run_plan(tiny_plan(tmp_path), lambda line: None)
    assert len(here) == 1


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="the folder run cannot be made"):
        run_plan(tiny_plan(tmp_path / "file" / "run"))


def test_what_remains_of_a_killed_write_is_cleared(here, tmp_path):
    (tmp_path / "weights").mkdir()
    left = tmp_path / "weights" / "candidate-ResNet50.safetensors"
    left.write_bytes(b"half")
    run_plan(tiny_plan(tmp_path, preset=dataclasses.replace(PRESET, sets=(1,))), lambda line: None)
    assert not left.exists()
    held = json.loads((tmp_path / "weights" / "ResNet50.json").read_text())
    best = max(
        planned_records(tiny_plan(tmp_path)), key=lambda one: (one.validation_auc, -one.validation_loss)
    )
    assert (held["scheme"], held["set"]) == (best.scheme, best.set)


def test_a_run_in_one_line():
    assert line_of(record(number=3)) == (
        "ResNet50 unfreezeall, set 3: validation AUC 1.00 in epoch 2 of 2, 1.5 s"
    )
    assert "AUC undefined" in line_of(record(validation=predicted(c=0.5)))


def test_facts_of_a_cohort_name_no_path(tmp_path):
    from SarcopeniaTraining.cohort import Cohort, CohortCase

    cases = (CohortCase("A", tmp_path, patient="P1"), CohortCase("B", tmp_path))
    (tmp_path / "hospital").mkdir()
    manifest = tmp_path / "hospital" / "manifest.csv"
    manifest.write_text("")
    facts = cohort_facts(Cohort(manifest, cases, "d" * 64))
    assert facts == {"name": "hospital", "digest": "d" * 64, "people": {"A": "P1"}}
    assert str(tmp_path) not in json.dumps(facts)


def test_both_classes_in_each_part_are_enough():
    fold = Fold(1, ("a", "b"), ("c", "d"), ("e", "f"))
    require_both_classes(fold, dict(zip("abcdef", [True, False] * 3, strict=True)))
