"""The verb `inbox`: an archive's studies come in, segmentation and report go back."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

import click

from SarcopeniaAssessLib.console import complain

if TYPE_CHECKING:
    from SarcopeniaAssessLib.archive.settings import Settings


@click.command()
@click.argument("settings", metavar="SETTINGS", type=click.Path())
@click.option("--check", is_flag=True, help="Try folders, model, certificates and the archive, and end.")
@click.option("--status", is_flag=True, help="Say what was assessed and sent and what is not, and end.")
@click.option(
    "--again", is_flag=True, help="Let studies that failed be assessed again, and what was given up be sent."
)
@click.option("--debug", is_flag=True, help="Show tracebacks of failures.")
def inbox(settings: str, *, check: bool, status: bool, again: bool, debug: bool) -> int:
    """Listen for CT studies (C-STORE), assess them, send segmentation and report back.

    SETTINGS is a TOML file that names address, callers and archive (docs/inbox.md); SIGTERM ends it.
    """
    from SarcopeniaAssessLib.archive.settings import read_settings

    del debug  # `run_group` looks for it
    if check + status + again > 1:
        raise click.UsageError("--check, --status and --again are asked for one at a time")
    given = read_settings(settings)
    # Whatever is written from here on shows patients, and is nobody's but this user's.
    os.umask(0o077)
    if check:
        return _check(given)
    if status:
        return _status(given)
    if again:
        return _again(given)
    return _serve(given)


def _serve(settings: Settings) -> int:
    from SarcopeniaAssessLib.archive.inbox import Inbox
    from SarcopeniaAssessLib.wording import RESEARCH_SENTENCE

    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    listen = settings.listen
    with Inbox(settings, complain) as opened:
        encrypted = "with TLS" if listen.tls is not None else "without encryption"
        complain(f"listening as {listen.ae_title} on port {opened.port}, {encrypted}; {RESEARCH_SENTENCE}")
        opened.run(stopped)
    complain("the inbox has ended; what is not finished goes on when it is started again")
    return 0


def _check(settings: Settings) -> int:
    from SarcopeniaAssessLib.archive.inbox import check
    from SarcopeniaAssessLib.batch import quiet_libraries

    with quiet_libraries():
        for sentence in check(settings):
            click.echo(sentence)
    return 0


def _again(settings: Settings) -> int:
    from SarcopeniaAssessLib.archive.inbox import again

    studies, objects = again(settings)
    click.echo(f"{studies} studies are assessed again, {objects} objects are sent again")
    return 0


def _status(settings: Settings) -> int:
    from SarcopeniaAssessLib.archive.inbox import standing

    found = standing(settings)
    for line in found.lines():
        click.echo(line)
    return int(bool(found.problems))
