"""LIME: weights of a function that is known, seeds, superpixels, and how far seeds agree."""

import numpy as np
import pytest

from SarcopeniaAssessLib.errors import InputError
from SarcopeniaTraining.classification import lime_maps
from SarcopeniaTraining.classification.lime_maps import (
    LimeMap,
    LimeSettings,
    lime_map,
    rank_correlation,
    stability,
    superpixels,
    top_overlap,
)
from Testing.training.classification.tiny_classifier import sections

QUADRANTS = np.kron([[0, 1], [2, 3]], np.ones((4, 4), int))
EFFECTS = (0.4, 0.2, -0.05, 0.0)


@pytest.fixture
def chequered(monkeypatch):
    """Four quadrants; each a chequer of 0 and 200, so that a hidden one is 100 all over."""
    monkeypatch.setattr(lime_maps, "superpixels", lambda rgb, seed: QUADRANTS)
    chequer = (np.indices((8, 8)).sum(axis=0) % 2 * 200).astype(np.uint8)
    return np.repeat(chequer[:, :, None], 3, axis=2)


def known(images):
    """0.3 and what each quadrant that is seen adds: linear, as the model that LIME fits."""
    corners = images[:, [0, 0, 4, 4], [1, 5, 1, 5], 0]
    return 0.3 + (corners == 200) @ np.array(EFFECTS)


def test_the_weights_are_those_of_a_linear_function(chequered, capsys):
    made = lime_map(chequered, known, LimeSettings(400, (1, 2)))
    assert made.weights.shape == (2, 4)
    np.testing.assert_allclose(made.weights, [EFFECTS] * 2, atol=0.02)  # ridge regression shrinks a little
    assert min(made.fit) > 0.99
    assert capsys.readouterr() == ("", "")


def test_the_map_of_the_other_class_is_the_exact_opposite(chequered):
    made = lime_map(chequered, known, LimeSettings(100, (1,)))
    other = lime_map(chequered, lambda images: 1 - known(images), LimeSettings(100, (1,)))
    np.testing.assert_allclose(made.speaking_for(0).weights, other.weights, atol=1e-9)
    assert made.speaking_for(1) is made


def test_the_same_seed_draws_the_same_and_another_another(chequered):
    one, again, other = (
        lime_map(chequered, known, LimeSettings(60, (seed,))).weights[0] for seed in (5, 5, 6)
    )
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)


def test_superpixels_are_numbered_from_0_and_follow_from_the_seed():
    rgb = sections(1, 48)[0]
    first, again = superpixels(rgb, 1), superpixels(rgb, 1)
    np.testing.assert_array_equal(first, again)
    assert set(np.unique(first)) == set(range(first.max() + 1))
    assert first.max() >= 4
    bright = first[rgb[:, :, 0] > 180]
    dark = first[rgb[:, :, 0] == 0]
    assert not set(bright) & set(dark)


def test_air_around_the_body_is_one_superpixel_that_no_pixel_of_the_body_shares():
    rgb = sections(1, 48)[0]
    rgb[20:24, 10:14] = 0  # gas inside the body is not that air
    pieces = superpixels(rgb, 1)
    air = (rgb == 0).all(axis=2)
    air[20:24, 10:14] = False
    assert np.unique(pieces[air]).size == 1
    assert not set(pieces[air]) & set(pieces[~air])


def test_a_superpixel_of_one_colour_has_no_weight(chequered):
    chequered[4:, :4] = 77  # the third quadrant: hiding it changes no pixel, whatever is said of it
    made = lime_map(chequered, known, LimeSettings(60, (1,)))
    assert made.weights[0, 2] == 0
    assert abs(made.weights[0, 1]) > 0.1


def test_a_plain_image_is_refused(monkeypatch):
    monkeypatch.setattr(lime_maps, "superpixels", lambda rgb, seed: np.zeros((8, 8), int))
    with pytest.raises(InputError, match="no superpixels"):
        lime_map(np.zeros((8, 8, 3), np.uint8), known, LimeSettings(50, (1,)))


@pytest.mark.parametrize("values", [{"samples": 9}, {"seeds": ()}, {"seeds": (1, 1)}])
def test_settings_that_draw_nothing_are_refused(values):
    with pytest.raises(InputError, match="LIME cannot be drawn"):
        LimeSettings(**values)


def test_a_weight_is_spread_over_its_superpixel():
    made = LimeMap(np.array([[0, 0, 0, 1]]), np.array([[0.3, 0.1], [0.5, -0.3]]), (1.0, 1.0))
    np.testing.assert_allclose(made.mean, [0.4, -0.1])
    np.testing.assert_allclose(made.painted(), [[0.4, 0.4, 0.4, -0.1]])
    np.testing.assert_allclose(made.attribution(), [[0.4 / 3] * 3 + [0]])
    np.testing.assert_allclose(made.speaking_for(0).attribution(), [[0, 0, 0, 0.1]])


def test_agreement_of_seeds_is_the_mean_over_pairs():
    up, down, mixed = [1.0, 2.0, 3.0], [3.0, 2.0, 1.0], [1.0, 3.0, 2.0]
    assert stability(np.array([up, up])).rank_correlation == pytest.approx(1)
    # up–down −1, up–mixed 1/2, down–mixed −1/2
    assert stability(np.array([up, down, mixed])).rank_correlation == pytest.approx(-1 / 3)
    assert stability(np.array([up])) == lime_maps.Stability(None, None)
    assert rank_correlation(np.zeros(3), np.array(up)) is None


def test_overlap_of_what_speaks_most():
    first, second = np.array([5.0, 4.0, 3.0, -9.0]), np.array([5.0, -1.0, 3.0, 2.0])
    assert top_overlap(first, second, 2) == 1 / 2  # 0, 1 and 0, 2
    assert top_overlap(first, second, 4) == 2 / 3  # 0, 1, 2 and 0, 2, 3: what is negative speaks against
    assert top_overlap(first, np.array([-1.0, -1, -1, -1]), 2) == 0
    assert top_overlap(-np.ones(4), -np.ones(4)) is None
