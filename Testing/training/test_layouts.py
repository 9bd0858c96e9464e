"""Layouts: the template works as printed, patterns find what they should, and wrong ones are told."""

import pytest

from SarcopeniaAssessLib.errors import InputError
from SarcopeniaTraining.layouts import TEMPLATE, Layout, read_layout


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def layout(tmp_path, text):
    (tmp_path / "layout.toml").write_text(text, encoding="utf-8")
    return read_layout(tmp_path / "layout.toml")


def found(cases, root):
    return {
        case.name: {
            role: [p.relative_to(root).as_posix() for p in paths] for role, paths in case.files.items()
        }
        for case in cases
    }


def test_the_template_is_a_layout_that_finds_its_own_example(tmp_path):
    source = tmp_path / "record"
    touch(source, "Sarcopenia/P7/CT/1.dcm", "Sarcopenia/P7/l3.nii.gz", "Non-sarcopenia/P9/CT/1.dcm")
    cases = layout(tmp_path, TEMPLATE).find(source)
    assert found(cases, source) == {
        "P7": {"ct": ["Sarcopenia/P7/CT"], "mask": ["Sarcopenia/P7/l3.nii.gz"]},
        "P9": {"ct": ["Non-sarcopenia/P9/CT"]},
    }
    assert [dict(case.facts) for case in cases] == [{"sarcopenic": "yes"}, {"sarcopenic": "no"}]
    with pytest.raises(InputError, match="no mask is found"):
        cases[1].needed("mask")


def test_regexes_tables_and_words(tmp_path):
    source = tmp_path / "record"
    touch(source, "CT/pat-03_m.nii", "masks/3/a.nii", "CT/pat-04_f.nii", "CT/readme.txt")
    (source / "info.csv").write_text("ID;Diagnosis;L3 slice\n03;SP;17\n99;SP;1\n")
    text = """
    kind = "slice"
    [[files]]
    role = "ct"
    regex = 'CT/pat-(?P<case>\\d+)_(?P<sex>[mf])\\.nii'
    [words]
    SP = "yes"
    [table]
    file = "info.csv"
    case = "ID"
    sarcopenic = "Diagnosis"
    l3_slice_from_feet = "L3 slice"
    """
    first, second = layout(tmp_path, text).find(source)
    assert dict(first.facts) == {"sex": "m", "sarcopenic": "yes", "l3_slice_from_feet": "17"}
    assert dict(second.facts) == {"sex": "f"}


def test_names_tell_roles_without_a_layout(tmp_path):
    touch(tmp_path, "A/scan.nii.gz", "A/L3_mask.nii", "A/view.png", "A/view_annotated.png", "A/notes.txt")
    touch(tmp_path, "B_ct.nii.gz", "B_muscle.nrrd", ".hidden/x.nii", "empty/notes.txt")
    cases = Layout("slice").find(tmp_path)
    assert found(cases, tmp_path) == {
        "A": {
            "mask": ["A/L3_mask.nii"],
            "ct": ["A/scan.nii.gz"],
            "image": ["A/view.png"],
            "annotated": ["A/view_annotated.png"],
        },
        "B": {"ct": ["B_ct.nii.gz"], "mask": ["B_muscle.nrrd"]},
    }


def test_a_link_back_up_is_no_endless_way(tmp_path):
    touch(tmp_path, "A/scan.nii")
    (tmp_path / "A" / "all").symlink_to(tmp_path, target_is_directory=True)
    (case,) = Layout("slice").find(tmp_path)
    assert case.one("ct") == tmp_path / "A" / "scan.nii"


def test_several_candidates_are_refused_when_needed(tmp_path):
    touch(tmp_path, "A/one.nii", "A/two.nii")
    (case,) = Layout("slice").find(tmp_path)
    with pytest.raises(InputError, match=r"2 files could be the ct: one\.nii, two\.nii"):
        case.needed("ct")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kind =", "no TOML"),
        ('kind = "png"', "kind 'png' is unknown"),
        ('kind = "slice"\nfile = 1', "does not know file"),
        ('kind = "slice"\n[[files]]\nrole = "ct"', "lacks a role, a path"),
        ('kind = "slice"\n[[files]]\nrole = "scan"\npath = "{case}"', "role 'scan' is unknown"),
        ('kind = "slice"\n[[files]]\nrole = "ct"\npath = "*/ct"', "has no {case}"),
        ('kind = "slice"\n[[files]]\nrole = "ct"\npath = "{case}/{name}"', "has name"),
        ('kind = "slice"\n[[files]]\nrole = "ct"\nregex = "("', "regex of layout.toml is none"),
        ('kind = "slice"\n[table]\ncase = "ID"', "names no file"),
        ('kind = "slice"\n[table]\nfile = "x.csv"\nweight = "kg"', "does not know weight"),
    ],
)
def test_what_is_no_layout(tmp_path, text, words):
    with pytest.raises(InputError, match=words):
        layout(tmp_path, text)


def test_folders_that_contradict_each_other_or_match_nothing(tmp_path):
    source = tmp_path / "record"
    touch(source, "yes/A/ct.nii", "no/A/mask.nii")
    text = 'kind = "slice"\n[[files]]\nrole = "ct"\npath = "{sarcopenic}/{case}/ct.nii"\n'
    text += '[[files]]\nrole = "mask"\npath = "{sarcopenic}/{case}/mask.nii"\n'
    with pytest.raises(InputError, match="case A contradict each other in sarcopenic"):
        layout(tmp_path, text).find(source)
    with pytest.raises(InputError, match="no path matches"):
        layout(tmp_path, text.replace(".nii", ".mha")).find(source)
    with pytest.raises(InputError, match="no folder"):
        Layout("slice").find(tmp_path / "nowhere")
