"""Windows in the slice plane: where they lie, and that their average is MONAI's sliding window."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.inferers.utils import sliding_window_inference

from SarcopeniaAssessLib.tiling import slice_logits, window_starts


class PositionAware(torch.nn.Module):
    """Logits that depend on where in its window a pixel lies, so that a window misplaced by one shows."""

    def forward(self, image):
        i, j, k = image.shape[2:]
        ramp = torch.arange(i).view(-1, 1, 1) * 3.0 + torch.arange(j).view(1, -1, 1) ** 2 + torch.arange(k)
        return torch.cat((image * ramp, image + ramp), 1)

    def slice_logits(self, image, k):
        return self(image)[..., k]


@pytest.mark.parametrize(
    ("length", "tile", "starts"),
    [(96, 96, [0]), (97, 96, [0, 1]), (320, 96, [0, 48, 96, 144, 192, 224]), (10, 5, [0, 2, 4, 5])],
)
def test_windows_start_half_a_window_apart_and_end_with_the_image(length, tile, starts):
    assert window_starts(length, tile) == starts


@settings(max_examples=40, deadline=None)
@given(st.integers(3, 40), st.integers(3, 40), st.integers(2, 16), st.integers(0, 4))
def test_tiles_are_monais_sliding_window(i, j, tile, k):
    image = torch.rand(2, 1, i, j, 5, generator=torch.Generator().manual_seed(i * 41 + j))
    network = PositionAware()
    expected = sliding_window_inference(image, (tile, tile, 5), 3, network, overlap=0.5)[..., k]
    found = slice_logits(network, image, k, tile)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)


def test_without_tiles_the_network_sees_the_whole_plane():
    image = torch.rand(1, 1, 7, 9, 3)
    network = PositionAware()
    torch.testing.assert_close(slice_logits(network, image, 1), network(image)[..., 1])
