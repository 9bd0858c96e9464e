"""Kept results: whole lines survive a kill, those of something else are refused and left as they are."""

import json

import pytest

from SarcopeniaAssessLib.errors import OutputError
from SarcopeniaTraining.journal import Journal, append_lines, sources_sha256

HEAD = {"schema": "x", "model": {"name": "m"}, "family_sha256": "a"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "kept" / "rows.jsonl"


def seeds(path, head=HEAD):
    return Journal(path, head).read(lambda line: line["seed"])


def test_what_is_kept_is_there_again_below_its_head(path):
    journal = Journal(path, HEAD)
    assert journal.read(dict) == []
    journal.add([{"seed": 1}, {"seed": 2}])
    journal.add([{"seed": 3}])
    assert seeds(path) == [1, 2, 3]
    assert json.loads(path.read_text().splitlines()[0]) == HEAD


def test_a_line_cut_short_anywhere_is_dropped_and_the_next_stands_on_its_own(path):
    Journal(path, HEAD).add([{"seed": 1}, {"seed": 22}])
    whole = path.read_bytes()
    second = whole.rindex(b"\n", 0, -1) + 1
    for size in range(second, len(whole)):
        path.write_bytes(whole[:size])
        journal = Journal(path, HEAD)
        assert journal.read(lambda line: line["seed"]) == [1]
        journal.add([{"seed": 3}])
        assert seeds(path) == [1, 3]


def test_a_head_cut_short_is_written_anew(path):
    Journal(path, HEAD).add([])
    path.write_bytes(path.read_bytes()[:7])
    Journal(path, HEAD).add([{"seed": 1}])
    assert seeds(path) == [1]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"model": {"name": "n"}}, "belongs to another model"),
        ({"family_sha256": "b"}, "belongs to another family's code"),
        ({"more": 1}, "belongs to another more"),
        ({"schema": "y", "model": None}, "belongs to another model, schema"),
    ],
)
def test_lines_of_something_else_are_refused_and_stay(path, changed, words):
    Journal(path, HEAD).add([{"seed": 1}])
    before = path.read_bytes()
    with pytest.raises(OutputError) as refused:
        Journal(path, HEAD | changed)
    assert refused.value.problem == f"rows.jsonl {words}"
    assert path.read_bytes() == before


@pytest.mark.parametrize("damage", ["no json\n", "\udcff\n", "[1]\n", "3\n", '{"seed": 1}\n'])
def test_a_damaged_head_is_refused(path, damage):
    path.parent.mkdir()
    path.write_bytes(damage.encode("utf-8", "surrogateescape") + b'{"seed": 2}\n')
    with pytest.raises(OutputError, match=r"damaged|belongs to another"):
        Journal(path, HEAD)


@pytest.mark.parametrize("damage", ["no json", "{}", "[1]", "null", ""])
def test_a_damaged_line_is_refused(path, damage):
    Journal(path, HEAD).add([{"seed": 1}])
    with path.open("a") as stream:
        stream.write(f"{damage}\n")
    with pytest.raises(OutputError, match="damaged"):
        seeds(path)


def test_a_folder_that_cannot_be_written_is_one_error(path):
    with pytest.raises(OutputError, match=r"rows\.jsonl cannot be written"):
        append_lines(path, [{"seed": 1}])  # no such folder
    path.parent.mkdir()
    path.mkdir()
    with pytest.raises(OutputError, match=r"rows\.jsonl cannot be written"):
        append_lines(path, [{"seed": 1}])


def test_another_line_of_code_is_another_code(tmp_path):
    (tmp_path / "a.py").write_text("x = 1\n")
    before = sources_sha256(tmp_path)
    assert sources_sha256(tmp_path) == before
    (tmp_path / "a.py").write_text("x = 2\n")
    assert sources_sha256(tmp_path) != before
    before = sources_sha256(tmp_path)
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    assert sources_sha256(tmp_path) != before
