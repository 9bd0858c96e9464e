"""How well an outline is removed, against a twin that the removal did not see."""

import numpy as np
import pytest

from SarcopeniaTraining.classification.drawn_pictures import HABITS, write_pictures
from SarcopeniaTraining.classification.removal_quality import quality, quality_table
from Testing.training.tiny_cohort import tiny_cohort


def test_figures_by_hand():
    # Columns 10 and 11 of a ramp of 4 a column are drawn over in yellow, whose mean is (255 + 230 + 0) / 3.
    plain = np.repeat(np.repeat(np.arange(20, 120, 4, dtype=np.uint8)[None, :, None], 20, axis=0), 3, axis=2)
    noisy = plain.copy()
    noisy[::2, 10] += 3  # beneath the line, so that nobody can know it
    annotated = noisy.copy()
    annotated[:, 10:12] = (255, 230, 0)
    found = quality(noisy, annotated)
    assert found.covered == pytest.approx(2 / 25)
    yellow = 485 / 3
    under = np.array([60 + 3, 60, 64, 64])  # a pair of rows
    assert found.error_drawn == pytest.approx(np.sqrt(((yellow - under) ** 2).mean()))
    assert found.error_removed == pytest.approx(np.sqrt(9 / 4))


def test_a_row_for_each_pen_of_each_habit(tmp_path):
    (tmp_path / "cts").mkdir()
    pictures = write_pictures(tiny_cohort(tmp_path / "cts", 4), HABITS, tmp_path / "made", lambda _: None)
    rows = quality_table(pictures, HABITS).rows
    assert [(row["habit"], row["sarcopenic"], row["width_pixels"], row["pictures"]) for row in rows] == [
        ("everybody, one pen", True, 2, 1),
        ("everybody, one pen", False, 2, 3),
        ("two readers, a class each", True, 3, 1),
        ("two readers, a class each", False, 1, 3),
        ("sarcopenic ones only", True, 2, 1),
    ]
    assert all(row["error_removed"] < row["error_drawn"] for row in rows)
