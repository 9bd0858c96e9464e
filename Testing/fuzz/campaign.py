"""Thousands of damaged files through child processes; what came of each, and what must not come of any."""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from Testing.fuzz.child import damaged_copy
from Testing.fuzz.seeds import Seed, make_seeds

LONGEST_S = 10.0
_PATIENCE = 6
START_S = 120.0
_TOLD_EVERY = 500
GOOD = ("read", "refused", "faults told")


@dataclass
class Report:
    """Outcomes by kind, and the findings: everything that is not good."""

    outcomes: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    findings: list[dict[str, Any]] = field(default_factory=list)
    longest_s: float = 0.0
    most_mb: float = 0.0

    def take(self, result: dict[str, Any]) -> None:
        """One file more."""
        self.outcomes[result["kind"]][result["outcome"]] += 1
        self.longest_s = max(self.longest_s, result.get("seconds", 0.0))
        self.most_mb = max(self.most_mb, result.get("peak_mb", 0.0) - result.get("base_mb", 0.0))
        if result["outcome"] not in GOOD:
            self.findings.append(result)

    def lines(self) -> Iterator[str]:
        """A table by kind."""
        yield f"{'kind':12}{'files':>8}{'read':>8}{'refused':>9}{'faults told':>13}{'findings':>10}"
        total: Counter[str] = Counter()
        for kind, counts in [*sorted(self.outcomes.items()), ("all", total)]:
            good = [counts[name] for name in GOOD]
            files = sum(counts.values())
            yield f"{kind:12}{files:8}{good[0]:8}{good[1]:9}{good[2]:13}{files - sum(good):10}"
            if kind != "all":
                total.update(counts)
        yield f"longest {self.longest_s:.1f} s, most memory over the libraries' own {self.most_mb:.0f} MB"


def prepare(root: Path, kinds: Iterable[str] = ()) -> list[Seed]:
    """Make the seeds and write down where they are; of the kinds named, or of all."""
    seeds = make_seeds(root / "seeds")
    records = [seed for seed in seeds if seed.kind == "record"]
    seeds += [Seed("printed", one.name, one.folder, one.entry) for one in records]
    wanted = set(kinds)
    seeds = [seed for seed in seeds if not wanted or seed.kind in wanted]
    listed = [{**asdict(seed), "folder": str(seed.folder)} for seed in seeds]
    (root / "seeds.json").write_text(json.dumps(listed))
    return seeds


def run(root: Path, numbers: Iterable[int], master: str) -> Report:
    """Read the damaged files of these numbers, a child at a time, in a folder that `prepare` has filled."""
    report = Report()
    left = list(numbers)
    while left:
        child = _Child(root, master)
        try:
            while left:
                result = child.ask(left[0])
                report.take(result)
                _tell_progress(report, left.pop(0), len(left))
                if result["outcome"] in ("hang", "died"):
                    break
        finally:
            child.end()
    return report


def _tell_progress(report: Report, number: int, left: int) -> None:
    if report.findings and report.findings[-1]["number"] == number:
        print(f"finding: {report.findings[-1]}"[:1500], file=sys.stderr, flush=True)
    if left % _TOLD_EVERY == 0 and left:
        print(f"{left} left, {len(report.findings)} findings", file=sys.stderr, flush=True)


def keep(root: Path, finding: dict[str, Any], seeds: list[Seed], master: str, place: Path) -> Path:
    """The damaged file of a finding again, in a folder of its own."""
    seed = seeds[finding["number"] % len(seeds)]
    folder = place / f"{seed.kind}-{seed.name}-{finding['number']}"
    damaged_copy(seed, folder, Random(f"{master}:{finding['number']}"))
    return folder


class _Child:
    """A child process and its answers."""

    def __init__(self, root: Path, master: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "Testing.fuzz.child", str(root), master],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(root / "child-stderr.txt").open("wb"),
            text=True,
        )
        self._root = root
        self._answers: queue.Queue[str | None] = queue.Queue()
        self._fresh = True
        threading.Thread(target=self._listen, daemon=True).start()

    def ask(self, number: int) -> dict[str, Any]:
        """What comes of a number; `hang` or `died` where the child did not answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{number}\n")
        self._process.stdin.flush()
        begun = self._next(START_S if self._fresh else 60.0)
        self._fresh = False
        if begun is None:
            return self._lost(number, "died")
        begun_s = self._used_s()
        result = self._next(LONGEST_S)
        # On a busy machine ten seconds may pass without a processor: what counts is the child's own time.
        waited_s = LONGEST_S
        while result is None and self._process.poll() is None and waited_s < _PATIENCE * LONGEST_S:
            if self._used_s() - begun_s >= LONGEST_S:
                break
            result = self._next(1.0)
            waited_s += 1.0
        if result is None:
            return self._lost(number, "hang" if self._process.poll() is None else "died")
        return result

    def _used_s(self) -> float:
        """Processor time of the child, seconds."""
        try:
            fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self) -> None:
        """Let it go, or end it."""
        assert self._process.stdin is not None
        if self._process.poll() is None:
            self._process.stdin.close()
            try:
                self._process.wait(2.0)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()
        for left in self._root.glob(f"scratch-{self._process.pid}"):
            shutil.rmtree(left, ignore_errors=True)

    def _next(self, within_s: float) -> dict[str, Any] | None:
        try:
            line = self._answers.get(timeout=within_s)
        except queue.Empty:
            return None
        return None if line is None else json.loads(line)

    def _lost(self, number: int, how: str) -> dict[str, Any]:
        seeds = json.loads((self._root / "seeds.json").read_text())
        seed = seeds[number % len(seeds)]
        trace = (
            f"exit {self._process.poll()}: "
            + (self._root / "child-stderr.txt").read_text(errors="replace")[-800:]
        )
        return {
            "number": number,
            "kind": seed["kind"],
            "seed": seed["name"],
            "how": "?",
            "outcome": how,
            "trace": trace,
        }

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(line)
        self._answers.put(None)
