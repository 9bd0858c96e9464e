"""SHA256SUMS: as coreutils read it, and what it tells."""

import hashlib
import shutil
import subprocess

import pytest

from SarcopeniaAssessLib.checksums import CHECKSUMS, check_checksums, write_checksums


@pytest.fixture
def folder(tmp_path):
    for name, text in (("b.json", "two"), ("a ü.txt", "one")):
        (tmp_path / name).write_text(text)
    write_checksums(tmp_path)
    return tmp_path


def codes(folder):
    return [(finding.code, finding.severity.value) for finding in check_checksums(folder)]


def test_a_line_a_file_sorted(folder):
    lines = (folder / CHECKSUMS).read_text(encoding="utf-8").splitlines()
    assert lines == [
        f"{hashlib.sha256(b'one').hexdigest()}  a ü.txt",
        f"{hashlib.sha256(b'two').hexdigest()}  b.json",
    ]
    assert codes(folder) == []
    write_checksums(folder)
    assert (folder / CHECKSUMS).read_text(encoding="utf-8").splitlines() == lines


def test_coreutils_agree(folder):
    if shutil.which("sha256sum") is None:
        pytest.skip("sha256sum is not installed")
    assert subprocess.run(["sha256sum", "--status", "-c", CHECKSUMS], cwd=folder, check=False).returncode == 0
    (folder / "b.json").write_text("tw0")
    assert subprocess.run(["sha256sum", "--status", "-c", CHECKSUMS], cwd=folder, check=False).returncode == 1


def test_a_changed_a_missing_and_an_added_file_are_told_by_name(folder):
    (folder / "b.json").write_text("tw0")
    (folder / "a ü.txt").unlink()
    (folder / "c").write_text("three")
    assert codes(folder) == [("file_missing", "error"), ("file_added", "warning"), ("file_changed", "error")]
    assert [finding.message.split()[0] for finding in check_checksums(folder)] == ["a", "c", "b.json"]


@pytest.mark.parametrize(
    "content", [b"", b"nonsense\n", b"ab  b.json\n", b"\xff\xfe\n", b"%s  ../b.json\n" % (b"a" * 64)]
)
def test_a_list_that_is_none_is_an_error(folder, content):
    (folder / CHECKSUMS).write_bytes(content)
    assert codes(folder) == [("checksums_damaged", "error")]


def test_a_folder_without_is_told_as_a_warning(folder):
    (folder / CHECKSUMS).unlink()
    assert codes(folder) == [("checksums_missing", "warning")]
