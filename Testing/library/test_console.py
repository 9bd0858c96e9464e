"""What the command says, where, and with which exit status."""

import io
import json
import sys

import pytest

from SarcopeniaAssessLib.batch import Outcome
from SarcopeniaAssessLib.console import Console, Progress, complain, use_utf8
from Testing.library.small_case import record

GOOD = Outcome("one", record(status={"borderline": False}), warnings=("Slices are 6 mm apart.",))
BAD = Outcome("two", problem="The file is empty; copy it again", trace="Traceback (most recent call last): …")


def test_results_and_everything_else_go_separate_ways(capsys):
    with Console(1) as console:
        console.show(GOOD)
        console.show(BAD)
    said = capsys.readouterr()
    assert said.out == "one  SMA 143.96 cm²  mean 41 HU  sarcopenic (cut-off 144)\n"
    assert said.err.splitlines() == [
        "sarcopenia: one: warning: Slices are 6 mm apart.",
        "sarcopenia: two: The file is empty; copy it again",
    ]


def test_records_are_json_lines(capsys):
    with Console(1, as_json=True) as console:
        console.show(GOOD)
        console.show(BAD)
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line) for line in lines] == [GOOD.record]


def test_no_record_steers_a_terminal(capsys):
    """A line of JSON says the same with its signs written out."""
    hostile = Outcome("one", {**GOOD.record, "case": "a\x9b31m\u202eb"})
    with Console(1, as_json=True) as console:
        console.show(hostile)
    said = capsys.readouterr().out
    assert "\x9b" not in said
    assert "\u202e" not in said
    assert json.loads(said)["case"] == "a\x9b31m\u202eb"


def test_tracebacks_are_shown_on_demand(capsys):
    for debug in (False, True):
        with Console(1, debug=debug) as console:
            console.show(BAD)
        assert ("Traceback" in capsys.readouterr().err) is debug


@pytest.mark.parametrize(
    ("shown", "status"), [([GOOD], 0), ([GOOD, BAD], 1), ([BAD, GOOD], 1), ([BAD], 2), ([], 2)]
)
def test_exit_status(shown, status, capsys):
    with Console(1) as console:
        for outcome in shown:
            console.show(outcome)
    assert console.exit_status == status


def test_a_complaint_is_one_line_whatever_it_holds(capsys):
    complain("first\nsecond\r\n\tthird")
    assert capsys.readouterr().err == "sarcopenia: first second third\n"


def test_one_input_has_no_progress_and_several_have(capsys):
    with Console(1) as console:
        console.advance()
    assert capsys.readouterr().err == ""
    with Console(2) as console:
        console.advance()
        console.advance()
    assert capsys.readouterr().err.splitlines()[-1] == "2 of 2 done"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_gets_a_bar_that_vanishes():
    stream = Terminal()
    progress = Progress(3, stream)
    progress.start()
    progress.advance()
    progress.stop()
    assert "1/3" in stream.getvalue()
    progress.stop()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_utf8_whatever_the_locale(monkeypatch, encoding):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    use_utf8()
    sys.stdout.write("cm² − \udcff")
    sys.stdout.flush()
    assert raw.getvalue().decode("utf-8") == "cm² − \\udcff"
