"""An error is one line of two parts, and reaches a parent process whole."""

import pickle

from SarcopeniaAssessLib.errors import MaskError


def test_an_error_says_what_is_wrong_and_what_to_do():
    assert str(MaskError("the mask is empty", "draw it")) == "the mask is empty; draw it"


def test_an_error_passes_between_processes():
    there = pickle.loads(pickle.dumps(MaskError("the mask is empty", "draw it")))
    assert type(there) is MaskError
    assert (there.problem, there.remedy, str(there)) == (
        "the mask is empty",
        "draw it",
        "the mask is empty; draw it",
    )
