"""Both routes in one picture: every patient where area and probability put him or her."""

import pytest
from matplotlib.colors import to_rgba

from SarcopeniaTraining.classification.two_routes import compare_routes
from SarcopeniaTraining.classification.two_routes_figure import predicted_distance_percent, routes_figure
from SarcopeniaTraining.figure_style import ORANGE
from Testing.training.classification.made_segmentation import folders
from Testing.training.pictures import texts


def test_the_figure_puts_patients_where_they_are(tmp_path):
    routes = compare_routes(*folders(tmp_path))
    (axis,) = routes_figure(routes).axes
    drawn = {
        (round(float(x), 3), round(float(y), 3)) for dots in axis.collections for x, y in dots.get_offsets()
    }
    assert drawn == {
        (round(predicted_distance_percent(one), 3), round(one.classifiers["ResNet50"].probability, 3))
        for one in routes.patients
    }
    assert predicted_distance_percent(routes.patients[0]) == pytest.approx(100 * (131 / 144 - 1))
    orange = [
        dots
        for dots in axis.collections
        if dots.get_facecolor().size and tuple(dots.get_facecolor()[0]) == to_rgba(ORANGE)
    ]
    assert sum(len(dots.get_offsets()) for dots in orange) == 2  # only the area is right: A, D
    assert "truly sarcopenic" in texts(axis.figure)
