"""The panel at work on a 512×512×120 CT: how long a click holds the window up, and how live the area is."""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from Testing.benchmarks.children import NotMeasuredError, made_ct, require_default_model, run_python
from Testing.benchmarks.tables import Row

TITLE = "Panel: clicks and strokes in the module's host (512×512×120, default model, CPU)"
REPEATS = 7


def rows() -> list[Row]:
    """Seconds that the window stands still, from click to mask, and from a stroke to its area."""
    if find_spec("slicer_core") is None or find_spec("PySide6") is None:
        raise NotMeasuredError("the extra `slicer` is not installed (make lint does)")
    require_default_model()
    ran = run_python("-m", "Testing.benchmarks.panel_speed", str(made_ct("nifti", 120)))
    if ran.status != 0:
        raise NotMeasuredError(ran.err.strip().splitlines()[-1])
    found = json.loads(ran.out.splitlines()[-1])
    return [
        Row("CT chosen: the window stands still", found["choose"], "s"),
        Row("first click on Assess returns", found["first_return"], "s", 0.1),
        Row("first click → result shown", found["first"], "s"),
        Row("next click returns, slowest", max(found["return"]), "s", 0.1),
        Row("next click → result shown, median", statistics.median(found["next"]), "s", 2.0),
        Row("next click → result shown, slowest", max(found["next"]), "s", 2.0),
        Row("longest standstill of the window in a run: the result comes", max(found["standstill"]), "s"),
        Row("stroke → its area, median", statistics.median(found["live"]), "s", 0.1),
        Row("stroke → its area, slowest", max(found["live"]), "s", 0.1),
    ]


def _measure(path: Path) -> None:
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    import slicer

    from SarcopeniaAssessLib.worker_client import WarmWorker
    from Testing.slicer.host.application import SlicerHost
    from Testing.slicer.panel_clicks import Clicks

    host, worker = SlicerHost(), WarmWorker()
    clicks = Clicks(host, worker)
    volume = slicer.modules.volumes.logic().AddArchetypeVolume(str(path), "CT")
    found: dict[str, object] = {"choose": _seconds(lambda: clicks.choose(volume))}
    clicks.sex("Male")
    standstill: list[float] = []
    found["first_return"], found["first"] = _assess(clicks, standstill)
    standstill.clear()
    runs = [_assess(clicks, standstill) for _ in range(REPEATS)]
    found["return"], found["next"] = [each[0] for each in runs], [each[1] for each in runs]
    found["standstill"] = standstill
    centre = _in_muscle(clicks)
    found["live"] = [_stroke(clicks, centre, 2.0 + n) for n in range(REPEATS)]
    host.app.processEvents()
    worker.close()
    print(json.dumps(found), flush=True)
    os._exit(0)  # the window's end is no part of it


def _seconds(done: Callable[[], object]) -> float:
    began = time.perf_counter()
    done()
    return time.perf_counter() - began


def _assess(clicks: Any, standstill: list[float]) -> tuple[float, float]:
    """Until the click returns, until the result is shown; and every turn of the event loop between."""
    ui, app = clicks.ui, clicks.host.app
    began = time.perf_counter()
    ui.assessButton.click()
    returned = time.perf_counter() - began
    while ui.cancelButton.enabled:
        standstill.append(_seconds(app.processEvents))
        time.sleep(0.002)
    if clicks.sma_cm2 is None:
        raise SystemExit(ui.messageLabel.text)
    return returned, time.perf_counter() - began


def _in_muscle(clicks: Any) -> tuple[float, float, float]:
    """RAS of a voxel in the middle of the marked ones."""
    import numpy as np
    import slicer
    import vtk

    node = clicks.widget.panel.result
    volume = clicks.ui.ctSelector.currentNode()
    segment = node.GetSegmentation().GetNthSegmentID(0)
    marked = np.argwhere(slicer.util.arrayFromSegmentBinaryLabelmap(node, segment, volume))
    k, j, i = marked[len(marked) // 2]
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    return tuple(matrix.MultiplyPoint((float(i), float(j), float(k), 1.0))[:3])


def _stroke(clicks: Any, centre: tuple[float, float, float], radius_mm: float) -> float:
    """What the segmentation's events cost in an erasing stroke: the area is shown before they end."""
    import slicer

    node, before = clicks.widget.panel.result, clicks.sma_cm2
    times: list[float] = []
    events = (slicer.vtkSegmentation.SourceRepresentationModified, slicer.vtkSegmentation.SegmentModified)
    tags = [
        node.AddObserver(event, lambda *_, sign=sign: times.append(sign * time.perf_counter()), -sign * 1e3)
        for event in events
        for sign in (-1.0, 1.0)  # before every other observer, and after them all
    ]
    clicks.use("Erase", centre, radius_mm)
    for tag in tags:
        node.RemoveObserver(tag)
    if clicks.sma_cm2 == before:
        raise SystemExit("a stroke changed nothing")
    return sum(times)


if __name__ == "__main__":
    _measure(Path(sys.argv[1]))
