"""The picture of outline and filled mask, and the hand that draws the outline."""

import numpy as np
from PIL import Image

from SarcopeniaAssessLib.patient import Sex
from SarcopeniaTraining.annotation_figure import annotate, annotation_figure, by_hand, draw_outline
from SarcopeniaTraining.figure_style import save
from SarcopeniaTraining.phantom.patients import Wanted


def test_a_hand_leaves_out_slips_and_gaps():
    mask = np.zeros((80, 100), bool)
    mask[20:60, 20:70] = True
    mask[30:32, 30:32] = False
    mask[70:73, 5:60] = True
    drawn = by_hand(mask)
    assert drawn[31, 31]
    assert not drawn[71, 30]
    assert abs(int(drawn.sum()) - 40 * 50) < 40  # rounded corners


def test_the_line_lies_on_the_border():
    mask = np.zeros((40, 50), bool)
    mask[10:30, 12:40] = True
    image = draw_outline(np.zeros((40, 50, 3), np.uint8), mask, width=1)
    rows, columns = np.nonzero(image.any(axis=2))
    assert (rows.min() in (9, 10), rows.max() in (29, 30)) == (True, True)
    assert (columns.min() in (11, 12), columns.max() in (39, 40)) == (True, True)
    assert not image[20, 25].any()


def test_a_patient_is_outlined_filled_and_shown(tmp_path):
    patient = annotate(Wanted(2, Sex.MALE, False))
    assert patient.filled.sum() * patient.pixel_area_cm2 > 144
    assert abs(patient.filled.sum() / patient.truth.sum() - 1) < 0.01
    assert (patient.annotated != patient.grey).any()
    path = save(annotation_figure((patient,)), tmp_path / "figure.png")
    assert min(Image.open(path).size) > 300
