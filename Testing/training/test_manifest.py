"""Manifests as different programs write them, and what is wrong with others, told by its row."""

import json

import pytest

from SarcopeniaAssessLib.errors import InputError
from SarcopeniaTraining.manifest import find_manifest, read_rows, refuse

ROWS = "case,ct,height_m,note\nMüller,a.nii.gz,1.77,ä–ö\n\nB,b.nii.gz,,\n"


def rows(tmp_path, content, name="manifest.csv"):
    path = tmp_path / name
    path.write_bytes(content)
    return [(row.place, dict(row.values)) for row in read_rows(path)]


EXPECTED = [
    ("line 2", {"case": "Müller", "ct": "a.nii.gz", "height_m": "1.77", "note": "ä–ö"}),
    ("line 4", {"case": "B", "ct": "b.nii.gz"}),
]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_encodings(tmp_path, encoding):
    assert rows(tmp_path, ROWS.encode(encoding)) == EXPECTED


def test_windows_text_behind_a_utf8_mark(tmp_path):
    assert rows(tmp_path, b"\xef\xbb\xbf" + ROWS.encode("cp1252")) == EXPECTED


def test_a_semicolon_brings_decimal_commas_along(tmp_path):
    text = "case;ct;height_m;note\r\nMüller;a.nii.gz;1,77;ä–ö\r\n\r\nB;b.nii.gz;;\r\n"
    assert rows(tmp_path, text.encode("cp1252")) == EXPECTED


def test_tabs_and_capitals(tmp_path):
    text = ROWS.replace(",", "\t").replace("case\tct", " Case \tCT")
    assert rows(tmp_path, text.encode()) == EXPECTED


def test_a_quoted_field_may_hold_anything(tmp_path):
    found = rows(tmp_path, b'case,ct,note\nA,a,"one, two\nthree"\nB,b,x\n')
    assert found[0][1]["note"] == "one, two\nthree"
    assert found[1][0] == "line 4"  # where a person finds it


@pytest.mark.parametrize("wrap", [lambda cases: cases, lambda cases: {"cases": cases}])
def test_json(tmp_path, wrap):
    cases = [{"case": "Müller", "age_years": 77, "sarcopenic": False, "sex": None}, {"case": "B"}]
    found = rows(tmp_path, json.dumps(wrap(cases)).encode(), "manifest.json")
    expected = {"case": "Müller", "age_years": "77", "sarcopenic": "no"}
    assert found == [("entry 1", expected), ("entry 2", {"case": "B"})]


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (b"", "manifest.csv", "no column `case`"),
        (b"case,ct\n", "manifest.csv", "lists no case"),
        (b"name,ct\nA,a\n", "manifest.csv", "no column `case`, only 'name,ct'"),
        (b"case|ct\nA|a\n", "manifest.csv", r"no column `case`, only 'case\|ct'"),
        (b"case,ct,ct\nA,a,b\n", "manifest.csv", "the column ct twice"),
        (b"case,ct\nA,a,b\n", "manifest.csv", "line 2 has 3 fields, the first line 2"),
        (b'case,ct\nA,"a\n', "manifest.csv", "is no CSV"),
        (b"case,ct\nA,\x81\n", "manifest.csv", "no text in UTF-8 or Windows-1252"),
        (b"{", "manifest.json", "no JSON"),
        (b'{"patients": []}', "manifest.json", "no list of cases"),
        (b"[1]", "manifest.json", "no list of cases"),
        (b"[]", "manifest.json", "lists no case"),
    ],
)
def test_what_is_no_manifest(tmp_path, content, name, words):
    with pytest.raises(InputError, match=words):
        rows(tmp_path, content, name)


def test_a_folder_has_one_manifest(tmp_path):
    with pytest.raises(InputError, match="neither"):
        find_manifest(tmp_path)
    (tmp_path / "manifest.json").write_text("[]")
    assert find_manifest(tmp_path) == tmp_path / "manifest.json"
    (tmp_path / "manifest.csv").write_text("")
    with pytest.raises(InputError, match="both"):
        find_manifest(tmp_path)
    assert find_manifest(tmp_path / "manifest.csv") == tmp_path / "manifest.csv"
    with pytest.raises(InputError, match="no cohort 'other'"):
        find_manifest(tmp_path / "other")


def test_many_complaints_become_one_line():
    refuse([], "manifest.csv")
    with pytest.raises(InputError) as refused:
        refuse([f"line {n}: wrong" for n in range(2, 10)], "manifest.csv")
    shown = "line 2: wrong; line 3: wrong; line 4: wrong; line 5: wrong; line 6: wrong … and 3 more"
    assert refused.value.problem == f"manifest.csv: {shown}"
