"""A CT whose muscle can be counted by hand, and a model that finds exactly it.

The model's network is untrained: its last layer calls every pixel muscle, so that the carving by HU
alone decides. In the CT nothing but the drawn muscle lies within −29…150 HU, also after the smoothing
by 0.6 pixel that precedes the carving: fat borders muscle only, bone lies inside muscle.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

SHAPE = (90, 64, 7)
SPACING_MM = (4.0, 5.0, 6.0)
ORIGIN_MM = (-180.0, -150.0, -421.5)
PIXEL_CM2 = 0.2
"""4 mm × 5 mm."""
LEVEL = 3


def area_cm2(k: int) -> float:
    """Muscle on slice k, counted: a block of 30 × 20 without its bone of 6 × 5, and one of 10 × (8 + k)."""
    return (600 - 30 + 10 * (8 + k)) * PIXEL_CM2


MUSCLE_CM2 = 136.0
"""On slice 3: 680 pixels. Below 144 (men), above 92 (women)."""


def ct() -> np.ndarray[Any, Any]:
    """Canonical HU, int16: air, an ellipse of fat, muscle, bone; every slice different."""
    i, j = np.meshgrid(np.arange(SHAPE[0]), np.arange(SHAPE[1]), indexing="ij")
    hu = np.full(SHAPE, -1000, np.int16)
    hu[((i - 44) / 40) ** 2 + ((j - 31) / 27) ** 2 < 1] = -100
    hu[25:55, 12:32] = 50
    hu[41:47, 20:25] = 400
    for k in range(SHAPE[2]):
        hu[60:70, 30 : 38 + k, k] = 50
    return hu


def muscle() -> np.ndarray[Any, Any]:
    """The muscle of `ct`, uint8."""
    return (ct() == 50).astype(np.uint8)


def affine() -> np.ndarray[Any, Any]:
    """RAS from canonical."""
    made = np.diag([*SPACING_MM, 1.0])
    made[:3, 3] = ORIGIN_MM
    return made


def write_nifti(path: Path, array: np.ndarray[Any, Any], ras: np.ndarray[Any, Any] | None = None) -> Path:
    """A NIfTI file."""
    import nibabel as nib

    nib.save(nib.Nifti1Image(array, affine() if ras is None else ras), path)
    return path


def write_model(path: Path, **changes: Any) -> Path:
    """A model file whose network calls everything muscle; `changes` to its entry."""
    import torch

    from SarcopeniaAssessLib.models import ModelEntry, save_model
    from SarcopeniaAssessLib.smit import SmitConfig, build_smit

    config = SmitConfig(
        embed_dim=4,
        depths=(1, 1, 1, 1),
        num_heads=(1, 1, 2, 2),
        window_size=(4, 4, 3),
        patch_size=(2, 2, 1),
        merging=(2, 2, 1),
        decoder_kernel=(3, 3, 1),
    )
    torch.manual_seed(0)
    network = build_smit(config).eval()
    with torch.no_grad():
        network.decoder.head.weight.zero_()
        network.decoder.head.bias.copy_(torch.tensor([-5.0, 5.0]))
    given = {
        "name": "everything",
        "version": "1",
        "architecture": {"kind": "smit", **config.to_mapping()},
        "preprocessing": {"in_plane_mm": 4.0, "slice_mm": 6.0, "slices": 3},
        "trained_on": "nothing: it calls every pixel muscle",
        "scores": {"sma_relative_halfwidth_95": 0.05},
    }
    save_model(path, network, ModelEntry(**{**given, **changes}))
    return path


def record(**changes: Any) -> dict[str, Any]:
    """A record as `assess` makes it of a man's CT, SMA just under the cut-off; `changes` block by block."""
    made: dict[str, Any] = {
        "schema": "sarcopenia-assessment/1",
        "id": "5b1f0c1e-7c0e-4f0e-9a53-1f6b2c3d4e5f",
        "case": "one",
        "input": {
            "format": "nifti",
            "shape": [90, 64, 7],
            "spacing_mm": [4.0, 5.0, 6.0],
            "orientation": "RAS",
            "sha256": "ab" * 32,
        },
        "patient": {
            "sex": "male",
            "sex_source": "given",
            "age_years": 67.0,
            "height_m": 1.75,
            "weight_kg": None,
        },
        "l3": {
            "superior_mm": -403.5,
            "slice_from_feet": 3,
            "method": "slice",
            "confidence": None,
            "neighbours_sma_cm2": [141.0, None],
        },
        "muscle": {
            "sma_cm2": 143.96,
            "sma_interval_cm2": [139.1, 149.2],
            "mean_hu": 41.2,
            "sma_hu_m29_150_cm2": 142.8,
            "smi_cm2_m2": 143.96 / 1.75**2,
        },
        "status": {
            "criterion": "bhardwaj2025",
            "cutoff": 144.0,
            "unit": "cm²",
            "value": "sarcopenic",
            "borderline": True,
            "reason": None,
        },
        "other_criteria": [
            {
                "criterion": "derstine2018_smi",
                "cutoff": 45.4,
                "unit": "cm²/m²",
                "value": "not sarcopenic",
                "borderline": False,
                "reason": None,
            },
            {
                "criterion": "martin2013_smi",
                "cutoff": None,
                "unit": "cm²/m²",
                "value": "undetermined",
                "borderline": None,
                "reason": "needs weight",
            },
        ],
        "quality": [{"code": "thick_slices", "severity": "warning", "message": "Slices are 6 mm apart."}],
        "model": {"name": "everything", "version": "1", "sha256": "cd" * 32, "trained_on": "nothing"},
        "mask": {"source": "model", "dice_with_model": 1.0, "pixels_changed": 0},
        "review": dict.fromkeys(("reviewer", "organization", "at", "comment", "seconds_to_accept"), None)
        | {"state": "unreviewed"},
        "software": {
            "name": "sarcopenia-assess",
            "version": "0.1.0",
            "python": "3.11.4",
            "torch": "2.8.0",
            "device": "cpu",
        },
        "timing_s": {"read": 0.1, "preprocess": 0.1, "network": 0.6, "write": 0.4, "total": 1.4},
    }
    for name, value in changes.items():
        made[name] = {**made[name], **value} if isinstance(made[name], dict) else value
    return made
