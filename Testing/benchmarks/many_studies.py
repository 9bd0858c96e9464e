"""Thousands of small studies: one worker and two, killed five times, two machines of which one is lost.

    python -m Testing.benchmarks many_studies                    2,000 studies: about an hour and a half
    SARCOPENIA_BENCH_STUDIES=100 python -m Testing.benchmarks many_studies

The bundled model assesses each at a slice that is given. Results of all four runs must be the same but for
what a clock says and for the ninth digit of the network's doubt (processes with another number of threads add
in another order), masks byte by byte, and each study must be there once; else this benchmark fails.
"""

from __future__ import annotations

import csv
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from Testing.benchmarks.children import ROOT, NotMeasuredError, require_default_model, run_python
from Testing.benchmarks.tables import Row

COUNT = int(os.environ.get("SARCOPENIA_BENCH_STUDIES", "2000"))
TITLE = f"{COUNT} small studies (256×224×5, half NIfTI, half DICOM with SEG and SR), L3 given"
KILLS = 5
LOST_AFTER = 0.3
"""Share of the studies that are done when a machine is lost."""
_CLOCK = ("id", "assessed_at", "timing_s", "software")
_EVERY_S = 2.0


@dataclass(frozen=True)
class Watched:
    """A run that ended: seconds, and resident megabytes of all its processes at moments of it."""

    wall_s: float
    resident_mb: tuple[float, ...]

    @property
    def growth_mb(self) -> float:
        """Mean of the last tenth less that of the second tenth, when all is loaded."""
        tenth = max(1, len(self.resident_mb) // 10)
        early, late = self.resident_mb[tenth : 2 * tenth], self.resident_mb[-tenth:]
        return sum(late) / len(late) - sum(early) / len(early) if early else 0.0


def rows() -> list[Row]:
    """Studies an hour, memory, and that nothing was lost or doubled."""
    require_default_model()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        studies = _made(place / "made")
        one = _run(studies, place / "one", "--jobs", "1")
        two = _run(studies, place / "two", "--jobs", "2")
        kills_s = _killed(studies, place / "killed")
        cluster = _on_two_machines(studies, place / "cluster")
        first = _results(place / "one")
        for other in ("two", "killed", "cluster"):
            if not _alike(_results(place / other), first):
                raise NotMeasuredError(f"the run '{other}' has other results than that with one worker")
    return [
        *_told("one worker", one),
        *_told("two workers", two),
        Row("scaling, two workers over one", one.wall_s / two.wall_s, ""),
        Row(f"two workers, {KILLS} SIGKILLs, resumed: whole time", kills_s, "s"),
        *_told("two Ray nodes of one processor, one lost on the way", cluster),
        Row("results that differ among the four runs", 0.0, ""),
    ]


def _told(what: str, run: Watched) -> Iterator[Row]:
    yield Row(f"{what}: studies an hour", 3600 * COUNT / run.wall_s, "")
    yield Row(f"{what}: wall time", run.wall_s, "s")
    yield Row(f"{what}: most memory of all its processes", max(run.resident_mb), "MB")
    yield Row(f"{what}: growth of memory", run.growth_mb, "MB")


def _made(folder: Path) -> Path:
    ran = run_python(
        "-c",
        "import sys; from pathlib import Path; from Testing.benchmarks.made_studies import make_studies;"
        f"print(make_studies(Path({str(folder)!r}), {COUNT}))",
    )
    if ran.status != 0:
        raise NotMeasuredError(f"the studies cannot be made: {ran.err.strip().splitlines()[-1]}")
    return Path(ran.out.strip().splitlines()[-1])


def _words(studies: Path, out: Path, *more: str) -> list[str]:
    words = [sys.executable, "-m", "SarcopeniaAssessLib", "assess", str(studies), "--out", str(out)]
    return [*words, "--resume", *more]


def _environment() -> dict[str, str]:
    return os.environ | {"OMP_WAIT_POLICY": "PASSIVE", "PYTHONPATH": str(ROOT / "SarcopeniaAssess")}


def _run(studies: Path, out: Path, *more: str) -> Watched:
    started, seen = time.perf_counter(), []
    with tempfile.TemporaryFile() as told:
        words = _words(studies, out, *more)
        child = subprocess.Popen(words, cwd=ROOT, env=_environment(), stdout=subprocess.DEVNULL, stderr=told)
        while child.poll() is None:
            seen.append(_resident_mb(child.pid))
            time.sleep(_EVERY_S)
        told.seek(0)
        _require_success(child.returncode, told.read().decode())
    return Watched(time.perf_counter() - started, tuple(seen))


def _require_success(status: int, told: str) -> None:
    if status != 0:
        last = told.strip().splitlines()[-1:] or ["no word"]
        raise NotMeasuredError(f"a run ended with status {status}: {last[0]}")


def _resident_mb(pid: int) -> float:
    """Of a process and all that it has started, from Linux; a page that several share counts in shares."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(path.parent.name))
    family, left = [], [pid]
    while left:
        family.append(left.pop())
        left += children.get(family[-1], [])
    return sum(map(_proportional_kb, family)) / 1024


def _proportional_kb(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _killed(studies: Path, out: Path) -> float:
    """SIGKILL at five random moments of the first two thirds, each followed by the same command."""
    moments = random.Random(COUNT)
    taken = time.perf_counter()
    targets = sorted(moments.uniform(0.02, 0.66) * COUNT for _ in range(KILLS))
    words = _words(studies, out, "--jobs", "2")
    for target in targets:
        child = subprocess.Popen(
            words, cwd=ROOT, env=_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while child.poll() is None and _count(out) < target:
            time.sleep(0.2)
        time.sleep(moments.uniform(0.0, 1.0))
        child.kill()
        child.wait()
    _run(studies, out, "--jobs", "2")
    return time.perf_counter() - taken


def _count(out: Path) -> int:
    return sum(not path.name.startswith(".") for path in out.iterdir()) if out.is_dir() else 0


def _on_two_machines(studies: Path, out: Path) -> Watched:
    """Two nodes of one processor each; one is lost when a share of the studies is done."""
    import ray
    from ray.cluster_utils import Cluster

    os.environ.update(_environment())  # the nodes' processes have this one's
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    started, seen = time.perf_counter(), []
    try:
        with tempfile.TemporaryFile() as told:
            words = _words(studies, out, "--cluster", cluster.address)
            child = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=told)
            while child.poll() is None:
                seen.append(_resident_mb(os.getpid()))
                if nodes and _count(out) >= LOST_AFTER * COUNT:
                    cluster.remove_node(nodes.pop(), allow_graceful=False)
                    nodes.clear()
                time.sleep(_EVERY_S)
            told.seek(0)
            _require_success(child.returncode, told.read().decode())
        if nodes:
            raise NotMeasuredError("no machine was lost: too few studies")
    finally:
        cluster.shutdown()
        ray.shutdown()
    return Watched(time.perf_counter() - started, tuple(seen))


def _alike(one: Any, other: Any) -> bool:
    """Equal, floats to a millionth."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-6)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_alike(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_alike, one, other))
    return bool(one == other)


def _results(out: Path) -> dict[str, Any]:
    """Every record without what a clock says, and the mask's bytes; each study once, and in the table."""
    with (out / "assessments.csv").open(encoding="utf-8", newline="") as file:
        cases = [row["case"] for row in csv.DictReader(file)]
    wanted = [f"S{number:05d}" for number in range(COUNT)]
    there = sorted(path.name for path in out.iterdir() if path.is_dir())
    if cases != wanted or there != wanted:
        raise NotMeasuredError(f"in {out.name} a study is missing or doubled")
    found = {}
    for case in wanted:
        record = json.loads((out / case / "assessment.json").read_text(encoding="utf-8"))
        mask = (out / case / "muscle.nii.gz").read_bytes()
        found[case] = ({k: v for k, v in record.items() if k not in _CLOCK}, mask)
    return found
