"""The process that reads damaged files: bounded in memory, and watched by the one that started it.

It takes numbers on standard input, one a line; each number is a damaged file. Before reading one it says
`begin`, afterwards what came of it, as JSON lines.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import shutil
import sys
import time
import traceback
import warnings
from pathlib import Path
from random import Random
from typing import Any

from SarcopeniaAssessLib.errors import SarcopeniaError
from Testing.fuzz.mutations import damaged
from Testing.fuzz.seeds import Seed
from Testing.fuzz.targets import TARGETS, WRITES, warm_up

MEMORY_BYTES = 2 << 30


def limit_memory() -> None:
    """What the process may take from here on, over what its libraries took."""
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY_BYTES, taken + MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def damaged_copy(seed: Seed, scratch: Path, random: Random) -> tuple[Path, str]:
    """A copy of a seed with one or two files damaged: what to read, and how it was damaged."""
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(seed.folder, scratch)
    files = sorted(path for path in scratch.rglob("*") if path.is_file())
    told = []
    for path in random.sample(files, min(len(files), 1 if random.random() < 0.8 else 2)):
        content, how = damaged(path.read_bytes(), path.name, random)
        path.write_bytes(content)
        told.append(f"{path.relative_to(scratch)}: {how}")
    return scratch / seed.entry, "; ".join(told)


def tried(kind: str, path: Path, scratch: Path) -> dict[str, Any]:
    """What came of reading it."""
    before = _state(scratch)
    started = time.perf_counter()
    result: dict[str, Any] = {}
    try:
        result["outcome"] = TARGETS[kind](path)
    except SarcopeniaError as error:
        result["outcome"] = "refused"
        text = f"{error.problem}; {error.remedy}"
        if str(scratch) in text:
            result |= {"outcome": "path told", "trace": text}
        elif not error.problem.strip() or not error.remedy.strip():
            result |= {"outcome": "says nothing", "trace": repr(text)}
    except MemoryError:
        result |= {"outcome": "memory", "trace": traceback.format_exc()[-1500:]}
    except BaseException as error:
        result |= {"outcome": type(error).__name__, "trace": traceback.format_exc()[-1500:]}
    if kind not in WRITES and _state(scratch) != before:
        result |= {"outcome": "wrote", "trace": "reading changed the folder"}
    if kind in WRITES and any(".part" in name or "-part-" in name for name in _state(scratch)):
        result |= {"outcome": "half written", "trace": str(sorted(_state(scratch)))}
    result["seconds"] = time.perf_counter() - started
    result["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return result


def _state(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.lstat().st_size for path in folder.rglob("*")}


def _plant_faults() -> None:
    """Readers that hang and that take memory, by which the watching itself is tested."""

    def faulty(path: Path) -> str:
        if path.name == "ct.nii":
            time.sleep(3600)
        return str(len(bytearray(MEMORY_BYTES + (1 << 28))))

    TARGETS["ct"] = faulty


def main(root: Path, master: str) -> None:
    """Answer numbers until there are none."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    seeds = [
        Seed(**{**one, "folder": Path(one["folder"])})
        for one in json.loads((root / "seeds.json").read_text())
    ]
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print is no answer
    warm_up()
    limit_memory()
    base_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    scratch = root / f"scratch-{os.getpid()}"
    if "SARCOPENIA_FUZZ_FAULTS" in os.environ:
        _plant_faults()
    for line in sys.stdin:
        number = int(line)
        seed = seeds[number % len(seeds)]
        random = Random(f"{master}:{number}")
        path, how = damaged_copy(seed, scratch, random)
        answers.write(json.dumps({"begin": number}) + "\n")
        result = tried(seed.kind, path, scratch)
        result |= {"number": number, "kind": seed.kind, "seed": seed.name, "how": how, "base_mb": base_mb}
        answers.write(json.dumps(result) + "\n")
    shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
