"""`python -m Testing.fuzz --files 10000`: damaged files through every reader, and what came of them."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import warnings
from pathlib import Path

from Testing.fuzz import campaign, whole_commands


def main() -> int:
    """0 if every file was read or refused in a line, in time and within its memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first file")
    parser.add_argument("--seed", default="1", help="another seed, other files")
    parser.add_argument("--kind", action="append", default=[], help="only these kinds of files")
    parser.add_argument("--commands", type=int, default=200, help="files that go through the command as well")
    parser.add_argument("--keep", type=Path, help="folder for the files of findings")
    given = parser.parse_args()
    warnings.simplefilter("ignore")  # pydicom speaks of what is damaged here on purpose
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sarcopenia-fuzz-") as folder:
        root = Path(folder)
        seeds = campaign.prepare(root, given.kind)
        report = campaign.run(root, range(given.first, given.first + given.files), given.seed)
        told = []
        for finding in report.findings:
            head = f"{finding['kind']} {finding['seed']} number {finding['number']}: {finding['outcome']}"
            told.append(f"{head} ({finding['how']})\n{finding.get('trace', '')}")
            if given.keep is not None:
                campaign.keep(root, finding, seeds, given.seed, given.keep)
        if given.commands:
            told += whole_commands.findings(root, seeds, given.commands, given.seed)
    for text in told:
        print(text, flush=True)
    for line in report.lines():
        print(line)
    spent = f"{time.monotonic() - started:.0f} s"
    print(f"{given.commands} of such files through the command; {spent}; {len(told)} findings")
    return int(bool(told))


if __name__ == "__main__":
    sys.exit(main())
