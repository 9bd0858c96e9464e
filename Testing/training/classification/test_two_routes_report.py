"""Both routes as files: what is written, by whom it is called, and that it is the same twice."""

import json

import pytest

from SarcopeniaTraining.classification.two_routes import compare_routes
from SarcopeniaTraining.classification.two_routes_report import command, told, write_routes
from Testing.training.classification.made_segmentation import folders


@pytest.fixture
def made(tmp_path):
    return folders(tmp_path)


def test_files_and_their_words(made, tmp_path):
    out = tmp_path / "out"
    report = write_routes(compare_routes(*made), out)
    names = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    assert names == [
        "figures/two_routes.png",
        *("two_routes.csv", "two_routes.json", "two_routes.md", "two_routes.tex"),
        *("two_routes_patients.csv", "two_routes_patients.md", "two_routes_patients.tex"),
    ]
    summary = json.loads((out / "two_routes.json").read_text())
    assert summary == report.summary
    assert summary["schema"] == "sarcopenia-two-routes/1"
    assert (summary["patients"], summary["best_network"]) == (5, "ResNet50")
    assert summary["two_routes"][0]["only_area_right"] == 2
    assert [row["patient"] for row in summary["two_routes_patients"]] == ["B", "C", "A", "D"]


def test_twice_the_same_bytes(made, tmp_path):
    for name in ("one", "two"):
        write_routes(compare_routes(*made), tmp_path / name)
    for path in (tmp_path / "one").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()


def test_the_command_writes_captions_and_says_a_line_a_network(made, tmp_path):
    from click.testing import CliRunner

    segmentation, classification = made
    words = [str(segmentation), str(classification), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(command, words)
    assert done.exit_code == 0, done.output
    assert done.output.splitlines() == [
        "ResNet50, unfreezeall: area right in 3 of 5 patients, classifier in 3; same status in 1, "
        "McNemar p 1.000"
    ]
    assert (tmp_path / "out" / "figures" / "captions.md").read_text().startswith("**two_routes.png** Both")


def test_told_is_of_the_calls_as_printed(made):
    assert len(told(compare_routes(*made))) == 1
