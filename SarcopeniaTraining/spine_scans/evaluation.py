"""`--l3 auto` measured on whole scans of the held-out family of phantoms.

The command is `python -m SarcopeniaTraining.spine_scans.evaluation --scans 200 --out FILE.json`. Nothing of
that family was ever trained, calibrated or chosen on.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from SarcopeniaAssessLib.errors import InputError, SarcopeniaError
from SarcopeniaAssessLib.model_file import write_whole
from SarcopeniaAssessLib.volume import CtVolume
from SarcopeniaTraining.machine import as_done, one_thread
from SarcopeniaTraining.second_family import draw_scan
from SarcopeniaTraining.spine_scans.counted import Counted, counted, summary

FIRST_SEED = 5_200_000
WITHOUT_L3_SEED = 5_250_000
_SACRUM_LABELS = (25, 26)
_T12 = 32
_BEYOND_MM = 45.0
"""A scan that ends so far above or below mid-L3 shows nothing of it but a corner."""


def held_out_scan(seed: int) -> Counted:
    """One scan of the held-out family, as it is drawn."""
    scan = draw_scan(seed)
    present = set(np.unique(scan.vertebrae).tolist())
    partial = not present & {*_SACRUM_LABELS} or _T12 not in present
    volume = CtVolume.from_array(scan.hu, scan.ras_from_ijk)
    facts = scan.facts
    return counted(volume, facts.l3_superior_mm, seed=seed, numbering=facts.numbering, partial=partial)


def scan_without_l3(seed: int) -> Counted:
    """A scan that ends 45 mm or more above or below the middle of L3."""
    rng = np.random.default_rng([seed, 0x13])
    far = float(rng.uniform(80, 160))
    coverage = (_BEYOND_MM, _BEYOND_MM + far) if seed % 2 else (-_BEYOND_MM - far, -_BEYOND_MM)
    scan = draw_scan(seed, coverage_mm=coverage)
    volume = CtVolume.from_array(scan.hu, scan.ras_from_ijk)
    facts = scan.facts
    return counted(volume, facts.l3_superior_mm, seed=seed, numbering=facts.numbering, partial=True)


def groups(scans: Sequence[Counted]) -> dict[str, Any]:
    """Summaries of all scans and of each kind."""
    kinds: dict[str, Callable[[Counted], bool]] = {
        "all": lambda s: True,
        "normal": lambda s: s.numbering == "normal",
        "normal, whole": lambda s: s.numbering == "normal" and not s.partial,
        "normal, partial": lambda s: s.numbering == "normal" and s.partial,
        "variants": lambda s: s.numbering != "normal",
    }
    for numbering in sorted({s.numbering for s in scans} - {"normal"}):
        kinds[f"variant {numbering}"] = lambda s, name=numbering: s.numbering == name  # type: ignore[misc]
    return {name: summary([s for s in scans if chosen(s)]) for name, chosen in kinds.items()}


def evaluate(
    count: int, without_l3: int, out: Path, *, first_seed: int = FIRST_SEED, jobs: int = 1
) -> dict[str, Any]:
    """Measure and write `out`, a JSON file: groups, and an entry per scan.

    Raises
    ------
    InputError
        Fewer than one scan.
    """
    if count < 1:
        raise InputError("there is nothing to measure", "give --scans 1 or more")
    scans = _all(held_out_scan, range(first_seed, first_seed + count), jobs)
    first_without = WITHOUT_L3_SEED + first_seed - FIRST_SEED
    without = _all(scan_without_l3, range(first_without, first_without + without_l3), jobs)
    told = {
        "groups": groups(scans),
        "without_l3": {
            "scans": len(without),
            "refused": sum(s.error_mm is None for s in without),
            "flagged": sum(s.flagged for s in without),
        },
        "scans": [asdict(s) for s in scans],
        "scans_without_l3": [asdict(replace(s, second_is_right=False)) for s in without],
    }
    write_whole(out, json.dumps(told, indent=1, ensure_ascii=False).encode())
    return told


def _all(measure: Callable[[int], Counted], seeds: range, jobs: int) -> list[Counted]:
    """One result a seed, in their order."""
    return sorted(as_done(measure, seeds, jobs, one_thread), key=lambda scan: scan.seed)


def main(arguments: list[str] | None = None) -> int:
    """Measure and print the groups."""
    parser = argparse.ArgumentParser(description="Measure --l3 auto on held-out phantom scans.")
    parser.add_argument("--scans", type=int, default=200)
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED)
    parser.add_argument("--without-l3", type=int, default=40)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args(arguments)
    try:
        told = evaluate(
            given.scans, given.without_l3, given.out, first_seed=given.first_seed, jobs=given.jobs
        )
    except SarcopeniaError as error:
        print(f"sarcopenia: {error}", file=sys.stderr)  # noqa: T201 - a command's own line
        return 2
    for name, group in {**told["groups"], "without L3": told["without_l3"]}.items():
        print(name, json.dumps(group))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
