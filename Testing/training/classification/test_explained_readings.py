"""Readings of a tiny network in its three states, and a run that is stopped and goes on."""

import json

import numpy as np
import pytest

from SarcopeniaAssessLib.errors import InputError, OutputError
from SarcopeniaTraining.classification.explained_readings import (
    JOURNAL,
    ExplainPlan,
    Images,
    Method,
    Reading,
    State,
    by_state,
    count_of,
    quick_probability,
    read_all,
    superpixels_of,
)
from SarcopeniaTraining.classification.faithfulness import RANDOM_MAPS, STEPS
from SarcopeniaTraining.classification.lime_maps import LimeSettings
from Testing.training.classification.tiny_classifier import LAYER, sections, tiny_classifier

PLAN = ExplainPlan(LAYER, LimeSettings(20, (1, 2)), random_seed=5, heads=2)
IMAGES = Images(("A", "B"), sections(2))
HEAD = {"of": "these tests"}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    told = []
    readings = read_all(tiny_classifier(), IMAGES, PLAN, (folder, HEAD), lambda: told.append(1))
    return folder, readings, len(told)


def test_every_image_is_read_in_every_state(undisturbed):
    _, readings, told = undisturbed
    drawn = [(State.TRAINED, 0), (State.RANDOM_HEAD, 0), (State.RANDOM_HEAD, 1), (State.RANDOM, 0)]
    assert [(each.state, each.draw, each.case) for each in readings] == [(*d, c) for d in drawn for c in "AB"]
    assert told == count_of(PLAN, 2) == 8
    trained = by_state(readings, State.TRAINED)
    assert set(trained) == {"A", "B"}
    assert trained["A"].cells.shape == (2, 5, 5)
    assert set(trained["A"].curves) == set(Method)
    assert len(trained["A"].curves[Method.LIME].deletion) == STEPS + 1
    assert len(trained["A"].random_curves) == RANDOM_MAPS
    with pytest.raises(InputError, match="nothing was read"):
        by_state(readings[:2], State.RANDOM)


def test_a_random_head_is_read_with_one_seed_and_the_states_differ(undisturbed):
    _, readings, _ = undisturbed
    head = by_state(readings, State.RANDOM_HEAD)["A"]
    assert head.weights.shape[0] == 1
    assert not head.curves
    said = {each.probability for each in readings if each.case == "A"}
    assert len(said) == 4


def test_the_curves_start_and_end_where_they_must(undisturbed):
    _, readings, _ = undisturbed
    for each in by_state(readings, State.TRAINED).values():
        of_called = each.probability if each.called else 1 - each.probability
        for found in each.curves.values():
            assert found.deletion[0] == pytest.approx(of_called, abs=1e-6)
            assert found.insertion[-1] == pytest.approx(of_called, abs=1e-6)
            assert found.deletion[-1] == pytest.approx(found.insertion[0], abs=1e-6)


def test_attribution_of_either_method_and_class(undisturbed):
    _, readings, _ = undisturbed
    one = readings[0]
    pieces = superpixels_of(IMAGES, PLAN)["A"]
    for method in Method:
        for_called = one.attribution(method, pieces, one.called)
        assert for_called.shape == pieces.shape
        assert for_called.min() >= 0
        assert for_called.max() > 0
        assert not np.array_equal(for_called, one.attribution(method, pieces, 1 - one.called))


@pytest.mark.parametrize("stopped_after", [1, 4, 7])
def test_a_stopped_run_goes_on_and_ends_the_same(undisturbed, tmp_path, stopped_after):
    folder, readings, _ = undisturbed
    left = [stopped_after]

    def stop():
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_all(tiny_classifier(), IMAGES, PLAN, (tmp_path, HEAD), stop)
    journal = tmp_path / JOURNAL
    assert len(journal.read_text().splitlines()) == 1 + stopped_after
    journal.write_text(journal.read_text() + '{"state": "tr')  # as a kill leaves a line
    again = read_all(tiny_classifier(), IMAGES, PLAN, (tmp_path, HEAD), lambda: None)
    assert journal.read_bytes() == (folder / JOURNAL).read_bytes()
    assert [each.to_mapping() for each in again] == [each.to_mapping() for each in readings]


def test_readings_of_another_network_are_refused(undisturbed):
    folder, _, _ = undisturbed
    with pytest.raises(OutputError, match="belongs to another of"):
        read_all(tiny_classifier(), IMAGES, PLAN, (folder, {"of": "others"}), lambda: None)


def test_a_reading_comes_back_from_its_line_and_nonsense_does_not(undisturbed):
    folder, readings, _ = undisturbed
    line = json.loads((folder / JOURNAL).read_text().splitlines()[1])
    assert Reading.from_mapping(line).to_mapping() == readings[0].to_mapping()
    with pytest.raises(ValueError, match="probability"):
        Reading.from_mapping({**line, "probability": 1.5})


def test_many_images_have_the_probability_that_each_has_alone():
    classifier = tiny_classifier()
    probability = quick_probability(classifier)
    many = np.repeat(sections(5), 7, axis=0)  # 35: a whole batch and a part of one
    np.testing.assert_allclose(probability(many), classifier.probability(many), atol=1e-6)
    classifier.model.get_layer("status").kernel.assign(-classifier.model.get_layer("status").kernel)
    np.testing.assert_allclose(probability(many), classifier.probability(many), atol=1e-6)
    assert probability(many[:0]).shape == (0,)
