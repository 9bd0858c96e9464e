"""Figures printed by Bhardwaj et al. 2025 (arXiv 2508.17275): facts, never mixed with measured ones.

`paper/tables.json` holds the numbers of their four tables as printed, contradictions included.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

BLOCK = "printed, Bhardwaj et al. 2025, their patients"
OTHER_PATIENTS = (
    "The two blocks are of different patients: what stands in one row has only its number in common."
)
"""First note of every table that shows both."""
MISPRINTED_ROW = 4
"""Of Table 4: truth 94.86, prediction 199.38, error 2.32 %, which holds for a truth of 194.86."""
MEANT_TRUTH_CM2 = 194.86
_TABLES = Path(__file__).parent / "paper" / "tables.json"


@dataclass(frozen=True)
class PrintedFold:
    """A column of Table 3."""

    fold: int
    dice_mean: float
    dice_sd: float
    area_difference_percent_mean: float
    area_difference_percent_sd: float


@dataclass(frozen=True)
class PrintedPatient:
    """A row of Table 4; `error_percent` is absolute, as printed."""

    row: int
    truth_sma_cm2: float
    truth_sarcopenic: bool
    dice: float
    predicted_sma_cm2: float
    predicted_sarcopenic: bool
    error_percent: float

    @property
    def recomputed_error_percent(self) -> float:
        """Signed, from the areas as printed."""
        return 100 * (self.predicted_sma_cm2 / self.truth_sma_cm2 - 1)


@dataclass(frozen=True)
class PrintedAgreement:
    """What follows from the rows of Table 4 with the truth that row 4 must have had."""

    dice_mean: float
    abs_error_mean_percent: float
    error_mean_percent: float
    error_sd_percent: float


@lru_cache(maxsize=1)
def printed_folds() -> tuple[PrintedFold, ...]:
    """The ten folds of Table 3."""
    table = _read()["table3_segmentation_folds"]
    names = ("dice_mean", "dice_sd", "area_difference_percent_mean", "area_difference_percent_sd")
    columns = zip(*(table[name] for name in names), strict=True)
    return tuple(PrintedFold(number, *values) for number, values in enumerate(columns, start=1))


@lru_cache(maxsize=1)
def printed_patients() -> tuple[PrintedPatient, ...]:
    """The sixteen test patients of Table 4."""
    rows = _read()["table4_sma_test"]["rows"]
    return tuple(PrintedPatient(number, *values) for number, values in enumerate(rows, start=1))


def printed_agreement() -> PrintedAgreement:
    """Means of Table 4, its misprint corrected."""
    signed = [
        100 * (p.predicted_sma_cm2 / (MEANT_TRUTH_CM2 if p.row == MISPRINTED_ROW else p.truth_sma_cm2) - 1)
        for p in printed_patients()
    ]
    return PrintedAgreement(
        dice_mean=float(np.mean([p.dice for p in printed_patients()])),
        abs_error_mean_percent=float(np.mean([p.error_percent for p in printed_patients()])),
        error_mean_percent=float(np.mean(signed)),
        error_sd_percent=float(np.std(signed, ddof=1)),
    )


def _read() -> dict[str, Any]:
    tables: dict[str, Any] = json.loads(_TABLES.read_text("utf-8"))
    return tables
