"""The 120 classifier runs of the smoke preset: time of each network, memory after each run."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

from Testing.benchmarks.children import NotMeasuredError, run_python
from Testing.benchmarks.tables import Row

TITLE = "120 classifier runs (`sarcopenia classify --preset smoke --jobs 2`, 79 CTs, CPU)"
AIM_S = 900.0
JOBS = 2
_COHORT = """
import sys
from pathlib import Path
from Testing.training.tiny_cohort import tiny_cohort
tiny_cohort(Path(sys.argv[1]), 79)
"""
_COMMAND = "from SarcopeniaTraining.cli import main; main()"


def rows() -> list[Row]:
    """Wall time of all, seconds of each network's runs, and its process's memory from run to run.

    The CTs are coarse; a step takes the same time whatever an image shows.
    """
    with tempfile.TemporaryDirectory() as folder:
        cohort, out = Path(folder) / "cohort", Path(folder) / "run"
        _done("-c", _COHORT, str(cohort))
        asked = ("classify", str(cohort), "--preset", "smoke", "--out", str(out), "--jobs", str(JOBS))
        wall_s = _done("-c", _COMMAND, *asked)
        return [Row("all 120 runs, two processes", wall_s, "s", AIM_S), *_networks(out)]


def _networks(out: Path) -> list[Row]:
    from SarcopeniaTraining.classification.classifier_run import read_classification

    run = read_classification(out)
    found = []
    for network in run.facts["preset"]["networks"]:
        own = [record for record in run.records if record.network == network]
        found.append(Row(f"{network}: its {len(own)} runs", sum(record.seconds for record in own), "s"))
        for scheme in dict.fromkeys(record.scheme for record in own):
            memory = [record.resident_mb or math.nan for record in own if record.scheme == scheme]
            found += [
                Row(f"· {scheme}: memory after its second run", memory[1], "MB"),
                Row("· · the most after a later run", max(memory[2:]), "MB", 1.05 * memory[1]),
            ]
    return found


def _done(*arguments: str) -> float:
    ran = run_python(*arguments)
    if ran.status != 0:
        raise NotMeasuredError(ran.err.strip().splitlines()[-1])
    return ran.wall_s
