"""Names of cases: from the input alone, safe everywhere, unlike each other, and never a UID."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from SarcopeniaAssessLib.case_names import case_name, require_short, safe_name, unique_names
from SarcopeniaAssessLib.errors import InputError, OutputError


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("some/where/ct.nii.gz", "ct"),
        ("exports/patient 7.zip", "patient_7"),
        ("discs/disc 3/DICOMDIR", "disc_3"),
        ("discs/disc 3/dicomdir", "disc_3"),
        ("ct.v2.nii", "ct.v2"),
        ("CT.NRRD", "CT"),
        ("scan.mha", "scan"),
        ("image.dcm", "image"),
        ("image_10", "image_10"),
        ("study.2024", "study.2024"),
        ("patient 7 (copy).nii.gz", "patient_7_copy_"),
        ("Müller.nii.gz", "Müller"),
        ("../odd:name*?.nii", "odd_name_"),
        (".hidden.nii.gz", "hidden"),
        (".nii.gz", "nii.gz"),
        ("-rf.nii", "rf"),
        ("=SUM(A1).nii", "_SUM_A1_"),
        ("con.nii", "con_"),
        ("NUL", "NUL_"),
        ("assessments.csv", "assessments.csv_"),
    ],
)
def test_name_of_a_path(path, name):
    assert case_name(path) == name


def test_a_folder_given_as_a_dot_has_its_own_name(tmp_path, monkeypatch):
    (tmp_path / "series 4").mkdir()
    monkeypatch.chdir(tmp_path / "series 4")
    assert case_name(".") == "series_4"


UID = "1.2.840.113619.2.55.3.4"


@pytest.mark.parametrize("path", [UID, f"{UID}.dcm", f"CT.{UID}.dcm", f"CT_{UID}", f"series {UID} (2)"])
def test_a_uid_never_becomes_a_name(path):
    name = case_name(f"archive/{path}")
    assert "113619" not in name
    assert name == case_name(f"elsewhere/{path}")
    assert name != case_name(f"elsewhere/{path.replace(UID, UID[:-1] + '5')}")
    assert case_name(UID) == case_name(f"{UID}.dcm")
    assert case_name(UID).startswith("case-")


@pytest.mark.parametrize("name", ["study.2024", "v1.2.3", "10.11.2023", "2.5.mm.1.2"])
def test_numbers_with_dots_are_no_uid(name):
    assert case_name(name) == name


@pytest.mark.parametrize("text", ["", "...", "---", "***", "_"])
def test_a_name_without_a_letter_is_refused(text):
    with pytest.raises(InputError, match="--case NAME"):
        safe_name(text)


@given(st.text(min_size=1, max_size=60))
def test_any_text_becomes_one_folder_or_is_refused(text):
    try:
        name = safe_name(text)
    except InputError:
        return
    assert name not in ("", ".", "..")
    assert not set(name) & set('/\\:*?"<>| \t\n\0')
    assert name[0] not in ".-=+@"
    assert safe_name(name) == name


def test_equal_names_are_numbered():
    assert unique_names(["a", "b", "a", "A", "a-2"]) == ["a", "b", "a-2", "A-3", "a-2-2"]
    assert unique_names(["a"], taken=["a"]) == ["a-2"]


def test_too_long_is_told_before_anything_is_written():
    require_short("x" * 200)
    with pytest.raises(OutputError, match="202 bytes long"):
        require_short("ü" * 101)


def test_a_name_is_the_same_in_every_locale():
    """Under LC_ALL=C Python hands out each byte of a name that is no ASCII as half a sign (PEP 383)."""
    as_ascii = "İstanbul-ß".encode().decode("ascii", "surrogateescape")
    assert as_ascii != "İstanbul-ß"
    assert safe_name(as_ascii) == "İstanbul-ß"
    assert safe_name("a\udcffb") == "a_b"  # a byte that is no UTF-8
    assert safe_name("a\ud800b\udfffc") == "a_b_c"  # no file system's
