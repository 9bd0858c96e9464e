"""The audit log: a chain that any change breaks, and words that say what was changed."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from SarcopeniaAssessLib import audit
from SarcopeniaAssessLib.__main__ import cli, run_group
from SarcopeniaAssessLib.errors import InputError, OutputError, RecordError
from SarcopeniaAssessLib.output_lock import lock_file
from SarcopeniaAssessLib.record import accept
from Testing.library import small_case


def decided(case="one"):
    return accept(small_case.record(case=case), "Dr Müller", comment="fine\nby me")


@pytest.fixture
def log(tmp_path):
    """A log of five lines."""
    path = tmp_path / "audit.jsonl"
    for n in range(1, 6):
        assert audit.append(path, "accepted", decided(f"case-{n}")) == n
    return path


def lines_of(log):
    return log.read_bytes().splitlines(keepends=True)


def codes(log):
    return [finding.code for finding in audit.verify_audit(log)]


def messages(log):
    return " ".join(finding.message for finding in audit.verify_audit(log))


def test_each_line_carries_the_hash_of_the_one_before(log):
    previous = "0" * 64
    for n, line in enumerate(lines_of(log), start=1):
        entry = json.loads(line)
        assert (entry["line"], entry["event"], entry["previous"]) == (n, "accepted", previous)
        assert entry["record"]["case"] == f"case-{n}"
        previous = hashlib.sha256(line.rstrip(b"\n")).hexdigest()
    assert audit.verify_audit(log) == []
    assert [entry["line"] for entry in audit.read_audit(log)] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("n", [1, 3, 5])
def test_a_changed_line_is_found(log, n):
    lines = lines_of(log)
    lines[n - 1] = lines[n - 1].replace("Müller".encode(), "Möller".encode())
    log.write_bytes(b"".join(lines))
    assert "audit_line_changed" in codes(log)
    assert f"line {n}" in messages(log).lower()


def test_a_changed_space_is_found(log):
    lines = lines_of(log)
    lines[1] = lines[1].replace(b": ", b":  ", 1)
    log.write_bytes(b"".join(lines))
    assert messages(log) == "Line 3 carries another hash: line 2 was changed."


@pytest.mark.parametrize(
    ("taken", "told"),
    [
        ({1}, "Missing before line 1: what was written as 1."),
        ({3}, "Missing before line 3: what was written as 3."),
        ({2, 3, 4}, "Missing before line 2: what was written as 2 to 4."),
        ({5}, "Missing at the end: lines 5 to 5."),
        ({4, 5}, "Missing at the end: lines 4 to 5."),
    ],
)
def test_missing_lines_are_found(log, taken, told):
    log.write_bytes(b"".join(line for n, line in enumerate(lines_of(log), start=1) if n not in taken))
    assert codes(log) == ["audit_line_missing"]
    assert messages(log) == told


def test_an_emptied_log_is_found(log):
    log.write_bytes(b"")
    assert messages(log) == "Missing at the end: lines 1 to 5."


def test_reordered_lines_are_found(log):
    one, two, three, four, five = lines_of(log)
    log.write_bytes(one + three + two + four + five)
    assert [finding.message for finding in audit.verify_audit(log)] == [
        "Missing before line 2: what was written as 2.",
        "Line 3 was written as line 2: lines were reordered.",
        "Line 4 carries another hash: line 3 was changed.",
    ]
    log.write_bytes(one + two + two + three + four + five)
    assert "Line 3 was written as line 2" in messages(log)


def test_a_cut_line_is_found(log):
    content = log.read_bytes()
    log.write_bytes(content[:-200])
    assert "Line 5 is cut off." in messages(log)
    log.write_bytes(content[:-1])
    assert messages(log) == "Line 5 has lost its end."


def test_a_line_of_something_else_is_found(log):
    lines = lines_of(log)
    lines.insert(2, b"\n")
    log.write_bytes(b"".join(lines))
    assert "Line 3 is no line of an audit log." in messages(log)


def test_a_record_made_up_is_found_even_in_a_chain_that_fits(tmp_path):
    path = tmp_path / "audit.jsonl"
    record = decided() | {"case": "a/b"}
    entry = {"line": 1, "at": "", "event": "accepted", "record": record, "previous": "0" * 64}
    path.write_text(json.dumps(entry) + "\n")
    assert codes(path) == ["audit_record_invalid", "audit_seal_missing"]
    path.write_text(json.dumps(entry | {"record": []}) + "\n")
    assert codes(path) == ["audit_record_invalid", "audit_seal_missing"]


def test_without_its_seal_the_end_is_not_vouched_for(log):
    log.with_name("audit.jsonl.seal").unlink()
    assert codes(log) == ["audit_seal_missing"]
    audit.append(log, "accepted", decided())
    assert codes(log) == []
    log.with_name("audit.jsonl.seal").write_text("{")
    assert codes(log) == ["audit_seal_damaged"]


def test_a_seal_that_a_crash_left_one_line_behind_is_no_fault(log):
    seal = log.with_name("audit.jsonl.seal")
    earlier = seal.read_bytes()
    audit.append(log, "rejected", decided())
    seal.write_bytes(earlier)
    assert codes(log) == []


def test_nothing_is_added_to_a_damaged_end(log):
    whole = log.read_bytes()
    for damaged in (whole[:-40], whole[:-1], whole + b"{}\n", b"".join(lines_of(log)[:3])):
        log.write_bytes(damaged)
        with pytest.raises(OutputError, match=r"damaged|lost lines"):
            audit.append(log, "accepted", decided())
        assert log.read_bytes() == damaged


def test_no_new_seal_hides_that_the_last_line_was_changed(log):
    seal = log.with_name("audit.jsonl.seal")
    sealed = seal.read_bytes()
    audit.append(log, "rejected", decided())
    *lines, fifth, sixth = lines_of(log)
    other = fifth.replace("Müller".encode(), "Möller".encode())
    for content in (b"".join([*lines, other]), b"".join([*lines, other, sixth])):
        log.write_bytes(content)
        seal.write_bytes(sealed)
        with pytest.raises(OutputError, match="line 5 was changed"):
            audit.append(log, "accepted", decided())
        assert log.read_bytes() == content
        assert seal.read_bytes() == sealed


def test_nothing_is_added_where_a_line_is_missing(log):
    one, _, *others = lines_of(log)
    log.write_bytes(one + b"".join(others))
    log.with_name("audit.jsonl.seal").unlink()
    with pytest.raises(OutputError, match="damaged"):
        audit.append(log, "accepted", decided())


def test_an_invalid_record_is_never_written(log):
    whole = log.read_bytes()
    with pytest.raises(RecordError, match="sma_cm2"):
        audit.append(log, "accepted", decided() | {"muscle": {}})
    assert log.read_bytes() == whole


def test_a_full_disk_leaves_the_log_as_it_was(log, monkeypatch):
    whole = log.read_bytes()

    def refuse(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OutputError, match="No space left"):
        audit.append(log, "accepted", decided())
    assert log.read_bytes() == whole
    monkeypatch.undo()
    assert audit.append(log, "accepted", decided()) == 6
    assert codes(log) == []


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        audit.append(tmp_path / "nowhere" / "audit.jsonl", "accepted", decided())


def test_a_lock_held_elsewhere_is_waited_for_and_told(log, monkeypatch):
    monkeypatch.setattr(audit, "_WAIT_S", 0.05)
    with (
        lock_file(log.with_name(".audit.jsonl.lock"), 0.0),
        pytest.raises(OutputError, match="Another program"),
    ):
        audit.append(log, "accepted", decided())
    assert audit.append(log, "accepted", decided()) == 6


WRITER = """
import sys
sys.path[:0] = sys.argv[2:]
from pathlib import Path
from SarcopeniaAssessLib import audit
from Testing.library import small_case
from SarcopeniaAssessLib.record import accept
for _ in range(8):
    audit.append(Path(sys.argv[1]), "accepted", accept(small_case.record(), "Dr X"))
"""


def test_two_programs_keep_one_chain(log):
    import SarcopeniaAssessLib

    places = [str(Path(SarcopeniaAssessLib.__file__).parents[1]), str(Path(__file__).parents[2])]
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(log), *places], stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    for writer in writers:
        _, told = writer.communicate(timeout=60)
        assert writer.returncode == 0, told.decode()
    assert codes(log) == []
    assert len(audit.read_audit(log)) == 5 + 16


@pytest.mark.parametrize("content", [b"no log", b'{"line": 1}\n', b"[1]\n[2]\n", b"\x00\xff"])
def test_what_is_no_log_is_refused(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(InputError, match="no audit log"):
        audit.verify_audit(tmp_path / "x")


def test_the_command_says_whole_or_broken(log, capsys):
    assert run_group(cli, ["verify", str(log)]) == 0
    assert capsys.readouterr().out == "audit.jsonl  5 lines, the chain is whole\n"
    log.write_bytes(b"".join(lines_of(log)[::2]))
    assert run_group(cli, ["verify", str(log)]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert (
        told.err.splitlines()[0] == "sarcopenia: audit.jsonl: Missing before line 2: what was written as 2."
    )
    assert run_group(cli, ["verify", str(log.with_name("none"))]) == 2
    assert "cannot be read" in capsys.readouterr().err
    assert run_group(cli, ["verify", str(log.parent)]) == 1  # the log in its folder, without any case
    told = capsys.readouterr()
    assert told.out == "audit.jsonl  contradicts itself\n"
    assert "Missing before line 2" in told.err
    log.unlink()
    assert run_group(cli, ["verify", str(log.parent)]) == 2
    assert "give the folder of an assessment.json" in capsys.readouterr().err
