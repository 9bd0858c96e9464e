"""A small network learns in both window orders: every weight has a gradient, a crop is learned by heart."""

import pytest
import torch

from SarcopeniaAssessLib.smit import SmitConfig, build_smit

SIDE = 32


def network_of(order):
    torch.manual_seed(3)
    return build_smit(
        SmitConfig(
            embed_dim=8,
            depths=(2, 2, 1, 1),
            num_heads=(1, 2, 2, 4),
            drop_path_rate=0.0,
            window_reverse=order,
            window_padding="zeros",
            image_size=SIDE if order == "official" else None,
        )
    ).train()


def crop():
    """A cone of muscle beside a cylinder as bright that is none: place matters, not brightness."""
    i, j, k = torch.meshgrid(*(torch.arange(SIDE),) * 3, indexing="ij")
    left = (i - 9) ** 2 + (j - 12) ** 2 < 36 - 0.5 * k
    right = (i - 24) ** 2 + (j - 19) ** 2 < 30
    noise = 0.05 * torch.randn(SIDE, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    image = 0.2 + 0.4 * (left | right) + noise
    # Two crops: batch norm in training needs more than one value at the single bottleneck token.
    images = torch.stack([image, image.flip(1)])[:, None]
    return images, torch.stack([left, left.flip(1)]).long()


@pytest.mark.parametrize("order", ["exact", "official"])
def test_every_weight_gets_a_gradient(order):
    network = network_of(order)
    images, truth = crop()
    torch.nn.functional.cross_entropy(network(images), truth).backward()
    without = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert without == []


@pytest.mark.parametrize("order", ["exact", "official"])
def test_one_crop_is_learned_by_heart(order):
    network = network_of(order)
    images, truth = crop()
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    for _ in range(30):
        optimizer.zero_grad()
        logits = network(images)
        torch.nn.functional.cross_entropy(logits, truth).backward()
        optimizer.step()
    found = logits.argmax(1)
    dice = 2 * int((found * truth).sum()) / int(found.sum() + truth.sum())
    assert dice > 0.9
