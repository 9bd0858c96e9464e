"""A tiny scan with a known area, as the second family would give it, for the tests of scoring."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from SarcopeniaTraining.held_out import HeldOutScore
from SarcopeniaTraining.second_family import HeldOutScan, ScanFacts

PIXEL_MM = (2.0, 1.5)
PIXEL_CM2 = 0.03
FACTS = ScanFacts(
    seed=7,
    sex="male",
    age_years=66,
    build="medium",
    phase="portal",
    slice_mm=3.0,
    kernel="soft",
    kvp=120,
    noise_hu=11.0,
    traits=(),
    l3_superior_mm=-204.0,
    numbering="normal",
)


def made_scan(**facts: Any) -> HeldOutScan:
    """100 × 90 × 5 voxels of 2 × 1.5 × 3 mm in left–posterior storage; muscle of 60 × 40 pixels on slice 3.

    L3 lies on slice 3 from the feet, whose muscle measures 72 cm².
    """
    rng = np.random.default_rng(3)
    hu = np.full((100, 90, 5), -1000, np.int16)
    hu[10:90, 10:80] = -100
    muscle = np.zeros(hu.shape, np.uint8)
    muscle[20:80, 30:70, 3] = 1
    muscle[20:70, 30:70, :3] = 1
    hu[muscle > 0] = 50
    hu += rng.integers(-6, 7, hu.shape).astype(np.int16)
    affine = np.diag([-PIXEL_MM[0], -PIXEL_MM[1], 3.0, 1.0])
    affine[:3, 3] = (100.0, 66.0, -213.0)
    empty = np.zeros(hu.shape, np.uint8)
    return HeldOutScan(hu, affine, muscle.copy(), muscle, empty, replace(FACTS, **facts))


def made_score(**values: Any) -> HeldOutScore:
    """A row: 100 cm² in truth, 102 measured, 97…107, one sex, one scanner."""
    own: dict[str, Any] = {
        "seed": 1,
        "sex": "male",
        "age_years": 60.0,
        "build": "slim",
        "phase": "none",
        "slice_mm": 2.0,
        "kernel": "soft",
        "kvp": 120.0,
        "noise_hu": 10.0,
        "traits": (),
        "truth_cm2": 100.0,
        "truth_status": "sarcopenic",
        "sma_cm2": 102.0,
        "dice": 0.95,
        "interval_low_cm2": 97.0,
        "interval_high_cm2": 107.0,
        "status": "sarcopenic",
        "borderline": False,
        "errors": (),
        "warnings": (),
        "refused": None,
        "seconds": 0.5,
    }
    return HeldOutScore(**own | values)
