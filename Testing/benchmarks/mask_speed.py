"""CT loaded, model warm, L3 given → mask, and record with its interval: at most 1 s on two cores."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable

from Testing.benchmarks.children import NotMeasuredError, made_ct, require_default_model, run_python
from Testing.benchmarks.tables import Row

TITLE = "Mask: CT loaded, default model warm, L3 given (512×512×200)"
AIM_S = 1.0
REPEATS = 7


def rows() -> list[Row]:
    """Seconds from the level to its mask, to that of its neighbours too, and to the whole record."""
    require_default_model()
    ran = run_python("-m", "Testing.benchmarks.mask_speed", str(made_ct("nifti", 200)))
    if ran.status != 0:
        raise NotMeasuredError(ran.err.strip().splitlines()[-1])
    found = json.loads(ran.out)
    return [
        Row("mask of the slice, median", found["one"], "s", AIM_S),
        Row("mask of the slice, slowest", max(found["all"]), "s"),
        Row("masks of the slice and its neighbours, median", found["three"], "s"),
        Row("record with area, interval and status, median", found["record"], "s", AIM_S),
    ]


def _measure(path: str) -> None:
    from SarcopeniaAssessLib.assessment import assess
    from SarcopeniaAssessLib.ct_io import open_ct
    from SarcopeniaAssessLib.models import load_model
    from SarcopeniaAssessLib.segmentation import segment_slices

    volume, model = open_ct(path), load_model(None)
    k = volume.slice_count // 2

    def draw(levels: list[int]) -> None:
        segment_slices(volume, levels, model)

    def record() -> None:
        made = assess(volume, sex="male", l3=f"slice:{k}", model=model)
        assert made.record["muscle"]["sma_interval_cm2"] is not None

    one = _seconds(lambda: draw([k]))
    three, whole = _seconds(lambda: draw([k, k - 1, k + 1])), _seconds(record)
    medians = {"one": one, "three": three, "record": whole}
    print(json.dumps({name: statistics.median(times) for name, times in medians.items()} | {"all": one}))


def _seconds(work: Callable[[], None]) -> list[float]:
    """Times of several runs, after one that is not counted."""
    times = []
    for _ in range(REPEATS + 1):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return times[1:]


if __name__ == "__main__":
    _measure(sys.argv[1])
