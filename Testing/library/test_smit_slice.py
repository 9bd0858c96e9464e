"""The logits of one slice equal the whole network's, whatever the network, the image and the slice."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from SarcopeniaAssessLib.smit import SmitConfig, build_smit
from SarcopeniaAssessLib.smit_slice_decoder import slice_needs

SMALL = {"embed_dim": 8, "depths": (2, 1, 2, 1), "num_heads": (2, 2, 4, 4), "drop_path_rate": 0.2}


def network_of(config, seed):
    """A network whose batch norms have seen something: fresh ones would hide a fold that forgets them."""
    torch.manual_seed(seed)
    network = build_smit(config)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm3d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.3, 3)
            torch.nn.init.normal_(module.weight, 1, 0.2)
            torch.nn.init.normal_(module.bias, 0, 0.2)
        elif isinstance(module, torch.nn.LayerNorm):
            torch.nn.init.normal_(module.weight, 1, 0.2)
            torch.nn.init.normal_(module.bias, 0, 0.2)
    return network.eval()


def differences(network, image, slices):
    with torch.inference_mode():
        whole = network(image)
        size = whole.abs().max()
        assert size > 0.005
        return max(float((network.slice_logits(image, k) - whole[..., k]).abs().max() / size) for k in slices)


cubes = st.fixed_dictionaries(
    {
        "window_size": st.sampled_from([(4, 4, 4), (2, 2, 2), (3, 4, 2)]),
        "window_padding": st.sampled_from(["masked", "zeros"]),
        "patch_size": st.sampled_from([(2, 2, 2), (2, 2, 1)]),
        "merging": st.sampled_from([(2, 2, 2), (2, 2, 1)]),
        "decoder_kernel": st.sampled_from([(3, 3, 3), (3, 3, 1), (1, 3, 5)]),
        "qkv_bias": st.booleans(),
        "out_channels": st.integers(1, 3),
        "in_channels": st.integers(1, 2),
        "mlp_ratio": st.sampled_from([4.0, 2.0]),
    }
)


@settings(max_examples=25, deadline=None)
@given(cubes, st.data())
def test_any_network_and_any_slice(fields, data):
    config = SmitConfig(**SMALL, **fields)
    shape = [
        data.draw(st.integers(low, high), label=n)
        for n, low, high in (("i", 20, 72), ("j", 20, 72), ("k", 1, 40))
    ]
    network = network_of(config, seed=7)
    image = torch.rand(1, config.in_channels, *shape, generator=torch.Generator().manual_seed(3))
    chosen = data.draw(st.integers(0, shape[2] - 1), label="slice")
    assert differences(network, image, {0, chosen, shape[2] - 1}) < 1e-4


@pytest.mark.parametrize("order", ["exact", "official"])
def test_every_slice_of_a_cube_in_both_window_orders(order):
    config = SmitConfig(**SMALL, window_reverse=order, window_padding="zeros")
    network = network_of(config, seed=1)
    assert differences(network, torch.rand(1, 1, 64, 64, 64), range(64)) < 1e-4


def test_a_batch_is_as_its_images_alone():
    network = network_of(SmitConfig(**SMALL), seed=2)
    images = torch.rand(3, 1, 32, 64, 32)
    with torch.inference_mode():
        together = network.slice_logits(images, 11)
        alone = torch.cat([network.slice_logits(one, 11) for one in images.split(1)])
        torch.testing.assert_close(together, alone)
        torch.testing.assert_close(together, network(images)[..., 11], rtol=1e-4, atol=1e-5)


def test_weights_that_change_are_noticed():
    network = network_of(SmitConfig(**SMALL), seed=3)
    image = torch.rand(1, 1, 32, 32, 32)
    with torch.inference_mode():
        before = network.slice_logits(image, 5)
    for change in (
        lambda: network.load_state_dict(network_of(SmitConfig(**SMALL), seed=4).state_dict()),
        lambda: torch.nn.init.normal_(network.decoder.head.weight),
        lambda: network.decoder.image_block.norm1.running_var.fill_(9.0),
    ):
        change()
        assert differences(network, image, [5]) < 1e-4
        with torch.inference_mode():
            after = network.slice_logits(image, 5)
        assert not torch.allclose(before, after, atol=1e-4)
        before = after


def test_instance_norm_is_not_local_and_takes_the_whole_image():
    network = network_of(SmitConfig(**SMALL, decoder_norm="instance"), seed=5)
    assert differences(network, torch.rand(1, 1, 64, 64, 64), [0, 31]) < 1e-5


def test_the_published_network_needs_these_slices():
    needs = slice_needs(SmitConfig(), 48, 96)
    assert needs.image == range(44, 53)  # k ± 4
    assert [len(span) for span in needs.skips] == [11, 12, 12, 6]
    assert [len(span) for span in needs.outputs] == [1, 3, 4, 4, 4, 3]
    assert slice_needs(SmitConfig(), 0, 96).image == range(5)


def test_what_lies_outside_the_needs_is_without_influence():
    """The needs are no wider than true: the first slice beyond them changes nothing, the last within does."""
    config = SmitConfig(**SMALL)
    network = network_of(config, seed=6)
    torch.manual_seed(0)
    image, other = torch.rand(1, 1, 32, 32, 64), torch.rand(1, 1, 32, 32, 64)
    needs = slice_needs(config, 30, 64)
    with torch.inference_mode():
        skips, bottleneck = network.encoder(image)
        whole = network.decoder(image, skips, bottleneck)[..., 30]

        def changed(k):
            mixed = image.clone()
            mixed[..., k] = other[..., k]
            return float((network.decoder(mixed, skips, bottleneck)[..., 30] - whole).abs().max())

        assert changed(needs.image.start - 1) == changed(needs.image.stop) == 0
        assert min(changed(needs.image.start), changed(needs.image.stop - 1)) > 0


@pytest.mark.parametrize("order", ["exact", "official"])
def test_half_precision_gives_the_same_but_for_its_rounding(order):
    config = SmitConfig(**SMALL, window_reverse=order, window_padding="zeros")
    network = network_of(config, seed=8)
    image = torch.rand(1, 1, 64, 64, 64)
    with torch.inference_mode():
        exact = network.slice_logits(image, 20)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = network.slice_logits(image, 20)
    assert 0 < float((rounded.float() - exact).abs().max() / exact.abs().max()) < 0.05
