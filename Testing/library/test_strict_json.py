"""JSON from elsewhere: what the standard has is read, whatever would mislead or exhaust is refused."""

import os

import pytest

from SarcopeniaAssessLib import strict_json


def test_what_json_has_is_read():
    text = '{"a": [1, -2.5e3, true, null, "cm² \\u2212 \\ud83d\\ude00"], "": {}, "big": 9007199254740993}'
    assert strict_json.parse(text) == {
        "a": [1, -2500.0, True, None, "cm² − 😀"], "": {}, "big": 9007199254740993,
    }  # fmt: skip
    assert strict_json.parse(b"3") == 3


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("NaN", "NaN"),
        ('{"a": -Infinity}', "Infinity"),
        ("1e999", "too large"),
        ("[-1e400]", "too large"),
        ("9" * 400, "too long"),
        (str(2**63 + 1), "too long"),
        ('{"sma": 150, "sma": 80}', "twice"),
        ('{"a": {"b": 1, "b": 1}}', "twice"),
        ('"\\ud800"', "surrogates"),
        ('{"\\udfff": 1}', "surrogates"),
        ("[" * 65 + "]" * 65, "deep"),
        ('{"a":' * 65 + "1" + "}" * 65, "deep"),
        ("[" * 200_000, "deep"),
        ("[" * 200_000 + "]" * 200_000, "deep"),
        ("{'a': 1}", "quotes"),
        ("", "Expecting"),
        ("1 2", "Extra"),
    ],
)
def test_what_would_mislead_or_exhaust_is_refused(text, why):
    with pytest.raises(ValueError, match=why):
        strict_json.parse(text)


def test_sixty_four_deep_is_still_read():
    # The outermost list is the first, so 63 lists hold a number 64 deep.
    assert strict_json.parse("[" * 63 + "1" + "]" * 63)


def test_whole_numbers_end_where_64_bits_do():
    assert strict_json.parse(str(2**63)) == 9223372036854775808


def test_a_file_is_read(tmp_path):
    file = tmp_path / "a.json"
    file.write_bytes('{"é": 1}'.encode())
    assert strict_json.read(file) == {"é": 1}
    file.write_bytes('{"é": 1}'.encode("latin-1"))
    with pytest.raises(ValueError, match="utf-8"):
        strict_json.read(file)


def test_a_file_that_is_too_large_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(strict_json, "LARGEST_BYTES", 10)
    file = tmp_path / "a.json"
    file.write_text('"12345678"')
    assert strict_json.read(file) == "12345678"
    file.write_text('"123456789"')
    with pytest.raises(OSError, match="too large"):
        strict_json.read(file)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.json")
    with pytest.raises(OSError, match="no file"):
        strict_json.read(tmp_path / "a.json")
    (tmp_path / "link.json").symlink_to("/dev/zero")
    with pytest.raises(OSError, match="no file"):
        strict_json.read(tmp_path / "link.json")
