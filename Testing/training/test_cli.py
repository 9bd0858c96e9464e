"""The `sarcopenia` command: every verb, and a `--help` that imports nothing heavy."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import SarcopeniaAssessLib
from SarcopeniaAssessLib.__main__ import run_group
from SarcopeniaTraining.cli import TRAINING_VERBS, cli

PATHS = [str(Path(SarcopeniaAssessLib.__file__).parents[1]), str(Path(__file__).parents[2])]
HEAVY = {
    "numpy",
    "torch",
    "scipy",
    "nibabel",
    "SimpleITK",
    "pydicom",
    "PIL",
    "reportlab",
    "jsonschema",
    "rich",
    "monai",
}
LIBRARY_VERBS = [
    ["assess"],
    ["measure"],
    ["doctor"],
    ["inbox"],
    ["overview"],
    ["models"],
    ["models", "list"],
    ["models", "import"],
]

HELP = """
import json, sys
sys.path[:0] = json.loads(sys.argv[1])
from SarcopeniaAssessLib.__main__ import run_group
from SarcopeniaTraining.cli import cli
status = run_group(cli, json.loads(sys.argv[2]))
print(json.dumps([status, sorted({name.split(".")[0] for name in sys.modules})]), file=sys.stderr)
"""


def loaded_by_help(words):
    done = subprocess.run(
        [sys.executable, "-c", HELP, json.dumps(PATHS), json.dumps([*words, "--help"])],
        capture_output=True,
        text=True,
        check=True,
    )
    status, modules = json.loads(done.stderr.splitlines()[-1])
    assert status == 0
    assert done.stdout.startswith("Usage: sarcopenia")
    return set(modules)


@pytest.mark.parametrize("words", [[], *LIBRARY_VERBS, *([verb] for verb in TRAINING_VERBS)], ids=" ".join)
def test_help_imports_nothing_heavy(words):
    assert not loaded_by_help(words) & HEAVY


def test_the_list_of_verbs_imports_no_verb():
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            HELP.replace("print(", "print(file=sys.stderr); print("),
            json.dumps(PATHS),
            '["--help"]',
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    for verb, (_, line) in TRAINING_VERBS.items():
        assert f"  {verb}" in done.stdout
        assert line in done.stdout
    assert "assess" in done.stdout


@pytest.mark.parametrize("verb", TRAINING_VERBS)
def test_every_lazy_verb_is_where_it_is_said_to_be(verb):
    import click

    command = cli.get_command(click.Context(cli), verb)
    assert isinstance(command, click.Command)
    assert command.help


def test_an_unknown_verb_is_one_line(capsys):
    assert run_group(cli, ["asess"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
