"""Features of the frozen part: each image once, in order, whatever the batches."""

import numpy as np
import pytest

from SarcopeniaTraining.classification.frozen_features import BATCH, frozen_features, rows

COUNT = 2 * BATCH + 3
IMAGES = np.arange(COUNT, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)


def halved(rgb):
    return rgb.astype(np.float32) / 2


class Frozen:
    """Two tensors of each image, as a network cut where branches cross; asked in inference mode alone."""

    def __init__(self):
        self.seen = []

    def __call__(self, prepared, training):
        assert training is False
        self.seen.append(len(prepared))
        return [prepared[:, :1, :1, 0], prepared.sum(axis=(1, 2, 3))]


def test_each_image_is_asked_once_and_every_tensor_is_kept_in_order():
    frozen = Frozen()
    first, second = frozen_features(frozen, IMAGES, halved)
    assert frozen.seen == [BATCH, BATCH, 3]
    assert first.shape == (COUNT, 1, 1)
    assert first[:, 0, 0].tolist() == [n / 2 for n in range(COUNT)]
    assert second.tolist() == [12 * n / 2 for n in range(COUNT)]
    assert first.dtype == second.dtype == np.float32


def test_one_tensor_is_a_tuple_of_one():
    (only,) = frozen_features(lambda prepared, training: prepared[:, 0, 0, 0], IMAGES, halved)
    assert only.tolist() == [n / 2 for n in range(COUNT)]


def test_where_nothing_is_frozen_the_prepared_images_are_the_input():
    (prepared,) = frozen_features(None, IMAGES, halved)
    assert prepared.shape == (COUNT, 2, 2, 3)
    assert prepared[5, 1, 1, 2] == 2.5


@pytest.mark.parametrize("places", [[4, 0, 4], np.array([4, 0, 4])])
def test_rows_are_those_that_are_asked_for(places):
    left, right = rows((np.array([10, 11, 12, 13, 14]), np.eye(5)), places)
    assert left.tolist() == [14, 10, 14]
    assert right[1].tolist() == [1, 0, 0, 0, 0]
