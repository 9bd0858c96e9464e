"""The four networks' facts, and Keras asked for in one sentence."""

import json
import subprocess
import sys
from importlib.resources import files

import pytest

from SarcopeniaAssessLib.errors import ModelError
from SarcopeniaTraining.classification.architectures import (
    ARCHITECTURES,
    Architecture,
    architecture,
    require_keras,
)


def test_the_papers_four_networks_in_the_order_of_table_1():
    paper = json.loads((files("SarcopeniaTraining") / "paper" / "tables.json").read_text("utf-8"))
    rows = paper["table1_classifier_auc"]["rows"]
    assert list(ARCHITECTURES) == list(dict.fromkeys(row["network"] for row in rows))
    assert [a.name for a in ARCHITECTURES.values()] == list(ARCHITECTURES)
    assert [a.side for a in ARCHITECTURES.values()] == [299, 224, 224, 299]
    assert [a.preprocessing for a in ARCHITECTURES.values()] == ["tf", "torch", "caffe", "tf"]


@pytest.mark.parametrize("name", ["resnet50", "RESNET50", " ResNet50 "])
def test_a_network_is_found_in_small_and_capital_letters(name):
    assert architecture(name) is ARCHITECTURES["ResNet50"]


def test_another_network_is_refused_with_the_four_names():
    with pytest.raises(ModelError, match=r"no network 'VGG16'; take one of InceptionV3, DenseNet121, ResNet"):
        architecture("VGG16")


@pytest.mark.parametrize(
    ("change", "told"),
    [({"preprocessing": "none"}, "'none' is not known"), ({"least_side": 300}, "least side of 300")],
)
def test_an_invalid_network_cannot_be(change, told):
    facts = {"name": "X", "side": 224, "least_side": 32, "preprocessing": "tf"}
    with pytest.raises(ModelError, match=told):
        Architecture(**(facts | change), last_convolution="relu", weights_file="x.h5")


def test_a_side_too_small_is_refused_the_least_is_not():
    ARCHITECTURES["InceptionV3"].check_side(75)
    with pytest.raises(
        ModelError, match=r"InceptionV3 cannot see images of 74×74 pixels; .* 75 pixels or more"
    ):
        ARCHITECTURES["InceptionV3"].check_side(74)


@pytest.mark.parametrize("missing", ["keras", "tensorflow"])
def test_without_tensorflow_one_sentence_with_the_remedy(monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ModelError) as told:
        require_keras()
    assert missing in told.value.problem
    assert told.value.remedy == "pip install 'sarcopenia-assess[classification]'"
    assert "\n" not in str(told.value)


def test_the_facts_are_read_without_keras():
    code = (
        "import sys; import SarcopeniaTraining.classification.architectures, "
        "SarcopeniaTraining.classification.networks, SarcopeniaTraining.classification.schemes, "
        "SarcopeniaTraining.classification.radimagenet; "
        "sys.exit(any(name in sys.modules for name in ('keras', 'tensorflow', 'h5py')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
