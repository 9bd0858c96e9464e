"""The terms of DICOM results: private ones in one private scheme, each documented."""

from pathlib import Path

import pytest

from SarcopeniaAssessLib import dicom_codes as codes

PAGE = Path(__file__).parents[2] / "docs" / "dicom.md"


def terms():
    found = []
    for value in vars(codes).values():
        if isinstance(value, codes.Term):
            found.append(value)
        elif isinstance(value, dict):
            found += [each for each in value.values() if isinstance(each, codes.Term)]
    return found


def private():
    return [term for term in terms() if term.scheme == codes.SCHEME]


@pytest.mark.parametrize("term", terms(), ids=lambda term: term.value)
def test_a_term_fits_its_attributes(term):
    assert 0 < len(term.value) <= 16  # SH
    assert 0 < len(term.meaning) <= 64  # LO
    assert 0 < len(term.scheme) <= 16


def test_the_private_scheme_is_marked_as_private_and_has_no_code_twice():
    assert codes.SCHEME.startswith("99")  # PS3.16 8.2
    values = [term.value for term in private()]
    assert len(values) == len(set(values)) > 20


@pytest.mark.parametrize("term", private(), ids=lambda term: term.value)
def test_a_private_code_is_documented_with_its_meaning(term):
    assert f"| `{term.value}` | {term.meaning} |" in PAGE.read_text(encoding="utf-8")


def test_standard_codes_are_those_of_the_criteria_page():
    told = {term.value: term.scheme for term in terms()}
    assert {code: told[code] for code in ("85756007", "127954009", "36470004", "42798000", "373098007")} == (
        dict.fromkeys(("85756007", "127954009", "36470004", "42798000", "373098007"), "SCT")
    )
    assert told["112031"] == "DCM"
    assert told["cm2"] == told["[hnsf'U]"] == "UCUM"
