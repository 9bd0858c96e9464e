"""`sarcopenia inbox` on the small CT, whose spine nobody could count: L3 is said to be on its slice.

The processes that assess are given `--l3 slice:K`, which settings refuse as one study's own; all else is the
command as it is.
"""

import sys

from SarcopeniaAssessLib.archive import inbox
from SarcopeniaAssessLib.archive.inbox_command import inbox as verb


def main() -> int:
    from dataclasses import replace

    real = inbox.request_of
    if sys.argv[2] != "None":
        inbox.request_of = lambda settings: replace(real(settings), l3=f"slice:{sys.argv[2]}")
    import click

    from SarcopeniaAssessLib.__main__ import run_group

    group = click.Group(commands={"inbox": verb})
    return run_group(group, ["inbox", sys.argv[1], "--debug"])


if __name__ == "__main__":
    sys.exit(main())
