"""Pictures that show what a pre-training has learned to draw where it sees nothing."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.model_file import write_whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from SarcopeniaTraining.pretraining import Pretraining
    from SarcopeniaTraining.views import Views

ROWS = 4
GAP_PIXELS = 4
MASKED_GREY = 0.25
"""Of a masked voxel in the picture of what the student sees."""


def reconstruction_picture(training: Pretraining, views: Views, path: Path) -> None:
    """One row a view, the same views in every picture of a training; middle slices, in radiological view.

    Columns: input, masked input, prediction, prediction in the masked blocks alone. Carries no identity.

    Raises
    ------
    OutputError
        The picture cannot be written.
    """
    import torch
    from PIL import Image

    preset = training.preset
    batch = views.batch(range(min(ROWS, preset.batch)))
    count = min(ROWS, len(batch.image))
    image, blocks = batch.image[:count], batch.blocks[:count]
    training.student.eval()
    device = training.image_centre.device
    with torch.no_grad():
        _, prediction = training.student(image.to(device), preset.masking.tokens(blocks).to(device))
    middle = image.shape[-1] // 2
    masked = preset.masking.voxels(blocks)[..., middle].numpy()
    seen = image[:, 0, ..., middle].numpy()
    drawn = prediction[:, 0, ..., middle].float().cpu().numpy().clip(0, 1)
    rows = [
        _row([s, np.where(m, MASKED_GREY, s), d, np.where(m, d, s)])
        for s, m, d in zip(seen, masked, drawn, strict=True)
    ]
    sheet = np.concatenate(rows)[:-GAP_PIXELS]
    stream = io.BytesIO()
    Image.fromarray(np.rint(sheet * 255).astype(np.uint8)).save(stream, "PNG")
    write_whole(path, stream.getvalue())


def _row(panels: list[NDArray[Any]]) -> NDArray[np.float32]:
    """Slices (i right, j anterior) side by side as a reader sees them, white lines between."""
    turned = [
        np.pad(panel[::-1, ::-1].T, ((0, GAP_PIXELS), (0, GAP_PIXELS)), constant_values=1) for panel in panels
    ]
    row: NDArray[np.float32] = np.concatenate(turned, axis=1)[:, :-GAP_PIXELS]
    return row
