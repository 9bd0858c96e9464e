"""Run the benchmarks named (all by default) and print a table for each."""

from __future__ import annotations

import sys
from importlib import import_module

from Testing.benchmarks.children import NotMeasuredError
from Testing.benchmarks.tables import machine, show

ALL = (
    "help_speed",
    "mask_speed",
    "whole_command",
    "peak_memory",
    "smit_speed",
    "l3_speed",
    "worker_speed",
    "panel_speed",
)
LONG = ("classify_speed", "dicom_speed", "overview_speed", "paper_steps", "many_studies")
"""Minutes each: run only if named."""


def main(names: list[str]) -> int:
    """0 if every figure could be taken, whatever it was."""
    if unknown := set(names) - {*ALL, *LONG}:
        known = ", ".join((*ALL, *LONG))
        print(f"no benchmark {', '.join(sorted(unknown))}; there are {known}", file=sys.stderr)
        return 2
    print(machine(), flush=True)
    missing = 0
    for name in names or ALL:
        benchmark = import_module(f"Testing.benchmarks.{name}")
        try:
            show(benchmark.TITLE, benchmark.rows())
        except NotMeasuredError as reason:
            missing = 1
            print(f"{benchmark.TITLE}: not measured, {reason}", flush=True)
    return missing


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
