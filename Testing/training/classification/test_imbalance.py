"""The study of class imbalance: which ways are trained, on whom, and what is read from them."""

import csv
from dataclasses import replace

import pytest

from SarcopeniaTraining.classification import balanced_phantoms
from SarcopeniaTraining.classification.imbalance import (
    ADDED,
    EXCHANGED,
    MOVED,
    PRINTED,
    WEIGHTED,
    imbalance_study,
)
from SarcopeniaTraining.classification.study import Study
from SarcopeniaTraining.image_cohort import ImageCase, ImageCohort
from SarcopeniaTraining.splits import Fold, Splits
from Testing.training.classification.made_ways import SIDE, preset_of, trainer
from Testing.training.tiny_cohort import tiny_cohort


def splits_of(cohort):
    """Of twelve CTs T04, T08 and T12 are sarcopenic: five others and one of them to train on."""
    train = ("T04", "T01", "T02", "T03", "T05", "T06")
    return Splits((Fold(1, train, ("T08", "T07", "T09"), ("T12", "T10", "T11")),), 1, cohort.digest)


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Twelve tiny CTs; phantoms are tiny CTs too."""

    def write(plan, folder, *, jobs, tell):
        folder.mkdir(parents=True)
        manifest = tiny_cohort(folder, plan.patients).path
        manifest.write_text(manifest.read_text().replace(",no,", ",yes,"))

    monkeypatch.setattr(balanced_phantoms, "write_cohort", write)
    (tmp_path / "cts").mkdir()
    cohort = tiny_cohort(tmp_path / "cts", 12)
    return Study(cohort, preset_of(sets=(1,)), splits_of(cohort), tmp_path / "out")


def said(plan):
    """Sarcopenic cases get 0.4 and others less as printed; with weights 0.6; balanced 0.9."""
    high = 0.9 if plan.out.name.startswith("balanced") else 0.6 if plan.preset.class_weights else 0.4
    images = plan.images[SIDE]
    sick = {name for name, label in zip(images.names, images.sarcopenic, strict=True) if label}
    return lambda name: high if name in sick else 0.1


def test_five_ways_stand_side_by_side(study):
    seen = []
    table = imbalance_study(study, trainer(said, seen))
    assert [row["way"] for row in table.rows] == [PRINTED, MOVED, WEIGHTED, ADDED, EXCHANGED]
    # As printed 0.4 is not called; moved to the middle of 0.1 and 0.4, and in all other ways, it is.
    assert [row["sensitivity"] for row in table.rows] == [0, 1, 1, 1, 1]
    assert [row["f1"] for row in table.rows] == [None, 1, 1, 1, 1]
    assert [row["threshold"] for row in table.rows] == [0.5, 0.25, 0.5, 0.5, 0.5]
    assert [(row["trained_sarcopenic"], row["trained_other"]) for row in table.rows] == [
        *[(1, 5)] * 3,
        (5, 5),
        (3, 3),
    ]
    with (study.out / "imbalance.csv").open(newline="") as stream:
        assert len(list(csv.DictReader(stream))) == 5
    assert (study.out / "figures" / "imbalance.png").is_file()


def test_each_way_is_trained_once_and_differs_from_the_printed_one_in_one_thing(study):
    seen = []
    imbalance_study(study, trainer(said, seen))
    printed, weighted, added, exchanged = seen
    assert weighted.preset == replace(printed.preset, class_weights=True)
    assert weighted.splits == printed.splits
    assert added.preset == exchanged.preset == printed.preset
    own = set(printed.images[SIDE].names)
    for plan in (added, exchanged):
        (fold,), (before,) = plan.splits.folds, printed.splits.folds
        assert (fold.validation, fold.test) == (before.validation, before.test)
        more = set(fold.train) - own
        assert all(name.startswith("phantom-") for name in more)
        assert len(more) == (4 if plan is added else 2)
        assert not plan.leak
    assert len({plan.out for plan in seen}) == 4


def test_a_cohort_of_equal_classes_gets_no_phantoms_and_the_table_says_so(study):
    (fold,) = study.splits.folds
    equal = replace(fold, train=("T04", "T01"))
    seen = []
    table = imbalance_study(replace(study, splits=replace(study.splits, folds=(equal,))), trainer(said, seen))
    assert [row["way"] for row in table.rows] == [PRINTED, MOVED, WEIGHTED]
    assert any("no class is the rarer one" in note for note in table.notes)
    assert not (study.out / "phantoms").exists()


def test_pictures_get_no_phantoms_and_the_table_says_so(tmp_path):
    from PIL import Image

    rows = []
    for n in range(1, 13):
        Image.new("L", (20, 20), 10 * n).save(tmp_path / f"{n}.png")
        rows.append(ImageCase(f"T{n:02d}", tmp_path / f"{n}.png", sarcopenic=n % 4 == 0))
    cohort = ImageCohort(tmp_path / "manifest.csv", tuple(rows), "digest")
    seen = []
    study = Study(cohort, preset_of(sets=(1,)), splits_of(cohort), tmp_path / "out")
    table = imbalance_study(study, trainer(said, seen))
    assert [row["way"] for row in table.rows] == [PRINTED, MOVED, WEIGHTED]
    assert any("no known pixel size" in note for note in table.notes)
