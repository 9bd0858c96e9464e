"""The published network (62.9 M parameters) at L3 on a CPU, against the sliding windows it replaces.

One window is timed and multiplied by the number of windows where a row says so; ours is timed whole.
"""

from __future__ import annotations

import json
import math
import sys
import time

from Testing.benchmarks.children import NotMeasuredError, run_python
from Testing.benchmarks.tables import Row

TITLE = (
    "SMIT as published, random weights, 320×256×256 voxels of 1.5×1.5×2 mm, windows of 96³ with overlap 0.5"
)
SIDES, SLAB, TILE, K = (320, 256, 256), 96, 96, 48
PARTS = ("gemm", "window", "ours", "untiled", "bf16", "swinunetr")


def rows() -> list[Row]:
    """Rates of the machine, seconds of each way to the logits of one slice, and their ratios."""
    found: dict[str, float] = {}
    for part in PARTS:
        ran = run_python("-m", "Testing.benchmarks.smit_speed", part)
        if ran.status == 0:
            found |= json.loads(ran.out)
            found[f"{part}_peak_gb"] = ran.peak_bytes / 1e9
        elif part != "swinunetr":  # MONAI is part of the training extra only
            raise NotMeasuredError(ran.err.strip().splitlines()[-1])
    whole, slab = _windows(SIDES), _windows((*SIDES[:2], SLAB))
    per_window = found["ours_s"] / slab
    best_gemm = max(found["gemm_torch"], found["gemm_onednn"])
    rate = found["ours_gflop"] / per_window
    return [
        Row("matrix product 2048³, torch", found["gemm_torch"], "GFLOP/s"),
        Row("matrix product 2048³, oneDNN", found["gemm_onednn"], "GFLOP/s"),
        Row(f"one 96³ window, layer by layer ({found['window_gflop']:.0f} GFLOP)", found["window_s"], "s"),
        Row("· of it the encoder", found["window_encoder_s"], "s"),
        Row(
            "· share of the machine's matrix product",
            100 * found["window_gflop"] / found["window_s"] / best_gemm,
            "%",
        ),
        Row(f"sliding window over the abdomen ({whole} windows × one)", whole * found["window_s"], "s"),
        Row(f"sliding window over the L3 slab ({slab} windows × one)", slab * found["window_s"], "s"),
        Row(f"ours, tiled, timed whole ({slab} windows)", found["ours_s"], "s"),
        Row(
            "· share of the abdomen's time", 100 * found["ours_s"] / whole / found["window_s"], "%", 100 / 15
        ),
        Row("· share of the slab's time", 100 * found["ours_s"] / slab / found["window_s"], "%", 25),
        Row(f"· a window of it ({found['ours_gflop']:.0f} GFLOP)", per_window, "s"),
        Row("· share of the machine's best matrix product", 100 * rate / best_gemm, "%"),
        Row("· share of torch's matrix product", 100 * rate / found["gemm_torch"], "%"),
        Row(
            "· largest difference of logits, relative to their largest",
            1e6 * found["difference"],
            "millionths",
            100,
        ),
        Row("· peak memory of the process", found["ours_peak_gb"], "GB", 2.5),
        Row("ours, untiled (exact window order only)", found["untiled_s"], "s"),
        Row("· peak memory of the process", found["untiled_peak_gb"], "GB"),
        Row("ours, tiled, bfloat16", found["bf16_s"], "s"),
        *(
            [Row("MONAI SwinUNETR-48, one 96³ window", found["swinunetr_s"], "s")]
            if "swinunetr_s" in found
            else []
        ),
    ]


def _windows(sides: tuple[int, ...]) -> int:
    from SarcopeniaAssessLib.tiling import window_starts

    return math.prod(len(window_starts(side, TILE)) for side in sides)


def _best(work, repeats: int = 3) -> float:
    """The quickest of some runs: what the machine can do when nothing else asks for it."""
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def _network():
    import torch

    from SarcopeniaAssessLib.smit import CONFIGURATIONS, build_smit

    torch.manual_seed(0)
    network = build_smit(CONFIGURATIONS["smit-base"])
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm3d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
    return network.eval()


def _gemm() -> dict[str, float]:
    import torch

    from SarcopeniaAssessLib.fast_linear import fast_linear

    a, layer = torch.randn(2048, 2048), torch.nn.Linear(2048, 2048, bias=False)
    product = fast_linear(layer, rows=2048)
    flop = 2 * 2048**3 / 1e9
    return {
        "gemm_torch": flop / _best(lambda: a @ a, 15),
        "gemm_onednn": flop / _best(lambda: product(a), 15),
    }


def _flop(work) -> float:
    """GFLOP of the matrix products and convolutions; attention by hand, where torch does not count it."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    def linear(x_shape, _weight, *_rest, out_shape, **_options):
        return 2 * math.prod(x_shape) * out_shape[-1]

    def attention(q_shape, *_rest, **_options):
        return 4 * math.prod(q_shape) * q_shape[-2]

    known = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: attention}
    if hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        known[torch.ops.mkldnn._linear_pointwise] = linear
    with FlopCounterMode(display=False, custom_mapping=known) as counter:
        work()
    return counter.get_total_flops() / 1e9


def _window() -> dict[str, float]:
    import torch

    network, image = _network(), torch.rand(1, 1, 96, 96, 96)
    whole = network(image)[..., K]
    return {
        "difference": float((network.slice_logits(image, K) - whole).abs().max() / whole.abs().max()),
        "window_s": _best(lambda: network(image), 2),
        "window_encoder_s": _best(lambda: network.encoder(image), 2),
        "window_gflop": _flop(lambda: network(image)),
    }


def _slab():
    import torch

    return torch.rand(1, 1, *SIDES[:2], SLAB, generator=torch.Generator().manual_seed(1))


def _ours() -> dict[str, float]:
    from SarcopeniaAssessLib.tiling import slice_logits

    network, slab = _network(), _slab()
    window = slab[:, :, :TILE, :TILE]
    return {
        "ours_s": _best(lambda: slice_logits(network, slab, K, TILE), 2),
        "ours_gflop": _flop(lambda: network.slice_logits(window, K)),
    }


def _untiled() -> dict[str, float]:
    from SarcopeniaAssessLib.tiling import slice_logits

    network, slab = _network(), _slab()
    return {"untiled_s": _best(lambda: slice_logits(network, slab, K, None), 2)}


def _bf16() -> dict[str, float]:
    import torch

    from SarcopeniaAssessLib.tiling import slice_logits

    network, slab = _network().to(torch.bfloat16), _slab().to(torch.bfloat16)
    return {"bf16_s": _best(lambda: slice_logits(network, slab, K, TILE), 2)}


def _swinunetr() -> dict[str, float]:
    import torch
    from monai.networks.nets import SwinUNETR, swin_unetr

    def reordered(x, order):
        """What MONAI asks einops for, which is not everywhere: another order of axes."""
        before, after = (side.split() for side in order.split("->"))
        return x.permute([before.index(axis) for axis in after])

    swin_unetr.rearrange = reordered
    network, image = SwinUNETR(1, 2, feature_size=48).eval(), torch.rand(1, 1, 96, 96, 96)
    return {"swinunetr_s": _best(lambda: network(image), 2)}


def _measure(part: str) -> None:
    import torch

    work = {
        "gemm": _gemm,
        "window": _window,
        "ours": _ours,
        "untiled": _untiled,
        "bf16": _bf16,
        "swinunetr": _swinunetr,
    }
    with torch.inference_mode():
        print(json.dumps(work[part]()))


if __name__ == "__main__":
    _measure(sys.argv[1])
