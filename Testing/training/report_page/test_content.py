"""What is collected from a folder, and what is said to be missing."""

import json

import pytest

from SarcopeniaAssessLib.errors import InputError
from SarcopeniaTraining.report_page.content import collect
from Testing.training.reproduced_folder import draw_reproduction


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return draw_reproduction(tmp_path_factory.mktemp("content") / "whole", pictures=False)


def test_the_papers_tables_come_first(whole):
    content = collect(whole)
    assert list(content.tables)[:4] == ["table1", "table2", "table3", "table4"]
    assert [table.name for table in content.other_tables] == ["agreement", "runs"]


def test_files_with_their_hashes(whole):
    files = collect(whole).files
    assert {"tables/table1.csv", "tables/table4.md"} <= files.keys()
    assert all(len(sha256) == 64 for sha256 in files.values())


def test_a_whole_folder_lacks_only_its_pictures(whole):
    assert collect(whole).missing == ("There are no figures: no step that draws any has been done.",)


def test_what_was_not_asked_for_is_said(tmp_path):
    content = collect(draw_reproduction(tmp_path / "part", only="classify", pictures=False))
    assert set(content.tables) == {"table1", "table2", "runs"}
    assert (
        "Table 3. Dice and area error of each fold is missing: this run was asked for --only classify."
        in content.missing
    )
    assert any(sentence.startswith("Left out as asked (--only classify): ") for sentence in content.missing)


def test_a_step_that_failed_is_said(tmp_path):
    folder = draw_reproduction(tmp_path / "part", only="segment", pictures=False)
    facts = json.loads((folder / "reproduction.json").read_text())
    facts["steps"][1]["state"] = "missing"
    (folder / "reproduction.json").write_text(json.dumps(facts))
    (folder / "tables" / "table4.csv").unlink()
    (folder / "tables" / "table4.md").unlink()
    missing = collect(folder).missing
    assert "Step “Pre-training” is not done: it was not reached, or has failed." in missing
    assert (
        "Table 4. Muscle area of every test patient of the best fold is missing: the steps that lead to it "
        "are not done." in missing
    )


def test_folds_that_are_not_finished_are_said(tmp_path):
    folder = draw_reproduction(tmp_path / "part", only="segment", pictures=False)
    path = folder / "finetune" / "evaluation" / "summary.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "unfinished_folds": [9, 10]}))
    assert "Folds that are not finished: 9, 10." in collect(folder).missing


def test_no_folder_and_an_empty_one(tmp_path):
    with pytest.raises(InputError, match="is not there; give the --out"):
        collect(tmp_path / "none")
    with pytest.raises(InputError, match="holds no tables, no figures and no steps"):
        collect(tmp_path)
