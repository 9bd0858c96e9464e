"""Tables 1 and 2 as printed by Bhardwaj et al. 2025 (arXiv 2508.17275), never mixed with measured ones."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import SarcopeniaTraining
from SarcopeniaTraining.classification.classifier_scores import Confusion

_TABLES = Path(SarcopeniaTraining.__file__).parent / "paper" / "tables.json"


@dataclass(frozen=True)
class PrintedAuc:
    """A row of Table 1: AUC over ten shuffled sets."""

    network: str
    scheme: str
    mean: float
    sd: float


@dataclass(frozen=True)
class PrintedTest:
    """A row of Table 2; `calls` is the only confusion of 10 and 3 test patients that gives its figures."""

    network: str
    scheme: str
    accuracy: float
    precision: float
    f1: float
    calls: Confusion


@lru_cache(maxsize=1)
def printed_aucs() -> tuple[PrintedAuc, ...]:
    """The twelve combinations of Table 1, in its order."""
    rows = _read()["table1_classifier_auc"]["rows"]
    return tuple(PrintedAuc(row["network"], row["scheme"], row["auc_mean"], row["auc_sd"]) for row in rows)


@lru_cache(maxsize=1)
def printed_tests() -> tuple[PrintedTest, ...]:
    """The four networks of Table 2, in its order."""
    rows = _read()["table2_classifier_test"]["rows"]
    return tuple(
        PrintedTest(
            network=row["network"],
            scheme=row["scheme"],
            accuracy=row["accuracy"],
            precision=row["precision"],
            f1=row["f1"],
            calls=Confusion(**row["implied_confusion"]),
        )
        for row in rows
    )


def _read() -> dict[str, Any]:
    tables: dict[str, Any] = json.loads(_TABLES.read_text("utf-8"))
    return tables
