"""`sarcopenia inbox` on the small CT, whose spine nobody could count: a label map tells L3.

Settings take `auto` alone, for a label map is one study's own; all else is the command as it is.
"""

import sys
from dataclasses import replace
from pathlib import Path

import click

from SarcopeniaAssessLib.__main__ import run_group
from SarcopeniaAssessLib.archive import inbox
from SarcopeniaAssessLib.archive.inbox_command import inbox as verb
from Testing.library.archive.archive_kit import LABELS


def main() -> int:
    real, labels = inbox.request_of, Path(sys.argv[1]).with_name(LABELS)
    inbox.request_of = lambda settings: replace(real(settings), l3=f"labels:{labels}")
    return run_group(click.Group(commands={"inbox": verb}), ["inbox", sys.argv[1], "--debug"])


if __name__ == "__main__":
    sys.exit(main())
