"""Logits of one slice by a SMIT in eval mode: equal to the whole network's, in a tenth of its time.

The encoder runs on the whole slab, since attention and merging carry everything to the bottleneck; the
decoder on the slices that slice k depends on (`smit_slice_decoder.slice_needs`). Weights are rearranged
once, when the first slice is asked for, and again when they have changed.

Imported only where a network is built (see docs/adr/0003): torch stands at file scope here.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from SarcopeniaAssessLib.smit import SmitConfig
from SarcopeniaAssessLib.smit_decoder import SmitDecoder
from SarcopeniaAssessLib.smit_encoder import SmitEncoder
from SarcopeniaAssessLib.smit_slice_decoder import SliceDecoder, slice_needs
from SarcopeniaAssessLib.smit_slice_encoder import FastEncoder, as_slices


class SliceInference:
    """The rearranged weights of one network."""

    def __init__(self, encoder: SmitEncoder, decoder: SmitDecoder, config: SmitConfig) -> None:
        with torch.no_grad():
            self.encoder, self.decoder = FastEncoder(encoder), SliceDecoder(decoder, config)
        self.config = config

    def __call__(self, image: Tensor, k: int) -> Tensor:
        """(b, c, i, j, slices), sides multiples of the total stride → (b, out, i, j) of slice `k`."""
        needs = slice_needs(self.config, k, image.shape[-1])
        logits = []
        for one in image.split(1):
            *skips, bottleneck = self.encoder(one, needs.skips, needs.bottleneck)
            window = one[0, ..., needs.image.start : needs.image.stop].movedim(0, -1)
            logits.append(self.decoder(needs, [as_slices(window), *skips], bottleneck))
        return torch.cat(logits)


_PREPARED: WeakKeyDictionary[nn.Module, tuple[object, SliceInference]] = WeakKeyDictionary()


def slice_inference(network: nn.Module, config: SmitConfig) -> SliceInference:
    """The inference of a `Smit`, kept as long as neither its weights nor their place change."""
    tensors = [*network.parameters(), *network.buffers()]
    state = tuple((t.data_ptr(), 0 if t.is_inference() else t._version) for t in tensors)
    kept = _PREPARED.get(network)
    if kept is None or kept[0] != state:
        kept = state, SliceInference(network.encoder, network.decoder, config)  # type: ignore[arg-type]
        _PREPARED[network] = kept
    return kept[1]
