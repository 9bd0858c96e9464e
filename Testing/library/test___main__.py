"""`python -m SarcopeniaAssessLib`: the command without the training package."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

import SarcopeniaAssessLib
from SarcopeniaAssessLib.__main__ import cli, run_group
from SarcopeniaAssessLib.models_command import models

LIBRARY = Path(SarcopeniaAssessLib.__file__).parents[1]


def test_it_runs_as_a_module_without_the_training_package():
    done = subprocess.run(
        [sys.executable, "-m", "SarcopeniaAssessLib", "--version"],
        cwd=LIBRARY,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"sarcopenia, version {SarcopeniaAssessLib.__version__}\n"


def test_the_promised_options_are_there():
    promised = {
        "assess": "sex age height weight l3 series case model device criterion out resume overwrite json",
        "measure": "label ct l3 sex age height weight",
    }
    for verb, names in promised.items():
        options = {word for each in cli.commands[verb].params for word in each.opts}
        assert {f"--{name}" for name in names.split()} <= options
    assert set(models.commands) == {"list", "info", "verify", "import", "download"}


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (KeyboardInterrupt(), 130, "interrupted; what was finished is whole, go on with --resume"),
        (
            KeyError("Doe^John"),
            2,
            "Something unexpected happened (KeyError); run again with --debug and report it",
        ),
        (click.UsageError("Not so."), 2, "Not so; see `sarcopenia fail --help`"),
    ],
)
def test_whatever_happens_is_one_line(capsys, error, status, line):
    @click.command()
    def fail():
        raise error

    assert run_group(click.Group(commands={"fail": fail}), ["fail"]) == status
    assert capsys.readouterr().err.strip() == f"sarcopenia: {line}"


@pytest.mark.parametrize(("given", "then"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_waiting_threads_sleep_unless_the_user_says_otherwise(monkeypatch, given, then):
    monkeypatch.setenv("OMP_WAIT_POLICY", given or "")
    if given is None:
        monkeypatch.delenv("OMP_WAIT_POLICY")
    seen = []

    @click.command()
    def look():
        seen.append(os.environ["OMP_WAIT_POLICY"])

    run_group(click.Group(commands={"look": look}), ["look"])
    assert seen == [then]


def test_a_listener_that_left_is_no_error_worth_words():
    code = "import sys; from SarcopeniaAssessLib.__main__ import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "doctor"], cwd=LIBRARY, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    err = process.stderr.read()
    process.wait()
    process.stderr.close()
    assert err == b""
