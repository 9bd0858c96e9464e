"""Time left, reckoned by hand; what a person reads while the steps run."""

import io

import pytest

from SarcopeniaTraining.reproduction_progress import StepsProgress, TimeLeft, clock


def test_before_anything_is_done_the_rest_is_what_is_expected():
    assert TimeLeft({"a": 100, "b": 50}).left_s() == 150
    assert TimeLeft({"a": 100, "b": 50}).left_s("a", 30) == 120


def test_the_pace_of_what_is_done_scales_the_rest():
    """100 s were expected and 200 taken: 50 more become 100, of which 25 have passed."""
    left = TimeLeft({"a": 100, "b": 50, "c": 10})
    left.done("a", 200)
    assert left.left_s() == 120
    assert left.left_s("b", 25) == 95


def test_a_step_that_takes_longer_than_expected_leaves_the_others():
    assert TimeLeft({"a": 100, "b": 50}).left_s("a", 500) == 50


def test_a_few_seconds_and_steps_of_unknown_cost_tell_no_pace():
    left = TimeLeft({"a": 3, "b": 50, "c": 0})
    left.done("a", 60)
    left.done("c", 600)
    assert left.left_s() == 50


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (8.4, "8 s"),
        (89, "89 s"),
        (90, "2 min"),
        (44 * 60, "44 min"),
        (185 * 60, "3 h 05 min"),
        (4.2 * 86400, "4 days"),
    ],
)
def test_durations_as_a_person_says_them(seconds, words):
    assert clock(seconds) == words


def test_plain_lines_name_the_step_its_place_and_the_time_left():
    stream = io.StringIO()
    progress = StepsProgress(3, TimeLeft({"a": 100, "b": 40}), stream)
    progress.kept(1, "drawing")
    progress.begin(2, "a", "the folds")
    progress.line("fold 1: epoch 1")  # too soon after the first line to be told
    progress.end(130)
    assert stream.getvalue().splitlines() == [
        "[1/3] drawing: up to date",
        "[2/3] the folds; 2 min left over all steps",
        "[2/3] the folds: done in 2 min",
    ]


def test_a_line_now_and_then_is_passed_on(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("SarcopeniaTraining.reproduction_progress.time.monotonic", lambda: now[0])
    stream = io.StringIO()
    progress = StepsProgress(3, TimeLeft({"a": 100, "b": 40}), stream)
    progress.begin(2, "a", "the folds")
    for now[0], line in ((5, "early"), (30, "epoch 3"), (31, "too soon")):
        progress.line(line)
    assert stream.getvalue().splitlines()[1:] == ["[2/3] epoch 3; 2 min left over all steps"]


class Terminal(io.StringIO):
    """A terminal of 80 columns."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_bar_that_goes_again_and_signs_in_lines_are_no_commands(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    progress = StepsProgress(3, TimeLeft({"a": 100}), stream)
    progress.begin(2, "a", "the folds")
    progress.line("loss [/bold] 0.3")
    progress.end(20)
    text = stream.getvalue()
    assert "[2/3] the folds; 2 min left over all steps" in text
    assert "loss [/bold] 0.3" in text
    assert text.rstrip().endswith("[2/3] the folds: done in 20 s")
