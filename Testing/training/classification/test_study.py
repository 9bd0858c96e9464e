"""What studies share: the options, plans of one network and scheme, each folder trained once, kept runs."""

import json

import click
import pytest
from click.testing import CliRunner

from SarcopeniaAssessLib.errors import InputError
from SarcopeniaTraining.classification import study as studied
from SarcopeniaTraining.classification.study import Study, Way, one_combination, study_options, trained
from Testing.training.classification.made_ways import cases, images_of, preset_of, trainer, two_sets
from Testing.training.tiny_cohort import tiny_cohort

NAMES = cases(16, 6)


def options_of(*arguments):
    """The options as the command gets them."""
    found = {}

    @click.command()
    @study_options
    def command(**options):
        found.update(options)

    result = CliRunner().invoke(command, ["--out", "somewhere", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return found


def test_a_study_takes_one_network_and_one_scheme_of_its_preset():
    preset = one_combination(options_of())
    assert (preset.networks, preset.schemes) == (("ResNet50",), ("unfreezeall",))
    assert not preset.class_weights
    given = options_of(
        "--learning-rate",
        "1e-3",
        "--network",
        "densenet121",
        "--scheme",
        "freezeall",
        "--sets",
        "2-3",
        "--side",
        "64",
    )
    preset = one_combination({**given, "epochs": 7})
    assert (preset.networks, preset.schemes, preset.sets) == (("DenseNet121",), ("freezeall",), (2, 3))
    assert (preset.side, preset.epochs, preset.learning_rate) == (64, 7, 0.001)


def test_a_seed_of_nought_is_a_seed_and_weights_of_classes_are_a_way_of_their_own(tmp_path):
    from dataclasses import asdict

    held = asdict(preset_of(class_weights=True, seed=5))
    (tmp_path / "own.json").write_text(json.dumps(held))
    preset = one_combination(options_of("--preset", str(tmp_path / "own.json"), "--seed", "0"))
    assert (preset.seed, preset.class_weights) == (0, False)
    assert one_combination(options_of("--preset", str(tmp_path / "own.json"))).seed == 5


def test_a_network_that_is_none_is_refused():
    from SarcopeniaAssessLib.errors import SarcopeniaError

    with pytest.raises(SarcopeniaError, match="VGG"):
        one_combination(options_of("--network", "VGG16"))


@pytest.fixture
def study(tmp_path):
    (tmp_path / "cts").mkdir()
    return Study(tiny_cohort(tmp_path / "cts", 3), preset_of(), two_sets(), tmp_path / "out")


def test_ways_of_one_folder_are_trained_once(study):
    images = images_of(NAMES, [name.startswith("S") for name in NAMES])
    printed, other = study.plan("printed", images), study.plan("other", images, leak=True)
    assert printed.out == study.out / "printed"
    assert (printed.leak, other.leak) == (False, True)
    assert printed.cohort["digest"] == study.cohort.digest
    seen = []
    ways = [
        Way("printed", "a", printed),
        Way("printed", "b", printed, moves_threshold=True),
        Way("other", "c", other),
    ]
    results = trained(ways, 1, trainer(lambda plan: lambda name: 0.9 if plan.leak else 0.1, seen))
    assert [plan.out.name for plan in seen] == ["printed", "other"]
    assert [way.title for way, _ in results] == ["a", "b", "c"]
    assert [runs.runs[0].test.probability[0] for _, runs in results] == [0.1, 0.1, 0.9]


def test_the_heading_says_network_size_and_start(study, tmp_path):
    assert study.heading == "this study (ResNet50 unfreezeall, 32 pixels, at most 1 epochs, random start)"
    from dataclasses import replace

    assert "RadImageNet start" in replace(study, weights=tmp_path).heading
    assert replace(study, preset=preset_of(side=None)).side == 224


def test_a_cohort_that_is_not_there_is_told_before_anything_is_trained(tmp_path):
    with pytest.raises(InputError, match="There is no cohort"):
        studied.study_of(tmp_path / "none", {**options_of(), "out": tmp_path})
