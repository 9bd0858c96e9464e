"""`assessments.csv` grows by a line a case, and is right again after whatever ended a run."""

import csv
import json

import pytest

from SarcopeniaAssessLib import case_table
from SarcopeniaAssessLib.case_table import RECORD, TABLE, CaseTable
from Testing.library.small_case import record


@pytest.fixture
def table(tmp_path):
    return CaseTable(tmp_path, lambda name: tmp_path / f".{name}.part")


def add(folder, table, case, **changes):
    made = record(case=case, **changes)
    with table.adding(made):
        (folder / case).mkdir(exist_ok=True)
        (folder / case / RECORD).write_text(json.dumps(made))


def cases(folder):
    with (folder / TABLE).open(encoding="utf-8", newline="") as file:
        return [row["case"] for row in csv.DictReader(file)]


def test_a_new_case_is_one_line_more(tmp_path, table, monkeypatch):
    add(tmp_path, table, "m")
    written = []
    real = case_table.write_synced
    monkeypatch.setattr(
        case_table, "write_synced", lambda path, text, *mode: written.append(text) or real(path, text, *mode)
    )
    add(tmp_path, table, "a")
    assert [text.count(b"\n") for text in written] == [1]
    assert cases(tmp_path) == ["m", "a"]
    table.renew()
    assert cases(tmp_path) == ["a", "m"]


def test_a_case_replaced_has_one_row(tmp_path, table):
    for name in ("a", "b"):
        add(tmp_path, table, name)
    add(tmp_path, table, "a", muscle={"sma_cm2": 99.5})
    assert cases(tmp_path) == ["a", "b"]
    assert "99.5" in (tmp_path / TABLE).read_text().splitlines()[1]


@pytest.mark.parametrize("there", ["a", "b"])
def test_where_the_case_cannot_appear_the_table_is_as_it_was(tmp_path, table, there):
    add(tmp_path, table, "a")
    before = (tmp_path / TABLE).read_bytes()
    with pytest.raises(OSError, match="no room"), table.adding(record(case=there)):
        raise OSError("no room")
    assert (tmp_path / TABLE).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    add(tmp_path, table, "c")
    assert cases(tmp_path) == ["a", "c"]


def test_a_row_cut_short_by_a_full_disk_is_taken_back(tmp_path, table, monkeypatch):
    add(tmp_path, table, "a")
    before = (tmp_path / TABLE).read_bytes()

    def full(path, text, mode="wb"):
        with path.open(mode) as file:
            file.write(text[:7])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(case_table, "write_synced", full)
    with pytest.raises(OSError, match="No space"), table.adding(record(case="b")):
        pytest.fail("appeared")
    assert (tmp_path / TABLE).read_bytes() == before


def test_a_row_without_a_case_is_gone_with_the_next_run(tmp_path, table):
    add(tmp_path, table, "a")
    with table.adding(record(case="b")):
        pass  # as if the process had been killed before the case appeared
    assert cases(tmp_path) == ["a", "b"]
    assert CaseTable(tmp_path, lambda name: tmp_path / name).cases == ("a",)
    assert cases(tmp_path) == ["a"]
