"""The study of the leak: what each way learns from and is tested on."""

import numpy as np
import pytest

from SarcopeniaAssessLib.errors import InputError
from SarcopeniaTraining.classification.classifier_images import Source
from SarcopeniaTraining.classification.drawn_pictures import HABITS
from SarcopeniaTraining.classification.leak import PLAIN, leak_study
from SarcopeniaTraining.classification.study import Study
from SarcopeniaTraining.image_cohort import ImageCohort
from SarcopeniaTraining.splits import Fold, Splits
from Testing.training.classification.made_ways import SIDE, preset_of, trainer
from Testing.training.tiny_cohort import tiny_cohort

ONE_PEN, _, ONE_CLASS = HABITS


@pytest.fixture
def study(tmp_path):
    """Twelve tiny CTs, of which T04, T08 and T12 are sarcopenic."""
    (tmp_path / "cts").mkdir()
    cohort = tiny_cohort(tmp_path / "cts", 12)
    train = ("T04", "T01", "T02", "T03", "T05", "T06")
    splits = Splits((Fold(1, train, ("T08", "T07", "T09"), ("T12", "T10", "T11")),), 1, cohort.digest)
    return Study(cohort, preset_of(sets=(1,)), splits, tmp_path / "out")


def coloured(images):
    rgb = images.rgb.astype(int)
    spread = rgb.max(axis=3) - rgb.min(axis=3)
    return {name for name, one in zip(images.names, spread, strict=True) if one.max() > 60}


def test_each_way_learns_from_and_is_tested_on_what_it_says(study):
    seen = []
    table = leak_study(study, (ONE_CLASS,), trainer(lambda plan: lambda name: 0.5, seen))
    assert [row["way"] for row in table.rows] == [
        PLAIN,
        "sarcopenic ones only: outlined, tested on outlined",
        "sarcopenic ones only: outlined, tested on plain",
        "sarcopenic ones only: outline removed",
    ]
    plain, outlined, on_plain, removed = seen
    sick = {"T04", "T08", "T12"}
    assert coloured(plain.images[SIDE]) == coloured(removed.images[SIDE]) == set()
    assert coloured(outlined.images[SIDE]) == coloured(on_plain.train_images[SIDE]) == sick
    assert coloured(on_plain.images[SIDE]) == set()
    assert np.array_equal(on_plain.images[SIDE].rgb, plain.images[SIDE].rgb)
    assert [plan.leak for plan in seen] == [False, True, True, False]
    assert removed.images[SIDE].restored == ("T04", "T08", "T12")
    assert outlined.images[SIDE].source is Source.ANNOTATED
    assert all(plan.splits is study.splits and plan.preset == study.preset for plan in seen)
    assert len({plan.out for plan in seen}) == 4
    assert (study.out / "leak.csv").is_file()
    assert (study.out / "removal.csv").is_file()
    assert (study.out / "figures" / "captions.md").is_file()


def test_another_cohort_in_the_same_folder_gets_pictures_of_its_own(study):
    from dataclasses import replace

    seen = []
    train = trainer(lambda plan: lambda name: 0.5, seen)
    leak_study(study, (ONE_CLASS,), train)
    paler = replace(study.cohort, cases=study.cohort.cases[::-1], digest="e" * 64)
    leak_study(replace(study, cohort=paler), (ONE_CLASS,), train)
    assert seen[4].images[SIDE].names == seen[0].images[SIDE].names[::-1]


def test_with_one_pen_everybody_is_outlined(study):
    seen = []
    leak_study(study, (ONE_PEN,), trainer(lambda plan: lambda name: 0.5, seen))
    assert coloured(seen[1].images[SIDE]) == set(seen[1].images[SIDE].names)


def test_pictures_have_no_masks_to_draw_from(study):
    pictures = ImageCohort(study.cohort.path, (), "digest")
    with pytest.raises(InputError, match="a cohort of pictures"):
        leak_study(Study(pictures, study.preset, study.splits, study.out), HABITS)
