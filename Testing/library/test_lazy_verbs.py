"""Verbs that are imported when they are called."""

import sys

import click
import pytest
from click.testing import CliRunner

from SarcopeniaAssessLib.lazy_verbs import LazyGroup

MADE = '''
import click

@click.command()
@click.option("--loud", is_flag=True, help="Shout.")
def late(loud):
    """The verb's own help."""
    click.echo("LATE" if loud else "late")
'''


@pytest.fixture
def group(tmp_path, monkeypatch):
    (tmp_path / "made_verb.py").write_text(MADE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield LazyGroup(
        name="made", commands=[_early, _secret], lazy={"late": ("made_verb:late", "One line of the list.")}
    )
    sys.modules.pop("made_verb", None)


@click.command(name="early", help="Here already.")
def _early():
    click.echo("early")


@click.command(name="secret", help="For programs.", hidden=True)
def _secret():
    click.echo("secret")


def test_a_hidden_verb_is_called_but_not_listed(group):
    assert "secret" not in CliRunner().invoke(group, ["--help"]).output
    assert CliRunner().invoke(group, ["secret"]).output == "secret\n"


def test_the_list_names_every_verb_and_imports_none(group):
    shown = CliRunner().invoke(group, ["--help"]).output

    assert shown.index("early  Here already.") < shown.index("late   One line of the list.")
    assert "made_verb" not in sys.modules


def test_another_verb_does_not_import_it(group):
    assert CliRunner().invoke(group, ["early"]).output == "early\n"
    assert "made_verb" not in sys.modules


def test_it_is_called_with_its_own_options(group):
    assert CliRunner().invoke(group, ["late", "--loud"]).output == "LATE\n"
    assert "The verb's own help." in CliRunner().invoke(group, ["late", "--help"]).output


def test_no_such_verb(group):
    done = CliRunner().invoke(group, ["later"])

    assert done.exit_code == 2
    assert "No such command 'later'" in done.output
