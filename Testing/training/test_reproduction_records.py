"""What a reproduction remembers: hashes that follow a file's change, records that survive damage."""

import hashlib
import os

import pytest

from SarcopeniaAssessLib.errors import OutputError
from SarcopeniaTraining.reproduction_records import (
    FileHashes,
    StepRecord,
    digest,
    files_below,
    read_record,
    spent_s,
    write_record,
)


def test_a_hash_is_the_files_and_follows_its_change(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("one")
    hashes = FileHashes(tmp_path)
    assert hashes.of(file) == hashlib.sha256(b"one").hexdigest()
    hashes.save()
    file.write_text("three")
    assert FileHashes(tmp_path).of(file) == hashlib.sha256(b"three").hexdigest()


def test_a_file_that_has_not_changed_is_not_read_again(tmp_path):
    """Told by a change that neither size nor time show: the hash is the old one's."""
    file = tmp_path / "a.csv"
    file.write_text("one")
    hashes = FileHashes(tmp_path)
    old = hashes.of(file)
    hashes.save()
    times = file.stat()
    file.write_text("two")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert FileHashes(tmp_path).of(file) == old


def test_what_is_remembered_names_no_file(tmp_path):
    file = tmp_path / "Jane-Doe.nii"
    file.write_text("x")
    hashes = FileHashes(tmp_path)
    hashes.of(file)
    hashes.save()
    assert "Jane" not in (tmp_path / "steps" / "hashes.json").read_text()


def test_a_damaged_memory_is_taken_for_none(tmp_path):
    (tmp_path / "steps").mkdir()
    (tmp_path / "steps" / "hashes.json").write_text('{"half')
    file = tmp_path / "a"
    file.write_text("one")
    assert FileHashes(tmp_path).of(file) == hashlib.sha256(b"one").hexdigest()


def test_a_file_that_is_gone_is_told(tmp_path):
    with pytest.raises(OutputError, match=r"gone\.csv cannot be read"):
        FileHashes(tmp_path).of(tmp_path / "gone.csv")


def test_files_below_a_folder_by_patterns_without_hidden_ones_and_those_left_out(tmp_path):
    for name in ("run/a.json", "run/fold/b.csv", "run/slabs/c.npy", "run/.writing-1", "other/d"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    found = files_below(tmp_path, ["run/**/*", "run/*.json"], ["run/slabs"])
    assert [path.relative_to(tmp_path).as_posix() for path in found] == ["run/a.json", "run/fold/b.csv"]


def test_a_record_is_read_back_and_a_damaged_one_is_none(tmp_path):
    record = StepRecord({"command": "1"}, "code", {"tables/table1.csv": "2"}, 3.5, True)
    write_record(tmp_path, "gather", record)
    assert read_record(tmp_path, "gather") == record
    assert read_record(tmp_path, "report") is None
    (tmp_path / "steps" / "gather.json").write_text('{"inputs": {}, "later": 1}')
    assert read_record(tmp_path, "gather") is None


def test_what_a_killed_call_took_counts_until_its_last_word(tmp_path):
    """Begun at 1000 with 5 s of an earlier call, last heard at 1030: 35 s."""
    assert spent_s(tmp_path, "finetune") == 0
    write_record(tmp_path, "finetune", StepRecord({}, "code", seconds=5.0))
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "finetune.log").write_text("epoch 3")
    os.utime(tmp_path / "steps" / "finetune.json", (1000, 1000))
    os.utime(tmp_path / "logs" / "finetune.log", (1030, 1030))
    assert spent_s(tmp_path, "finetune") == 35
    os.utime(tmp_path / "logs" / "finetune.log", (900, 900))  # of an earlier training
    assert spent_s(tmp_path, "finetune") == 5
    write_record(tmp_path, "finetune", StepRecord({}, "code", {"a": "b"}, 50.0, finished=True))
    assert spent_s(tmp_path, "finetune") == 0


def test_a_digest_does_not_depend_on_the_order_of_names():
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1}) != digest({"a": 1, "b": 3})
