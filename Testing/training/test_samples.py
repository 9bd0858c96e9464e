"""Samples: each slab equally often, the same for the same number, from drawn slabs and from cases alike."""

import numpy as np
import pytest

from SarcopeniaTraining.phantom.slabs import FULL_SCALE, OUTLINE, RIM, SlabStore
from SarcopeniaTraining.samples import CohortSlabs, DrawnSlabs, Samples, batches


class Noted:
    """Five slabs; notes which was asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __len__(self) -> int:
        return 5

    def slab(self, place, rng):
        self.asked.append(place)
        image = np.random.default_rng(place).random((40, 36, 3), np.float32)
        return image, (image > 0.5).astype(np.uint8)


class Case:
    """A case with several annotated slices."""

    def __init__(self, value: float, slabs: int) -> None:
        self.value, self.slabs = value, slabs

    def slab(self, number: int):
        return np.full((4, 4, 3), self.value + number, np.float32), np.zeros((4, 4, 3), np.uint8)


def test_in_each_round_each_slab_is_taken_once_in_another_order():
    source = Noted()
    samples = Samples(source, (32, 32), (1,))
    for number in range(20):
        samples[number]
    rounds = [source.asked[n : n + 5] for n in range(0, 20, 5)]
    assert all(sorted(one) == [0, 1, 2, 3, 4] for one in rounds)
    assert len({tuple(one) for one in rounds}) > 1


def test_a_drawn_slab_teaches_the_rim_with_the_outline():
    outline = np.zeros((2, 6, 5), np.uint8)
    outline[1, 2:4, 1:3], outline[1, 1, 1] = OUTLINE, RIM
    images = np.full((2, 6, 5, 3), FULL_SCALE // 2, np.uint16)
    image, label = DrawnSlabs(SlabStore(images, outline)).slab(1, np.random.default_rng(0))
    assert image == pytest.approx(0.5, abs=1e-4)
    assert label.shape == (6, 5, 3)
    assert np.array_equal(label[:, :, 2], label[:, :, 0])
    assert set(np.unique(label)) == {0, 1}
    assert label[:, :, 0].sum() == 5


def test_a_sample_follows_from_its_number_and_the_seed():
    first = Samples(Noted(), (32, 32), (1, 4))
    again = Samples(Noted(), (32, 32), (1, 4))
    again[11]
    assert first[7][0].equal(again[7][0])
    assert not first[7][0].equal(Samples(Noted(), (32, 32), (1, 5))[7][0])
    assert not first[7][0].equal(first[8][0])


def test_workers_draw_what_would_be_drawn_here():
    samples = Samples(Noted(), (32, 32), (3,))
    (image, label), (second, _) = batches(samples, [[2, 3], [4, 5]])
    assert image.shape == (2, 1, 32, 32, 3)
    assert label.shape == (2, 1, 32, 32)
    assert image[1].equal(samples[3][0])
    assert second[0].equal(samples[4][0])


def test_each_case_is_taken_equally_often_and_each_of_its_slabs_sometimes():
    source = CohortSlabs([Case(0.0, 3), Case(10.0, 1)], crops_per_case=2)  # type: ignore[list-item]
    rng = np.random.default_rng(0)
    seen = [float(source.slab(place % len(source), rng)[0][0, 0, 0]) for place in range(200)]
    assert len(source) == 4
    assert sum(value >= 10 for value in seen) == 100
    assert {0.0, 1.0, 2.0} == {value for value in seen if value < 10}


def test_a_drawn_slab_is_read_in_units_of_its_full_scale():
    images = np.array([0, 65535, 13107], np.uint16).reshape(1, 3, 1, 1).repeat(3, -1)
    store = SlabStore(images, np.array([[[0], [1], [1]]], np.uint8))
    image, label = DrawnSlabs(store).slab(0, np.random.default_rng(0))
    assert image[:, 0, 1].tolist() == pytest.approx([0, 1, 0.2])
    assert label[:, 0, 1].tolist() == [0, 1, 1]
