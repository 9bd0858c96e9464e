"""What a count's probability is worth: measured on phantoms of the training's family, never trained on.

The command is `python -m SarcopeniaTraining.spine_scans.calibration RUN`: it measures, writes the calibration
into the model's entry and lays weights and entry into the library's resources.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from SarcopeniaAssessLib import resource_path
from SarcopeniaAssessLib.errors import SarcopeniaError
from SarcopeniaAssessLib.model_file import ModelEntry, read_entry, read_network, save_model
from SarcopeniaAssessLib.spine import CALIBRATION, class_probability
from SarcopeniaAssessLib.spine_chain import read_chain
from SarcopeniaAssessLib.spine_counting import L3Count, count_l3
from SarcopeniaAssessLib.spine_grid import SpineGrid
from SarcopeniaTraining.publishing import enlist
from SarcopeniaTraining.spine_scans.counted import WRONG_VERTEBRA_MM
from SarcopeniaTraining.spine_scans.drawing import VOXEL_MM, SpineScan, draw_spine_scan

CALIBRATION_SEED = 2_000_000
PHANTOMS = 240
_EDGES = (0.0, 0.8, 0.9, 0.95, 0.98, 0.995, 1.0001)


@dataclass(frozen=True)
class Weighed:
    """A count's probability of its best vertebra, and whether that was L3."""

    probability: float
    right: bool


def shown_part(phantom: SpineScan) -> SpineGrid:
    """The phantom as a scan of a drawn height, L3 inside."""
    rng = np.random.default_rng([0xCA11, phantom.seed])
    l3 = phantom.bodies_mm["L3"][2]
    low, high = l3 - rng.uniform(70, 200), l3 + rng.uniform(70, 200)
    z = phantom.ras_from_ijk[2, 3] + VOXEL_MM * np.arange(phantom.hu.shape[2])
    inside = np.flatnonzero((z >= low) & (z <= high))
    origin = phantom.ras_from_ijk[:3, 3].copy()
    origin[2] = z[inside[0]]
    hu = phantom.hu[:, :, inside[0] : inside[-1] + 1]
    return SpineGrid(hu.astype(np.float32), origin)


def weighed(network: Any, seed: int) -> Weighed | None:
    """Count one phantom; `None` where nothing could be counted or L3 was held to be outside."""
    phantom = draw_spine_scan(seed)
    grid = shown_part(phantom)
    chain = read_chain(class_probability(network, grid), grid)
    count: L3Count | None = None if chain is None else count_l3(chain)
    if chain is None or count is None or not 0 <= count.best < len(chain.vertebrae):
        return None
    away = abs(float(chain.vertebrae[count.best].centre_mm[2] - phantom.bodies_mm["L3"][2]))
    return Weighed(count.probability[count.best], away <= WRONG_VERTEBRA_MM)


def knots(results: Sequence[Weighed]) -> list[list[float]]:
    """Pairs of probability and fraction right, rising from (0, 0); a bin counts two more, one of them wrong.

    The rule of succession keeps a small bin without a fault from promising certainty.
    """
    pairs: list[list[float]] = [[0.0, 0.0]]
    for low, high in pairwise(_EDGES):
        inside = [r for r in results if low <= r.probability < high]
        if not inside:
            continue
        right = (sum(r.right for r in inside) + 1) / (len(inside) + 2)
        best = max(pairs[-1][1], right)
        pairs.append([round(float(np.mean([r.probability for r in inside])), 4), round(best, 4)])
    return pairs


def publish(run: Path, *, phantoms: int = PHANTOMS) -> ModelEntry:
    """Calibrate the run's model and lay it into the library's resources.

    Raises
    ------
    ModelError
        The run holds no exported model.
    """
    path = run / "l3-finder.safetensors"
    entry = read_entry(path)
    network = read_network(entry, path)
    seeds = range(CALIBRATION_SEED, CALIBRATION_SEED + phantoms)
    results = [r for r in (weighed(network, seed) for seed in seeds) if r is not None]
    scores = {
        CALIBRATION: knots(results),
        "phantoms of the training's family": {
            "scans": phantoms,
            "counted": len(results),
            "right_percent": round(100 * float(np.mean([r.right for r in results])), 1),
        },
    }
    calibrated = replace(entry, scores=scores)
    saved = save_model(resource_path(f"{entry.name}.safetensors"), network.half(), calibrated)
    enlist(saved)
    return saved


def main(arguments: list[str] | None = None) -> int:
    """Calibrate and publish; print what was measured."""
    parser = argparse.ArgumentParser(description="Calibrate the network that finds L3, and publish it.")
    parser.add_argument("run", type=Path)
    parser.add_argument("--phantoms", type=int, default=PHANTOMS)
    given = parser.parse_args(arguments)
    try:
        entry = publish(given.run, phantoms=given.phantoms)
    except SarcopeniaError as error:
        print(f"sarcopenia: {error}", file=sys.stderr)  # noqa: T201 - a command's own line
        return 2
    print(entry.file, entry.sha256, entry.scores)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
