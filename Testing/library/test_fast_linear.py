"""oneDNN's product gives what torch's does, and steps aside where it cannot."""

import pytest
import torch

from SarcopeniaAssessLib.fast_linear import fast_linear


@pytest.mark.parametrize("gelu", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("rows", [1, 17, 1728, 4000])
def test_a_fast_linear_layer_is_the_layer(gelu, bias, rows):
    torch.manual_seed(rows)
    layer = torch.nn.Linear(24, 40, bias=bias)
    x = torch.randn(rows, 24)
    with torch.inference_mode():
        expected = torch.nn.functional.gelu(layer(x)) if gelu else layer(x)
        torch.testing.assert_close(fast_linear(layer, gelu=gelu)(x), expected, rtol=1e-4, atol=1e-5)


def test_another_precision_takes_torchs_own_product():
    layer = torch.nn.Linear(24, 40)
    x = torch.randn(9, 24)
    fast = fast_linear(layer)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(fast(x.bfloat16()), layer(x))


def test_an_operator_that_gives_other_numbers_is_not_taken(monkeypatch):
    layer = torch.nn.Linear(24, 40)
    x = torch.randn(9, 24)
    for wrong in (lambda *_: torch.zeros(5, 40), lambda *_: (_ for _ in ()).throw(RuntimeError("no kernel"))):
        monkeypatch.setattr(torch.ops.mkldnn, "_linear_pointwise", wrong)
        with torch.inference_mode():
            torch.testing.assert_close(fast_linear(layer)(x), layer(x))
