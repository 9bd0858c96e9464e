"""Block masks: the right share, on every grid the same place, and refused where blocks do not fit."""

import numpy as np
import pytest
import torch

from SarcopeniaAssessLib.errors import ModelError
from SarcopeniaAssessLib.smit import SmitConfig
from SarcopeniaTraining.masking import BlockMasking, distilled_stride

PAPER = SmitConfig()
SLAB = SmitConfig(window_size=(4, 4, 3), patch_size=(4, 4, 1), merging=(2, 2, 1), decoder_kernel=(3, 3, 1))


def of(config=PAPER, crop=(96, 96, 96), block=(16, 16, 16), share=0.7) -> BlockMasking:
    return BlockMasking.of(config, crop=crop, block=block, share=share)


def test_at_paper_size_a_block_is_one_distilled_token_and_8_tokens_a_side():
    masking = of()
    assert distilled_stride(PAPER) == (16, 16, 16)
    assert masking.grid == (6, 6, 6)
    assert masking.block_tokens == (8, 8, 8)
    assert masking.block_distilled == (1, 1, 1)
    assert masking.masked == 151  # 0.7 of 216


def test_in_a_thin_slab_blocks_may_be_unequal():
    masking = of(SLAB, crop=(192, 128, 3), block=(32, 64, 1))
    assert masking.grid == (6, 2, 3)
    assert masking.block_tokens == (8, 16, 1)
    assert masking.block_distilled == (1, 2, 1)


def test_every_grid_shows_the_same_voxels():
    masking = of(SLAB, crop=(128, 64, 3), block=(32, 64, 1), share=0.5)
    blocks = torch.zeros((1, *masking.grid), dtype=torch.bool)
    blocks[0, 2, 0, 1] = True
    voxels = masking.voxels(blocks)
    expected = torch.zeros((1, 128, 64, 3), dtype=torch.bool)
    expected[0, 64:96, :, 1] = True
    assert torch.equal(voxels, expected)
    assert torch.equal(masking.tokens(blocks), voxels[:, ::4, ::4])
    assert torch.equal(masking.distilled(blocks), voxels[:, ::32, ::32])


def test_each_draw_masks_the_share_and_draws_differ():
    masking = of()
    rng = np.random.default_rng(3)
    masks = [masking.draw(rng) for _ in range(20)]
    assert {int(mask.sum()) for mask in masks} == {151}
    assert len({mask.tobytes() for mask in masks}) == 20
    together = np.mean([a & b for a, b in zip(masks[::2], masks[1::2], strict=True)])
    assert together == pytest.approx(0.49, abs=0.03)  # independent: 0.7 of 0.7


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"crop": (96, 96, 80)}, "bottleneck tokens"),
        ({"block": (16, 16, 8)}, "distilled tokens"),
        ({"block": (64, 16, 16)}, "blocks"),
        ({"share": 0.001}, "masks 0 of 216"),
        ({"share": 1.0}, "masks 216 of 216"),
    ],
)
def test_what_does_not_fit_is_refused(change, told):
    with pytest.raises(ModelError, match=told):
        of(**change)
