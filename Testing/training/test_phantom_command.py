"""`sarcopenia phantom`: what it writes, says and refuses."""

import json

import pytest

from SarcopeniaAssessLib.__main__ import run_group
from SarcopeniaTraining.cli import cli
from SarcopeniaTraining.phantom import cohort

SMALL = ["--patients", "1", "--sarcopenic", "1", "--men", "0", "--spacing", "4,4.2,5", "--coverage", "15"]


def test_a_cohort_is_written_and_told(tmp_path, capsys):
    given = ["phantom", str(tmp_path / "c"), *SMALL, "--seed", "3", "--phase", "none", "--noise", "5"]
    assert run_group(cli, given) == 0
    out, err = capsys.readouterr()
    assert out == f"1 patients, 1 sarcopenic, 0 men: {tmp_path / 'c' / 'manifest.csv'}\n"
    assert err.startswith("P001  female  SMA ")
    assert err.endswith("cm²  sarcopenic\n")
    row = json.loads((tmp_path / "c" / "P001" / "patient.json").read_text(encoding="utf-8"))
    assert (row["phase"], row["noise_hu"], row["spacing_k_mm"]) == ("none", 5.0, 5.0)


def test_every_option_reaches_the_plan(tmp_path, monkeypatch):
    asked = {}

    def keep(plan, folder, *, jobs, tell):
        asked.update(plan=plan, folder=folder, jobs=jobs)
        return [{"sarcopenic": "no", "sex": "male"}]

    monkeypatch.setattr(cohort, "write_cohort", keep)
    given = "--patients 9 --sarcopenic 2 --men 4 --seed 7 --format dicom --spacing 0.8,0.9,3"
    more = "--coverage 40 --noise 11 --phase portal --tilt 6 --jobs 3"
    assert run_group(cli, ["phantom", str(tmp_path), *given.split(), *more.split()]) == 0
    plan = asked["plan"]
    assert (plan.patients, plan.sarcopenic, plan.men, plan.seed, plan.format) == (9, 2, 4, 7, "dicom")
    scan = plan.scan
    assert (scan.spacing_mm, scan.coverage_mm, scan.noise_hu) == ((0.8, 0.9, 3), 40, 11)
    assert (scan.phase, scan.tilt_deg, scan.oblique_deg) == ("portal", 6, 0)
    assert (asked["folder"], asked["jobs"]) == (tmp_path, 3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--patients", "3", "--sarcopenic", "4", "--men", "1"], "4 of 3 patients cannot be sarcopenic"),
        (["--patients", "3", "--sarcopenic", "1", "--men", "4"], "4 of 3 patients cannot be men"),
        (["--patients", "many"], "many"),
        (["--spacing", "1,1"], "three numbers"),
        (["--spacing", "1,1,99"], "0.2–10 mm"),
        (["--format", "bmp"], "bmp"),
        (["--oblique", "80"], "45°"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(tmp_path, capsys, options, words):
    assert run_group(cli, ["phantom", str(tmp_path / "c"), *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("sarcopenia: ")
    assert words in err
    assert not (tmp_path / "c").exists()


def test_ctrl_c_leaves_a_word_on_how_to_go_on(tmp_path, monkeypatch, capsys):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(cohort, "write_patient", stop)
    assert run_group(cli, ["phantom", str(tmp_path / "c"), *SMALL, "--jobs", "1"]) == 130
    assert "the same command goes on" in capsys.readouterr().err
