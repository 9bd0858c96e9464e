"""`sarcopenia explain` from a run's folder to tables, figures and explanations.json."""

import csv
import json
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from PIL import Image

from SarcopeniaAssessLib.errors import ModelError, OutputError
from SarcopeniaTraining import journal
from SarcopeniaTraining.classification import architectures, explanations
from SarcopeniaTraining.classification.explain_command import explain
from SarcopeniaTraining.classification.explained_readings import ExplainPlan
from SarcopeniaTraining.classification.lime_maps import LimeSettings
from Testing.training.classification.explained_run import ct_run, picture_run  # noqa: F401 - fixtures
from Testing.training.classification.tiny_classifier import LAYER

QUICK = ["--layer", LAYER, "--samples", "20", "--seeds", "2", "--count", "2"]


def told(run, out, *more):
    done = CliRunner().invoke(explain, [str(run), "--out", str(out), *QUICK, *more])
    assert done.exit_code == 0, done.output
    return done


@pytest.fixture
def undrawn(monkeypatch):
    """Figures are tested once, here and in test_explained_figures; each takes seconds."""
    monkeypatch.setattr(explanations, "_draw", lambda *_: None)


def rows(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_run_over_cts_is_explained(ct_run, tmp_path):  # noqa: F811
    out = tmp_path / "out"
    done = told(ct_run, out)
    assert "ResNet50, unfreezeall, set 1, random start" in done.output
    made = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    tables = {f"{name}.{kind}" for name in ("attribution", "checks") for kind in ("csv", "md", "tex")}
    figures = {"maps_trained", "maps_random", "attribution", "faithfulness", "randomised"}
    assert tables | {"explanations.json", "readings.jsonl", "figures/captions.md"} <= made
    assert {f"figures/{name}.png" for name in figures} <= made
    for name in figures:
        Image.open(out / "figures" / f"{name}.png").load()
        assert f"**{name}.png**" in (out / "figures" / "captions.md").read_text()
    shares = rows(out / "attribution.csv")
    assert len(shares) == 2 * 2 * 5
    of_pixels = sum(float(row["pixels_percent"]) for row in shares[:5])
    assert of_pixels == pytest.approx(100)
    for start in range(0, 20, 5):
        assert sum(float(row["share_percent"]) for row in shares[start : start + 5]) == pytest.approx(100)
    summary = json.loads((out / "explanations.json").read_text())
    assert summary["schema"] == "sarcopenia-explanations/1"
    # both classes in turn, by name, whatever the network said: T04 is the only sarcopenic test case
    assert [case["case"] for case in summary["cases"]] == ["T04", "T05"]
    assert {case["part"] for case in summary["cases"]} == {"test"}
    assert summary["settings"]["layer"] == LAYER


@pytest.mark.usefixtures("undrawn")
def test_what_is_written_is_the_same_again_and_tells_no_place(ct_run, tmp_path):  # noqa: F811
    told(ct_run, tmp_path / "one")
    told(ct_run, tmp_path / "two")
    told(ct_run, tmp_path / "two")  # nothing left to read: written anew from the readings
    for path in (tmp_path / "one").rglob("*"):
        if path.is_file() and ".lock" not in path.name:
            content = path.read_bytes()
            assert content == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()
            assert str(tmp_path).encode() not in content


@pytest.mark.usefixtures("undrawn")
def test_of_pictures_no_share_is_told(picture_run, tmp_path):  # noqa: F811
    out = tmp_path / "out"
    done = told(picture_run, out)
    assert "without Hounsfield units" in done.output
    assert rows(out / "attribution.csv") == []
    assert len(rows(out / "checks.csv")) == 4
    summary = json.loads((out / "explanations.json").read_text())
    assert summary["cases"][0]["pixels"] is None
    assert summary["cases"][0]["trained"]["LIME"]["shares"] is None


@pytest.mark.usefixtures("undrawn")
def test_cases_that_were_learned_from_are_said_to_be(picture_run, tmp_path):  # noqa: F811
    done = told(picture_run, tmp_path / "out", "--cases", "P1, P3,P4")
    assert "2 of 3 cases are no test cases of this network" in done.output
    assert "P1, P3" in (tmp_path / "out" / "checks.md").read_text()
    parts = [
        case["part"] for case in json.loads((tmp_path / "out" / "explanations.json").read_text())["cases"]
    ]
    assert parts == ["training", "validation", "test"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--cases", "P9"], "the cohort has no case P9"),
        (["--layer", "nowhere"], "the network has no layer 'nowhere'"),
        (["--cohort", "other"], "is not the cohort that this run learned from"),
    ],
)
@pytest.mark.usefixtures("undrawn")
def test_what_cannot_be_explained_is_one_sentence(picture_run, tmp_path, more, words):  # noqa: F811
    if more[0] == "--cohort":
        from Testing.training.classification.explained_run import picture_cohort

        picture_cohort(tmp_path / "other", 5)
        more = ["--cohort", str(tmp_path / "other")]
    done = CliRunner().invoke(explain, [str(picture_run), "--out", str(tmp_path / "out"), *QUICK, *more])
    assert done.exit_code != 0
    assert words in str(done.exception)
    assert "\n" not in str(done.exception)


@pytest.mark.usefixtures("undrawn")
def test_a_cohort_that_is_gone_is_one_sentence(picture_run, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cohort").rename(tmp_path / "elsewhere")
    done = CliRunner().invoke(explain, [str(picture_run), "--out", str(tmp_path / "out"), *QUICK])
    assert "say where it lies: --cohort PATH" in str(done.exception)
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("undrawn")
def test_a_folder_of_other_explanations_is_refused(picture_run, tmp_path):  # noqa: F811
    told(picture_run, tmp_path / "out")
    done = CliRunner().invoke(
        explain, [str(picture_run), "--out", str(tmp_path / "out"), *QUICK, "--samples", "30"]
    )
    assert "belongs to another samples" in str(done.exception)


@pytest.mark.usefixtures("undrawn")
def test_without_tensorflow_it_is_one_sentence_and_nothing_is_made(picture_run, tmp_path, monkeypatch):  # noqa: F811
    def missing():
        raise ModelError("the classifiers need TensorFlow and Keras", architectures.INSTALL)

    monkeypatch.setattr(architectures, "require_keras", missing)
    done = CliRunner().invoke(explain, [str(picture_run), "--out", str(tmp_path / "out"), *QUICK])
    assert isinstance(done.exception, ModelError)
    assert "pip install" in str(done.exception)
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("undrawn")
def test_a_full_disk_is_one_sentence_and_what_was_read_stays(picture_run, tmp_path, monkeypatch):  # noqa: F811
    kept = journal.append_lines
    left = [3]

    def full(path, lines):
        left[0] -= 1
        if left[0] < 0:
            raise OutputError("readings.jsonl cannot be written (No space left on device)", "make room")
        kept(path, lines)

    monkeypatch.setattr(journal, "append_lines", full)
    out = tmp_path / "out"
    done = CliRunner().invoke(explain, [str(picture_run), "--out", str(out), *QUICK])
    assert "No space left" in str(done.exception)
    assert len((out / "readings.jsonl").read_text().splitlines()) == 1 + 3
    monkeypatch.setattr(journal, "append_lines", kept)
    told(picture_run, out)
    assert len((out / "readings.jsonl").read_text().splitlines()) == 1 + 2 * 5


@pytest.mark.usefixtures("undrawn")
def test_of_a_run_that_saw_the_outline_every_table_says_so(picture_run, tmp_path):  # noqa: F811
    facts = json.loads((picture_run / "run.json").read_text())
    (picture_run / "run.json").write_text(json.dumps({**facts, "leak": True}))
    told(picture_run, tmp_path / "out")
    for name in ("attribution", "checks"):
        assert "LEAK" in (tmp_path / "out" / f"{name}.md").read_text()
    assert json.loads((tmp_path / "out" / "explanations.json").read_text())["leak"] is True


@pytest.mark.parametrize(("cells", "said"), [((3, 3), True), ((5, 3), True), ((4, 4), False)])
def test_a_map_that_is_too_coarse_is_said_to_be(cells, said):
    read = SimpleNamespace(
        plan=ExplainPlan("seen", LimeSettings()), explained=SimpleNamespace(cases=(), tissues={})
    )
    notes = " ".join(explanations._notes(read, cells))
    assert (f"Grad-CAM at layer seen has {cells[0]}×{cells[1]} cells" in notes) is said
