"""The verb on folders: what it writes, what it leaves alone, what it says."""

import hashlib
import json

import pytest

from SarcopeniaAssessLib import audit
from SarcopeniaAssessLib.__main__ import cli, run_group
from SarcopeniaAssessLib.overview.decisions import Decisions
from SarcopeniaAssessLib.verification import verify_path
from Testing.library.overview.made_cohort import write_cohort
from Testing.library.overview.made_decisions import automatic, decided, write


@pytest.fixture
def out(tmp_path):
    """Three cases: `one` is the CT that decisions are about."""
    folder = tmp_path / "out"
    write(folder / "one" / "assessment.json", automatic())
    for number, name in enumerate(("three", "two")):
        id_ = f"5b1f0c1e-7c0e-4f0e-9a53-1f6b2c3d4e0{number}"
        write(folder / name / "assessment.json", automatic(name, id=id_, input={"sha256": f"{number:064x}"}))
    return folder


def run(*arguments):
    return run_group(cli, ["overview", *map(str, arguments)])


def shown(folder, name="overview.html"):
    text = (folder / name).read_text(encoding="utf-8")
    data = json.loads(text.split('id="data">')[1].split("</script>")[0])
    return [dict(zip(data["fields"], case, strict=True)) for case in data["cases"]], data


def hashes(folder):
    return {path.name + path.parent.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.rglob("assessment.json")}  # fmt: skip


def test_a_folder_becomes_a_page(out, capsys):
    assert run(out, "--no-pictures") == 0
    cases, data = shown(out)
    assert [case["name"] for case in cases] == ["one", "three", "two"]
    assert data["folder"] == ""
    assert capsys.readouterr().out == "overview.html  3 cases, 3 borderline, 0 accepted, 0 rejected\n"
    assert sorted(path.name for path in out.iterdir()) == ["one", "overview.html", "three", "two"]


def test_decisions_come_back_and_no_record_changes(out, tmp_path, capsys):
    before = hashes(out)
    write(tmp_path / "exported" / "q" / "assessment.json", decided())
    assert run(out, "--no-pictures", "--reviews", tmp_path / "exported") == 0
    assert hashes(out) == before
    cases, _ = shown(out)
    assert [(case["name"], case["review"], case["smaText"]) for case in cases][-1] == ("one", 2, "136.0 cm²")
    assert "before the decision: SMA 143.96 cm²" in cases[-1]["before"]
    assert (out / "reviews.csv").read_text().splitlines()[1].startswith("one,143.96,sarcopenic,accepted,")
    assert audit.verify_audit(out / "audit.jsonl") == []
    assert "1 brought back, 0 there already" in capsys.readouterr().err
    assert run(out, "--no-pictures") == 0
    assert shown(out)[0][-1]["review"] == 2


def test_the_chain_in_the_folder_is_verified_with_it(out, tmp_path):
    write(tmp_path / "q.json", decided())
    run(out, "--no-pictures", "--reviews", tmp_path / "q.json")
    said = {each.name: each.said for each in verify_path(out)}
    assert said["audit.jsonl"] == "audit.jsonl  1 line, the chain is whole"


def test_a_decision_that_is_not_taken_is_told(out, tmp_path, capsys):
    write(tmp_path / "other.json", decided(input={"sha256": "ee" * 32}))
    assert run(out, "--no-pictures", "--reviews", tmp_path / "other.json") == 1
    told = capsys.readouterr().err
    assert (
        "sarcopenia: other: its decision is not taken: no case of the folder was made of the same CT" in told
    )
    assert not (out / "audit.jsonl").exists()


def test_a_withdrawn_decision_of_the_cases_own_record_is_none(out):
    own = decided(id_=automatic()["id"], case="one")
    write(out / "one" / "assessment.json", own)
    audit.append(out / "audit.jsonl", "accepted", own)
    assert run(out, "--no-pictures") == 0
    assert shown(out)[0][-1]["review"] == 2
    audit.append(out / "audit.jsonl", "withdrawn", own)
    assert run(out, "--no-pictures") == 0
    assert {case["review"] for case in shown(out)[0]} == {0}


def test_a_log_that_is_not_whole_is_told_on_the_page_and_beside_it(out, tmp_path, capsys):
    write(tmp_path / "q.json", decided("rejected"))
    run(out, "--no-pictures", "--reviews", tmp_path / "q.json")
    log = out / "audit.jsonl"
    log.write_bytes(log.read_bytes().replace(b"rejected", b"accepted"))
    assert run(out, "--no-pictures") == 1
    assert "The folder's audit log is not whole; verify it" in capsys.readouterr().err
    assert "audit log is not whole: no decision of it is shown." in (out / "overview.html").read_text()
    assert {case["review"] for case in shown(out)[0]} == {0}
    assert run(out, "--no-pictures", "--reviews", tmp_path / "q.json") == 1
    assert "q: its decision is not taken: The folder's audit log is not whole" in capsys.readouterr().err


def test_reviews_without_a_decision_are_told(out, tmp_path, capsys):
    (tmp_path / "exported").mkdir()
    assert run(out, "--no-pictures", "--reviews", tmp_path / "exported") == 0
    assert "decisions: 0 brought back, 0 there already" in capsys.readouterr().err


def test_a_record_that_changes_while_it_is_read_is_told(out, tmp_path, monkeypatch, capsys):
    write(tmp_path / "q.json", decided())
    bring = Decisions.bring

    def and_gone(self, found):
        (out / "one" / "assessment.json").unlink()
        return bring(self, found)

    monkeypatch.setattr(Decisions, "bring", and_gone)
    assert run(out, "--no-pictures", "--reviews", tmp_path / "q.json") == 1
    assert "sarcopenia: one: The record cannot be read" in capsys.readouterr().err
    assert [case["name"] for case in shown(out)[0]] == ["three", "two"]


def test_damaged_records_and_failed_studies_are_told(out, capsys):
    (out / "two" / "assessment.json").write_text('{"case": "two"}')
    (out / "three" / "assessment.json").write_text("{")
    (out / "failures.csv").write_text("case,problem\na,x\nb,y\n")
    assert run(out, "--no-pictures") == 1
    told = capsys.readouterr().err
    assert "sarcopenia: two: The record cannot be read" in told
    assert "sarcopenia: three: The record cannot be read" in told
    page = (out / "overview.html").read_text()
    assert "2 folders hold records that cannot be read." in page
    assert "2 studies have no record: failures.csv says why." in page


def test_a_page_above_the_folder_links_into_it_and_one_elsewhere_not(out, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    assert run(out, "--no-pictures", "--out", tmp_path / "page.html") == 0
    assert shown(tmp_path, "page.html")[1]["folder"] == "out/"
    assert run(out, "--no-pictures", "--out", tmp_path / "elsewhere" / "page.html") == 0
    assert shown(tmp_path / "elsewhere", "page.html")[1]["folder"] is None
    assert str(tmp_path) not in (tmp_path / "elsewhere" / "page.html").read_text()


def test_parquet_is_written_beside_the_table(out):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    assert run(out, "--no-pictures", "--parquet") == 0
    assert parquet.read_table(out / "assessments.parquet").column("case").to_pylist() == [
        "one",
        "three",
        "two",
    ]


@pytest.mark.parametrize(
    "make", [lambda path: None, lambda path: path.mkdir(), lambda path: path.write_text("x")]
)
def test_a_folder_without_a_case_is_one_line(tmp_path, make, capsys):
    make(tmp_path / "nothing")
    assert run(tmp_path / "nothing") == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert str(tmp_path) not in told


def test_a_page_that_cannot_be_written_leaves_the_old_one(out, capsys):
    assert run(out, "--no-pictures") == 0
    (out / "page").mkdir()
    assert run(out, "--no-pictures", "--out", out / "page") == 2
    assert "cannot be written" in capsys.readouterr().err
    assert [path.name for path in out.iterdir() if path.name.startswith(".")] == []


def test_equal_folders_give_equal_pages(tmp_path):
    for name in ("a", "b"):
        write_cohort(tmp_path / name, 30)
        assert run(tmp_path / name, "--no-pictures") == 0
    assert (tmp_path / "a" / "overview.html").read_bytes() == (tmp_path / "b" / "overview.html").read_bytes()


def test_of_many_damaged_records_twenty_are_named_and_the_others_counted(out, capsys):
    for number in range(23):
        (out / f"bad{number:02}").mkdir()
        (out / f"bad{number:02}" / "assessment.json").write_text("{")
    assert run(out, "--no-pictures") == 1
    told = capsys.readouterr().err
    assert told.count("The record cannot be read") == 20
    assert "sarcopenia: and so 3 more" in told
