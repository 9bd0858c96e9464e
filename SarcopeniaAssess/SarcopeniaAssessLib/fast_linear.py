"""Linear layers through oneDNN, where it is there: torch's own product leaves half an AMD processor idle.

torch multiplies float32 matrices with MKL, which gives AMD processors its AVX2 path only (110 against 265
GFLOP/s a core on an EPYC with AVX-512, docs/benchmarks.md). oneDNN, which torch carries for convolutions,
knows no such difference; its product with weights ordered beforehand is what torch's own compiler uses. The
operator has no public name, so it is taken only if it is there and gives what `functional.linear` gives.

Imported only where a network is built (see docs/adr/0003): torch stands at file scope here.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

Linear = Callable[[Tensor], Tensor]


def fast_linear(layer: nn.Linear, *, gelu: bool = False, rows: int = 1728) -> Linear:
    """The layer, and the GELU after it if asked for, as a function of (n, in) → (n, out) without gradients.

    Parameters
    ----------
    rows:
        Number of rows that the order of the weights is chosen for; any number works.
    """
    weight = layer.weight.detach()
    bias = None if layer.bias is None else layer.bias.detach()

    def plain(x: Tensor) -> Tensor:
        y = functional.linear(x, weight, bias)
        return functional.gelu(y) if gelu else y

    if weight.device.type != "cpu" or weight.dtype != torch.float32:
        return plain
    packed = _packed(weight, bias, gelu, rows)
    if packed is None or not _agree(packed, plain, weight.shape[1]):
        return plain
    return lambda x: packed(x) if x.dtype == torch.float32 else plain(x)


def _packed(weight: Tensor, bias: Tensor | None, gelu: bool, rows: int) -> Linear | None:
    """Product of oneDNN with ordered weights; None where this torch has none."""
    try:
        ordered = torch.ops.mkldnn._reorder_linear_weight(weight, rows)
        product = torch.ops.mkldnn._linear_pointwise
    except (AttributeError, RuntimeError):
        return None
    name, algorithm = ("gelu", "none") if gelu else ("none", "")
    return lambda x: product(x, ordered, bias, name, [], algorithm)


def _agree(packed: Linear, plain: Linear, width: int) -> bool:
    """Whether the two give the same on a few made rows; an operator that refuses them does not."""
    probe = torch.linspace(-2, 2, 5 * width).view(5, width).sin()
    try:
        return torch.allclose(packed(probe), plain(probe), rtol=1e-5, atol=1e-5)
    except (RuntimeError, TypeError):
        return False
