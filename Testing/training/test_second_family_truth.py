"""The held-out family's truth by hand: what a reader's threshold takes at a muscle's edge."""

import numpy as np

from SarcopeniaTraining.second_family.raster import Shares
from SarcopeniaTraining.second_family.scan import truth_of
from SarcopeniaTraining.second_family.tissue import MUSCLES, Tissue, is_other


def shares_of(outline, other, bone=None):
    empty = np.zeros_like(outline)
    told = {"outline": outline, "other": other, "bone": empty if bone is None else bone}
    rest = dict.fromkeys(("hu", "muscle", "marrow", "fat", "mottled"), empty)
    return Shares(**rest, **told, vertebra=empty.astype(np.uint8))


def row(*values):
    """A row of pixels along i with empty ones beside it, (n, 3, 1)."""
    whole = np.zeros((len(values), 3, 1), np.float32)
    whole[:, 1, 0] = values
    return whole


def truth_of_row(outline, other, hu):
    return [mask[:, 1, 0].tolist() for mask in truth_of(shares_of(row(*outline), row(*other)), row(*hu))]


def test_a_pixel_of_muscle_and_fat_at_the_edge_counts_by_its_hu():
    """Muscle of 50 HU, fat of -110: a share of 0.46 has -36, 0.52 has -27, and one beyond the next -110."""
    painted, muscle = truth_of_row((1, 1, 0.49, 0, 0), (0, 0, 0, 0, 0), (50, 50, -28.5, -28, -110))
    assert muscle == [1, 1, 1, 0, 0], "the fourth is muscle by its HU, and no neighbour of the muscle"
    assert painted == [1, 1, 1, 0, 0]
    assert truth_of_row((1, 1, 0.46, 0, 0), (0,) * 5, (50, 50, -36, -110, -110))[0] == [1, 1, 0, 0, 0]


def test_a_pixel_beside_an_organ_counts_by_its_share_whatever_its_hu():
    """Half liver, half muscle: of muscle's HU all of it."""
    liver = (0, 0.5, 1), (50, 53, 56)
    assert truth_of_row((1, 0.5, 0), *liver) == [[1, 0, 0], [1, 0, 0]]
    assert truth_of_row((1, 0.51, 0), (0, 0.49, 1), (50, 53, 56)) == [[1, 1, 0], [1, 1, 0]]
    assert truth_of_row((1, 0.45, 0), (0, 0.06, 1), (50, 0, 0))[1] == [1, 0, 0]
    assert truth_of_row((1, 0.45, 0), (0, 0.04, 1), (50, 0, 0))[1] == [1, 1, 0]


def test_a_thin_fat_line_between_two_muscles_counts_unless_it_is_seen():
    """0.4 of a pixel wide: the blur leaves -10 HU; three times as wide, -80."""
    line = (1, 0.4, 1)
    assert truth_of_row(line, (0, 0, 0), (50, -10, 50)) == [[1, 1, 1], [1, 1, 1]]
    assert truth_of_row(line, (0, 0, 0), (50, -80, 50)) == [[1, 0, 1], [1, 0, 1]]


def test_a_pixel_half_in_air_is_no_muscle():
    assert truth_of_row((1, 0.46, 0), (0, 0, 0), (50, -500, -1000)) == [[1, 0, 0], [1, 0, 0]]


def test_the_edge_is_widened_in_the_plane_alone():
    outline = np.zeros((3, 3, 3), np.float32)
    outline[1, 1, 1] = 1
    muscle = truth_of(shares_of(outline, np.zeros_like(outline)), np.zeros_like(outline))[1]
    assert muscle.sum(axis=(0, 1)).tolist() == [0, 5, 0]


def test_what_is_neither_muscle_nor_fat_is_counted_as_other():
    table = is_other()
    others = (
        Tissue.LIVER,
        Tissue.AORTA,
        Tissue.SKIN,
        Tissue.FASCIA,
        Tissue.BOWEL_WALL,
        Tissue.RIB_CORTEX,
        129,
    )
    assert table[list(others)].all()
    assert not table[[*MUSCLES, Tissue.INTERMUSCULAR_FAT, Tissue.SUBCUTANEOUS_FAT, Tissue.VISCERAL_FAT]].any()
    assert not table[[Tissue.AIR, Tissue.GAS, Tissue.EPIDURAL_FAT]].any()


def test_the_truth_leaves_out_bone_and_what_is_not_within_the_muscles_hu():
    outline = np.array([0.6, 0.6, 0.6, 0.6, 0.6, 0.4, 1.0], np.float32).reshape(7, 1, 1)
    bone = np.array([0, 0, 0, 0, 0.2, 0, 0.1], np.float32).reshape(7, 1, 1)
    hu = np.array([-29.5, -28.5, 149.5, 150.5, 50, 50, 50], np.float32).reshape(7, 1, 1)
    other = np.array([0, 0, 0, 0, 0.2, 0.1, 0.1], np.float32).reshape(7, 1, 1)
    compartments, muscle = truth_of(shares_of(outline, other, bone), hu)
    assert compartments.ravel().tolist() == [1, 1, 1, 1, 0, 0, 1]
    assert muscle.ravel().tolist() == [0, 1, 1, 0, 0, 0, 1]
