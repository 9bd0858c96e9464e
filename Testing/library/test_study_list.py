"""A table of studies, as somebody's spreadsheet has it."""

import pytest

from SarcopeniaAssessLib.assessment import GivenFacts
from SarcopeniaAssessLib.errors import InputError
from SarcopeniaAssessLib.patient import Sex
from SarcopeniaAssessLib.study_list import entries_of, is_study_list, read_studies


def written(folder, text, name="studies.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_row_is_a_study(tmp_path):
    path = written(
        tmp_path,
        "case;ct;sex;age_years;height_m;weight_kg;l3_slice_from_feet;series\n"
        "A 1;scans/a;F;71;1,62;58,5;40;1.2.3\n"
        "b;/elsewhere/b.nii.gz;;;;;;\n",
    )
    first, second = read_studies(path)
    assert (first.case, first.ct, first.l3, first.series) == (
        "A_1",
        tmp_path / "scans/a",
        "slice:40",
        "1.2.3",
    )
    assert first.facts == GivenFacts(Sex.FEMALE, 71, 1.62, 58.5)
    assert (str(second.ct), second.facts, second.l3, second.series) == (
        "/elsewhere/b.nii.gz",
        GivenFacts(),
        None,
        None,
    )


@pytest.mark.parametrize(
    ("columns", "level"),
    [
        ({"l3_superior_mm": "-403.5"}, "s:-403.5"),
        ({"l3_slice_from_feet": "7", "l3_superior_mm": "-403.5"}, "slice:7"),
        ({"level": "auto", "l3_slice_from_feet": "7"}, "auto"),
        ({"l3": "labels:/v/v.nii.gz=29"}, "labels:/v/v.nii.gz=29"),
        ({}, None),
    ],
)
def test_where_l3_is(tmp_path, columns, level):
    row = {"case": "a", "ct": "a", **columns}
    path = written(tmp_path, f"{','.join(row)}\n{','.join(row.values())}\n")
    assert read_studies(path)[0].l3 == level


def test_files_lie_where_the_list_lies(tmp_path):
    path = written(tmp_path, "case,ct,l3\na,a.nii.gz,labels:b/v.nii.gz=29\n")
    (study,) = read_studies(path)
    assert study.ct == tmp_path / "a.nii.gz"
    assert study.l3 == f"labels:{tmp_path / 'b' / 'v.nii.gz'}=29"


def test_unknown_numbers_and_paths_of_another_system(tmp_path):
    path = written(tmp_path, "case,ct,age_years,height_m\na,scans\\a.nii.gz,unknown,n/a\n")
    (study,) = read_studies(path)
    assert study.facts == GivenFacts()
    assert study.ct == tmp_path / "scans" / "a.nii.gz"


@pytest.mark.parametrize("sex", ["unknown", "?", "dicom", "-"])
def test_a_sex_that_is_not_known_is_left_to_the_ct(tmp_path, sex):
    assert read_studies(written(tmp_path, f"case,ct,sex\na,a,{sex}\n"))[0].facts.sex is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("case,ct,sex\na,a,x\n", "line 2: sex 'x' is unknown"),
        ("case,ct\na,\n", "line 2: no ct is given"),
        ("case,ct\n,a\n", "line 2: no case is given"),
        ("case,ct\na,a\nA,b\n", "line 3: case A is that of line 2 already"),
        ("case,ct,height_m\na,a,162\n", "line 2: "),
        ("case,ct,age_years\na,a,old\n", "line 2: age_years 'old' is none"),
        ("case,ct,l3_slice_from_feet\na,a,1.5\n", "l3_slice_from_feet '1.5' is none"),
        ("case,ct,l3_superior_mm\na,a,nan\n", "l3_superior_mm 'nan' is not finite"),
        ("case,ct\na,~nobody-there/a\n", "line 2: '~nobody-there/a' is no path"),
        ("name,ct\na,a\n", "has no column `case`"),
        ("case,ct\n", "lists no case"),
    ],
)
def test_what_is_wrong_is_told_by_its_row_before_anything_is_assessed(tmp_path, text, words):
    with pytest.raises(InputError) as told:
        read_studies(written(tmp_path, text))
    assert words in str(told.value)
    assert str(tmp_path) not in str(told.value)


def test_a_list_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="no such list"):
        read_studies(tmp_path / "none.csv")


def test_what_is_a_list(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    assert is_study_list("a/studies.CSV")
    assert is_study_list("studies.json")
    assert not is_study_list("ct.nii.gz")
    assert not is_study_list(tmp_path / "folder.csv")


def test_entries_of_a_folder(tmp_path):
    for name in ("b", "a", ".hidden"):
        (tmp_path / name).mkdir()
    (tmp_path / "c.nii.gz").write_bytes(b"")
    assert entries_of(tmp_path) == [str(tmp_path / name) for name in ("a", "b", "c.nii.gz")]


def test_no_folder_and_an_empty_one(tmp_path):
    (tmp_path / "empty").mkdir()
    for name, words in (("none", "no folder"), ("empty", "is empty")):
        with pytest.raises(InputError, match=words):
            entries_of(tmp_path / name)
