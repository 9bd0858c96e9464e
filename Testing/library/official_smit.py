"""The published SMIT architecture, written plainly for comparison: official key names, no thought of speed.

Written from the published facts (arXiv 2205.10342 and the key names of its checkpoints); the decoder's
blocks are MONAI's, as published. One image at a time, windows cut by slices, nothing shared with the
library. Test code alone.
"""

from itertools import product

import torch
from monai.networks.blocks.dynunet_block import UnetOutBlock
from monai.networks.blocks.unetr_block import UnetrBasicBlock, UnetrUpBlock
from torch import nn

CORNERS = ("000", "100", "010", "001", "110", "011", "101", "111")


def triple(value):
    return (value,) * 3 if isinstance(value, int) else tuple(value)


class Attn(nn.Module):
    def __init__(self, dim, heads, window, qkv_bias):
        super().__init__()
        self.heads, sides = heads, [2 * w - 1 for w in window]
        self.relative_position_bias_table = nn.Parameter(torch.zeros(sides[0] * sides[1] * sides[2], heads))
        h, w, t = torch.tensor(list(product(*map(range, window)))).unbind(1)
        dh, dw, dt = (a[:, None] - a[None, :] + n - 1 for a, n in zip((h, w, t), window, strict=True))
        index = (dh * sides[1] + dw) * sides[2] + dt
        self.register_buffer("relative_position_index", index)
        self.qkv = nn.Linear(dim, 3 * dim, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim)

    def forward(self, windows, mask):
        """(windows, n, c); `mask` (windows, n, n) or None."""
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)) for part in self.qkv(windows).chunk(3, dim=-1)
        )
        score = torch.einsum("wmhd,wnhd->whmn", query, key) * query.shape[-1] ** -0.5
        score = score + self.relative_position_bias_table[self.relative_position_index].permute(2, 0, 1)
        if mask is not None:
            score = score + mask[:, None]
        return self.proj(torch.einsum("whmn,wnhd->wmhd", score.softmax(-1), value).flatten(2))


class Mlp(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dim, hidden), nn.Linear(hidden, dim)

    def forward(self, x):
        return self.fc2(nn.functional.gelu(self.fc1(x)))


class SwinBlock(nn.Module):
    def __init__(self, dim, heads, shifted, config):
        super().__init__()
        self.window = triple(config["window_size"])
        self.order = config.get("window_reverse", "official")
        # A window of one token along any axis is not shifted along the others either.
        shifted = shifted and min(self.window) > 1
        self.shift = [w // 2 if shifted else 0 for w in self.window]
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn = Attn(dim, heads, self.window, config["qkv_bias"])
        self.mlp = Mlp(dim, int(dim * config["mlp_ratio"]))

    def forward(self, tokens):
        """(h, w, t, c) of one image."""
        tokens = tokens + self.attend(self.norm1(tokens))
        return tokens + self.mlp(self.norm2(tokens))

    def attend(self, tokens):
        size, window = tokens.shape[:3], self.window
        padded = [-(-n // w) * w for n, w in zip(size, window, strict=True)]
        grid = tokens.new_zeros(*padded, tokens.shape[3])
        grid[: size[0], : size[1], : size[2]] = tokens  # the added tokens are zeros that take part
        grid = grid.roll([-s for s in self.shift], (0, 1, 2))
        boxes = [
            tuple(slice(i * w, i * w + w) for i, w in zip(corner, window, strict=True))
            for corner in product(*(range(p // w) for p, w in zip(padded, window, strict=True)))
        ]
        mask = self.mask(padded, boxes) if any(self.shift) else None
        windows = self.attn(torch.stack([grid[box].flatten(0, 2) for box in boxes]), mask)
        if self.order == "official":
            counts = [p // w for p, w in zip(padded, window, strict=True)]
            scrambled = windows.view(*counts, *window, -1).permute(0, 2, 4, 1, 3, 5, 6)
            back = scrambled.reshape(grid.shape)
        else:
            back = torch.empty_like(grid)
            for box, content in zip(boxes, windows, strict=True):
                back[box] = content.view(*window, -1)
        return back.roll(self.shift, (0, 1, 2))[: size[0], : size[1], : size[2]]

    def mask(self, padded, boxes):
        """-100 between tokens of different regions: the last shift, the rest of the last window, the body."""
        region = torch.zeros(*padded, 3)
        for axis, (n, w, s) in enumerate(zip(padded, self.window, self.shift, strict=True)):
            along = region[..., axis].movedim(axis, 0)
            along[n - w :] = 1
            along[n - s :] = 2
        labels = torch.stack([region[box].flatten(0, 2) for box in boxes])
        return -100.0 * (labels[:, :, None] != labels[:, None]).any(-1)


class Downsample(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm, self.reduction = nn.LayerNorm(8 * dim), nn.Linear(8 * dim, 2 * dim, bias=False)

    def forward(self, tokens):
        corners = [tokens[int(h) :: 2, int(w) :: 2, int(t) :: 2] for h, w, t in CORNERS]
        return self.reduction(self.norm(torch.cat(corners, -1)))


class Layer(nn.Module):
    def __init__(self, dim, depth, heads, config):
        super().__init__()
        self.blocks = nn.ModuleList(SwinBlock(dim, heads, n % 2 == 1, config) for n in range(depth))
        self.downsample = Downsample(dim)


class PatchEmbed(nn.Module):
    def __init__(self, channels, dim, patch):
        super().__init__()
        self.proj, self.norm = nn.Conv3d(channels, dim, patch, patch), nn.LayerNorm(dim)


class Transformer(nn.Module):
    def __init__(self, config):
        super().__init__()
        dims = [config["embed_dim"] * 2**n for n in range(4)]
        self.patch_embed = PatchEmbed(config.get("in_channels", 1), dims[0], config["patch_size"])
        self.layers = nn.ModuleList(
            Layer(dim, depth, heads, config)
            for dim, depth, heads in zip(dims, config["depths"], config["num_heads"], strict=True)
        )
        for n, dim in enumerate(dims):
            self.add_module(f"norm{n}", nn.LayerNorm(dim))

    def forward(self, image):
        """(1, channels, h, w, t) → four stages (1, c, h, w, t) and the bottleneck (1, 16E, h, w, t)."""
        tokens = self.patch_embed.norm(self.patch_embed.proj(image)[0].permute(1, 2, 3, 0))
        stages = []
        for n, layer in enumerate(self.layers):
            for block in layer.blocks:
                tokens = block(tokens)
            stages.append(getattr(self, f"norm{n}")(tokens).permute(3, 0, 1, 2)[None])
            tokens = layer.downsample(tokens)
        return stages, tokens.permute(3, 0, 1, 2)[None]


class OfficialSmit(nn.Module):
    """The published network of a configuration with the fields of the fixture's config.json."""

    def __init__(self, config):
        super().__init__()
        e, channels, norm = config["embed_dim"], config.get("in_channels", 1), config["decoder_norm"]
        self.transformer = Transformer(config)

        def basic(inputs, outputs):
            return UnetrBasicBlock(3, inputs, outputs, 3, 1, norm, res_block=True)

        def up(inputs, outputs, stride=2):
            return UnetrUpBlock(3, inputs, outputs, 3, stride, norm, res_block=True)

        self.encoder1, self.encoder2 = basic(channels, e), basic(e, e)
        self.encoder3, self.encoder4 = basic(2 * e, 2 * e), basic(4 * e, 4 * e)
        self.encoder10 = basic(16 * e, 16 * e)
        self.decoder5, self.decoder4 = up(16 * e, 8 * e), up(8 * e, 4 * e)
        self.decoder3, self.decoder2 = up(4 * e, 2 * e), up(2 * e, e)
        self.decoder1 = up(e, e, config["patch_size"])
        self.out = UnetOutBlock(3, e, config["out_channels"])

    def forward(self, image):
        """(b, channels, h, w, t) → stages, bottleneck, logits, of the whole batch."""
        each = [self.transformer(one[None]) for one in image]
        stages = [torch.cat(stage) for stage in zip(*(s for s, _ in each), strict=True)]
        bottleneck = torch.cat([b for _, b in each])
        x = self.decoder5(self.encoder10(bottleneck), stages[3])
        x = self.decoder4(x, self.encoder4(stages[2]))
        x = self.decoder3(x, self.encoder3(stages[1]))
        x = self.decoder2(x, self.encoder2(stages[0]))
        return stages, bottleneck, self.out(self.decoder1(x, self.encoder1(image)))


def random_official(config, seed):
    """An official network in eval mode whose every number is random, batch-norm statistics too.

    Each layer keeps the size of what it gets, so that the logits feel the deepest token.
    """
    torch.manual_seed(seed)
    network = OfficialSmit(config).eval()
    for name, tensor in network.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2.0)
        elif name.endswith("bias_table"):
            tensor.normal_()
        elif tensor.dim() > 1 and tensor.is_floating_point():
            inputs = len(tensor) if "transp_conv" in name else tensor[0].numel()
            tensor.normal_().mul_(inputs**-0.5)
        elif tensor.is_floating_point():
            tensor.add_(0.3 * torch.randn_like(tensor))
    return network
