"""`--help` of every verb: within 0.5 s of a bare interpreter."""

from __future__ import annotations

import json

from Testing.benchmarks.children import NotMeasuredError, run_python
from Testing.benchmarks.tables import Row

TITLE = "`--help` beyond a bare interpreter"
AIM_S = 0.5
REPEATS = 5

_VERBS = """
import json, click
from SarcopeniaTraining.cli import cli
def verbs(group, path=()):
    context = click.Context(group)
    yield path
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield from verbs(command, (*path, name)) if isinstance(command, click.Group) else [(*path, name)]
print(json.dumps(list(verbs(cli))))
"""
_COMMAND = ("-c", "from SarcopeniaTraining.cli import main; main()")


def rows() -> list[Row]:
    """The fastest of a few runs each, less the fastest bare interpreter."""
    ran = run_python("-c", _VERBS)
    if ran.status != 0:
        raise NotMeasuredError(f"the command's verbs cannot be listed: {ran.err.strip().splitlines()[-1]}")
    bare = _fastest("-c", "pass")
    return [
        Row("bare interpreter", bare, "s"),
        *(
            Row(
                " ".join(["sarcopenia", *verb, "--help"]),
                _fastest(*_COMMAND, *verb, "--help") - bare,
                "s",
                AIM_S,
            )
            for verb in json.loads(ran.out)
        ),
    ]


def _fastest(*arguments: str) -> float:
    runs = [run_python(*arguments) for _ in range(REPEATS)]
    for ran in runs:
        if ran.status != 0:
            raise NotMeasuredError(ran.err.strip().splitlines()[-1])
    return min(ran.wall_s for ran in runs)
