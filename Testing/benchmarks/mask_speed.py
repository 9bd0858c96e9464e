"""CT loaded, model warm, L3 given → the mask: at most 1 s on two cores."""

from __future__ import annotations

import json
import statistics
import sys
import time

from Testing.benchmarks.children import NotMeasuredError, made_ct, require_default_model, run_python
from Testing.benchmarks.tables import Row

TITLE = "Mask: CT loaded, default model warm, L3 given (512×512×200)"
AIM_S = 1.0
REPEATS = 7


def rows() -> list[Row]:
    """Seconds from the level to the mask of its slice, and of it with both neighbours."""
    require_default_model()
    ran = run_python("-m", "Testing.benchmarks.mask_speed", str(made_ct("nifti", 200)))
    if ran.status != 0:
        raise NotMeasuredError(ran.err.strip().splitlines()[-1])
    found = json.loads(ran.out)
    return [
        Row("mask of the slice, median", found["one"], "s", AIM_S),
        Row("mask of the slice, slowest", max(found["all"]), "s"),
        Row("masks of the slice and its neighbours, median", found["three"], "s"),
    ]


def _measure(path: str) -> None:
    from SarcopeniaAssessLib.ct_io import open_ct
    from SarcopeniaAssessLib.models import load_model
    from SarcopeniaAssessLib.segmentation import segment_slices

    volume, model = open_ct(path), load_model(None)
    k = volume.slice_count // 2

    def seconds(levels: list[int]) -> float:
        started = time.perf_counter()
        segment_slices(volume, levels, model)
        return time.perf_counter() - started

    seconds([k])
    one = [seconds([k]) for _ in range(REPEATS)]
    three = [seconds([k, k - 1, k + 1]) for _ in range(REPEATS)]
    print(json.dumps({"one": statistics.median(one), "all": one, "three": statistics.median(three)}))


if __name__ == "__main__":
    _measure(sys.argv[1])
