"""Both studies as their commands run them, with a real network at its least size."""

import csv

import pytest
from click.testing import CliRunner

from SarcopeniaTraining.classification import balanced_phantoms
from SarcopeniaTraining.classification.imbalance import imbalance
from SarcopeniaTraining.classification.leak import leak
from Testing.training.tiny_cohort import tiny_cohort

pytestmark = pytest.mark.slow

SMALL = ("--scheme", "freezeall", "--learning-rate", "1e-3", "--side", "32", "--sets", "1")


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Thirty tiny CTs, seven of them sarcopenic."""
    folder = tmp_path_factory.mktemp("thirty")
    tiny_cohort(folder, 30)
    return folder


def invoke(command, *arguments):
    result = CliRunner().invoke(command, [*map(str, arguments), *SMALL], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_network_reads_who_was_outlined_and_not_where_the_outline_was(cohort, tmp_path):
    arguments = (cohort, "--out", tmp_path, "--habits", "one-class", "--epochs", "60", "--patience", "60")
    assert "4 ways" in invoke(leak, *arguments)
    before = (tmp_path / "leak.csv").read_bytes()
    rows = {row["way"]: row for row in csv.DictReader(before.decode().splitlines())}
    plain, outlined, on_plain, removed = rows.values()
    assert float(outlined["auc"]) == 1
    for row in (plain, on_plain, removed):
        assert row["sets"] == "1"
        assert float(row["auc"]) < 1
    invoke(leak, *arguments)  # nothing is left to do
    assert (tmp_path / "leak.csv").read_bytes() == before


def test_ways_against_imbalance_are_trained(cohort, tmp_path, monkeypatch):
    def write(plan, folder, *, jobs, tell):
        if not folder.is_dir():
            folder.mkdir()
            manifest = tiny_cohort(folder, plan.patients).path
            manifest.write_text(manifest.read_text().replace(",no,", ",yes,"))

    monkeypatch.setattr(balanced_phantoms, "write_cohort", write)
    out = tmp_path / "out"
    out.mkdir()
    assert "5 ways" in invoke(imbalance, cohort, "--out", out, "--epochs", "2")
    rows = list(csv.DictReader((out / "imbalance.csv").read_text().splitlines()))
    printed, moved, _, added, exchanged = rows
    assert printed["auc"] == moved["auc"]
    assert int(added["trained_sarcopenic"]) == int(added["trained_other"]) == int(printed["trained_other"])
    trained = int(printed["trained_sarcopenic"]) + int(printed["trained_other"])
    assert int(exchanged["trained_sarcopenic"]) + int(exchanged["trained_other"]) == trained
    names = {path.name for path in out.iterdir()}
    assert {"as-printed", "class-weights", "balanced-added", "balanced-exchanged", "phantoms"} <= names
