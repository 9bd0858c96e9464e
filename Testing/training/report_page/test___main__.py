"""The report of a folder that is there already, by the command."""

import subprocess
import sys

from Testing.training.reproduced_folder import draw_reproduction


def run(*arguments):
    command = [sys.executable, "-m", "SarcopeniaTraining.report_page", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_it_says_where_the_page_is(tmp_path):
    folder = draw_reproduction(tmp_path / "part", only="segment", pictures=False)
    done = run(folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("report: ")
    assert (folder / "report.html").read_text("utf-8").startswith("<!DOCTYPE html>")


def test_a_folder_of_something_else_is_one_line(tmp_path):
    done = run(tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "no tables, no figures and no steps of a reproduction; give the --out" in done.stderr
