"""`--l3 auto` on a 512×512×400 CT made of a phantom: at most 5 s on two cores, decoding left out."""

from __future__ import annotations

import json
import resource
import sys
import time

import numpy as np

from Testing.benchmarks.children import NotMeasuredError, run_python
from Testing.benchmarks.tables import Row

TITLE = "L3 found by itself (512×512×400)"
SHAPE, SPACING_MM = (512, 512, 400), (0.8, 0.65, 1.25)
SEED = 3_000_003
_LINUX_KIB = 1 if sys.platform == "darwin" else 1024


def rows() -> list[Row]:
    """Seconds of the first search of a process (weights read) and of the next, and memory beside the CT."""
    ran = run_python("-m", "Testing.benchmarks.l3_speed")
    if ran.status != 0:
        raise NotMeasuredError(ran.err.strip())
    told = json.loads(ran.out.splitlines()[-1])
    return [
        Row("first search, weights read", told["first_s"], "s", 5.0),
        Row("next search", told["next_s"], "s", 5.0),
        Row("memory beside the CT", told["memory_gb"], "GB", 1.0),
    ]


def made_ct() -> np.ndarray:
    """A phantom's HU on that grid, int16, by the nearest voxel: as many voxels as a real CT."""
    from SarcopeniaTraining.spine_scans.drawing import VOXEL_MM, draw_spine_scan

    hu = draw_spine_scan(SEED).hu
    index = [
        np.clip(np.rint(step * np.arange(n) / VOXEL_MM).astype(int), 0, side - 1)
        for n, step, side in zip(SHAPE, SPACING_MM, hu.shape, strict=True)
    ]
    return np.asfortranarray(hu[np.ix_(*index)])


def main() -> None:
    """Time two searches in this process and print them as JSON."""
    from SarcopeniaAssessLib.level import find_level
    from SarcopeniaAssessLib.volume import CtVolume

    volume = CtVolume.from_array(made_ct(), np.diag([*SPACING_MM, 1.0]))
    import torch  # noqa: F401 - the command has it loaded for its other network

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    spent = []
    for _ in range(2):
        started = time.perf_counter()
        level = find_level("auto", volume)
        spent.append(time.perf_counter() - started)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * _LINUX_KIB
    told = {"first_s": spent[0], "next_s": spent[1], "memory_gb": grown / 1e9, "k": level.slice_from_feet}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
