"""The Slicer module's worker: first and next click on a 512×512×120 CT, and how long Cancel takes."""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path

from Testing.benchmarks.children import NotMeasuredError, made_ct, require_default_model, run_python
from Testing.benchmarks.tables import Row

TITLE = "Worker: click → drawing in a child process (512×512×120, default model, CPU)"
REPEATS = 7
_LISTEN_S = 0.05
"""As often as the module's timer listens."""


def rows() -> list[Row]:
    """Seconds from the click to the drawing, of the click itself, and of Cancel until no process is left."""
    require_default_model()
    ran = run_python("-m", "Testing.benchmarks.worker_speed", str(made_ct("nifti", 120)))
    if ran.status != 0:
        raise NotMeasuredError(ran.err.strip().splitlines()[-1])
    found = json.loads(ran.out)
    return [
        Row("first click: Python, torch, CT and model", found["first"], "s"),
        Row("second click, median", statistics.median(found["next"]), "s", 2.0),
        Row("second click, slowest", max(found["next"]), "s", 2.0),
        Row("click on another CT, process warm", found["other"], "s"),
        Row("the click itself returns, slowest", max(found["submit"]), "s", 0.1),
        Row("a poll, slowest", max(found["poll"]), "s", 0.1),
        Row("Cancel until no process is left, slowest", max(found["cancel"]), "s", 2.0),
    ]


class _Clicks:
    """Clicks on one worker, and how long each part of them took."""

    def __init__(self) -> None:
        from SarcopeniaAssessLib.worker_client import WarmWorker

        self.worker = WarmWorker()
        self.submit: list[float] = []
        self.poll: list[float] = []

    def draw(self, question: object) -> float:
        """Seconds from a click to its drawing."""
        from SarcopeniaAssessLib.worker_client import DrawRequest

        clicked = time.perf_counter()
        job = self.worker.submit(DrawRequest(question, None, "cpu"))
        self.submit.append(time.perf_counter() - clicked)
        while not job.is_over:
            time.sleep(_LISTEN_S)
            began = time.perf_counter()
            job.poll()
            self.poll.append(time.perf_counter() - began)
        job.result()
        return time.perf_counter() - clicked

    def cancel(self, question: object) -> float:
        """Seconds from Cancel, in the midst of the network's work, until the process is gone."""
        from SarcopeniaAssessLib.worker_client import DrawRequest

        job = self.worker.submit(DrawRequest(question, None, "cpu"))
        while not [event for event in job.poll() if "network looks" in event.text]:
            time.sleep(0.001)
        pid = self.worker.pid
        began = time.perf_counter()
        job.cancel()
        while Path(f"/proc/{pid}").exists():
            time.sleep(0.001)
        return time.perf_counter() - began


def _measure(path: str) -> None:
    from dataclasses import replace

    from SarcopeniaAssessLib.assessment import GivenFacts, ask
    from SarcopeniaAssessLib.ct_io import open_ct
    from SarcopeniaAssessLib.volume import CtVolume
    from SarcopeniaAssessLib.worker_files import native_array

    read = open_ct(path)
    volume = CtVolume.from_array(native_array(read), read.ras_from_ijk, input=read.input)  # as in Slicer
    other = replace(volume, input=replace(read.input, sha256="0" * 64))
    clicks = _Clicks()
    question, another = (
        ask(each, GivenFacts(), l3=f"slice:{each.slice_count // 2}") for each in (volume, other)
    )
    found = {"first": clicks.draw(question), "next": [clicks.draw(question) for _ in range(REPEATS)]}
    found |= {"other": clicks.draw(another), "cancel": [clicks.cancel(question) for _ in range(3)]}
    clicks.worker.close()
    print(json.dumps({**found, "submit": clicks.submit, "poll": clicks.poll}))


if __name__ == "__main__":
    _measure(sys.argv[1])
