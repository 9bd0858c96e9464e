"""Augmentation: seeded, of the right shape, and the same geometry for image and outline."""

import numpy as np
import pytest

from SarcopeniaTraining.augmentation import slab_transforms, squeeze_slices


def sample() -> dict:
    rng = np.random.default_rng(0)
    image = rng.random((3, 70, 60), np.float32) * 0.1
    outline = np.zeros((1, 70, 60), np.uint8)
    outline[0, 20:50, 15:35] = 1
    image[:, outline[0] > 0] += 0.6
    return {"image": image, "label": outline}


def test_the_same_seed_gives_the_same_sample_whatever_came_before():
    transform = slab_transforms((56, 48))
    first = transform(sample(), 5)
    transform(sample(), 6)
    again = transform(sample(), 5)
    assert np.array_equal(first["image"], again["image"])
    assert np.array_equal(first["label"], again["label"])
    assert not np.array_equal(first["image"], transform(sample(), 7)["image"])


def test_shape_range_and_labels():
    result = slab_transforms((56, 48))(sample(), 1)
    assert result["image"].shape == (3, 56, 48)
    assert result["label"].shape == (1, 56, 48)
    assert float(result["image"].min()) >= 0
    assert float(result["image"].max()) <= 1
    assert set(np.unique(result["label"])) <= {0, 1}


@pytest.mark.parametrize("seed", range(8))
def test_the_outline_follows_the_image(seed):
    result = slab_transforms((56, 48))(sample(), seed)
    bright = np.asarray(result["image"][1]) > 0.4
    outline = np.asarray(result["label"][0]) > 0
    dice = 2 * (bright & outline).sum() / (bright.sum() + outline.sum())
    assert dice > 0.85


def test_neighbours_move_towards_the_middle_slice_only():
    image = np.stack([np.full((4, 4), v, np.float32) for v in (0.0, 0.5, 1.0)])
    seen = [squeeze_slices(image, np.random.default_rng(n)) for n in range(200)]
    assert all(np.array_equal(s[1], image[1]) for s in seen)
    alone = [np.all(s == 0.5) for s in seen]
    kept = [np.array_equal(s, image) for s in seen]
    assert 30 < sum(alone) < 70
    assert 70 < sum(kept) < 130
    assert all(0 <= s[0, 0, 0] <= 0.5 <= s[2, 0, 0] <= 1 for s in seen)
