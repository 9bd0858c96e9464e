"""Progress: plain lines where there is no terminal, a bar where there is one, silence where asked."""

import io

from SarcopeniaTraining import progress
from SarcopeniaTraining.progress import TrainingProgress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_plain_lines_name_the_fold_and_come_now_and_then(monkeypatch):
    monkeypatch.setattr(progress, "_PLAIN_EVERY_S", 0.0)
    stream = io.StringIO()
    with TrainingProgress("fold 3", 100, stream=stream) as shown:
        shown.advance(40)
        shown.tell("epoch 1 of 9")
    assert stream.getvalue().splitlines()[0].startswith("fold 3: step 40 of 100, about ")
    assert stream.getvalue().splitlines()[-1] == "fold 3: epoch 1 of 9"


def test_between_them_it_says_nothing():
    stream = io.StringIO()
    with TrainingProgress("fold 3", 100, stream=stream) as shown:
        for step in range(100):
            shown.advance(step + 1)
    assert stream.getvalue() == ""


def test_a_terminal_gets_a_bar_and_the_lines_too():
    stream = Terminal()
    with TrainingProgress("fold 3", 100, stream=stream) as shown:
        shown.advance(50)
        shown.tell("epoch 1 of 9")
    assert "50/100" in stream.getvalue()
    assert "fold 3: epoch 1 of 9" in stream.getvalue()


def test_all_but_one_process_of_a_team_are_silent():
    stream = Terminal()
    with TrainingProgress("fold 3", 100, speaks=False, stream=stream) as shown:
        shown.advance(50)
        shown.tell("epoch 1 of 9")
    assert stream.getvalue() == ""
