"""The pipeline's picture is made from what the library computes, and says the same as `assess`."""

import pytest

from SarcopeniaAssessLib import resource_path
from SarcopeniaAssessLib.assessment import assess
from SarcopeniaAssessLib.models import load_model
from SarcopeniaTraining.figure_style import PREDICTED
from SarcopeniaTraining.pipeline_figure import pipeline_figure, sample_route
from Testing.training.pictures import pixels, share, texts


@pytest.fixture(scope="module")
def figure():
    return pipeline_figure(sample_route())


def test_area_and_status_are_those_of_assess(figure):
    record = assess(resource_path("demo") / "ct.nii.gz", sex="male", l3="slice:12").record
    words = texts(figure)
    assert f"SMA {record['muscle']['sma_cm2']:.1f} cm²" in words
    assert record["status"]["value"] in words.splitlines()
    assert "man: sarcopenic below 144 cm²" in words


def test_it_names_the_ct_and_the_slab_as_they_are(figure):
    words = texts(figure)
    assert "LPS, 416×296×28, 1×1×5 mm" in words
    pixel = f"{load_model().entry.preprocessing['in_plane_mm']:g}"
    assert f"RAS, 3 slices, {pixel}×{pixel}×5 mm" in words
    assert "−175 … 250 HU" in words


def test_nothing_is_said_of_a_route_that_is_not_built(figure):
    assert "classif" not in texts(figure).lower()


def test_the_mask_is_drawn(figure):
    assert share(pixels(figure), PREDICTED, 12) > 0.001
