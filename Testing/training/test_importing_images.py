"""Images for the classifiers: BMP in 8 and 24 bits, pairs, and never an area."""

import numpy as np
import pytest
from PIL import Image

from SarcopeniaAssessLib.errors import InputError
from SarcopeniaTraining.cohort import read_cohort
from SarcopeniaTraining.image_cohort import read_image_cohort
from SarcopeniaTraining.importing import ImportPlan, import_cohort
from SarcopeniaTraining.layouts import Layout, read_layout
from SarcopeniaTraining.splits import make_splits

GREY = np.random.default_rng(1).integers(0, 256, (40, 52), np.uint8)


def drawn():
    image = np.repeat(GREY[:, :, None], 3, axis=2)
    image[10:20, 10] = image[10:20, 30] = (255, 0, 0)
    return image


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "src"
    folder.mkdir()
    Image.fromarray(GREY).save(folder / "P1.bmp")  # 8 bits
    Image.fromarray(drawn()).save(folder / "P1_annotated.bmp")  # 24 bits
    Image.fromarray(np.repeat(GREY[:, :, None], 3, axis=2)).save(folder / "P2.bmp")
    Image.fromarray(GREY).convert("P").save(folder / "P3.bmp")  # a palette
    (folder / "manifest.csv").write_text("case,sex,sarcopenic\nP1,F,yes\nP2,M,no\n")
    return folder


def imported(tmp_path, layout=None):
    return import_cohort(ImportPlan(tmp_path / "src", layout or Layout("bmp")), tmp_path / "out")


def test_pixels_are_kept_and_no_area_is_told(tmp_path, source):
    outcomes = imported(tmp_path)
    assert [outcome.problem for outcome in outcomes] == ["", "", ""]
    cohort = read_image_cohort(tmp_path / "out")
    first, second, third = cohort.cases
    assert (first.sex, first.sarcopenic, second.sarcopenic, third.sarcopenic) == ("female", True, False, None)
    for case in cohort.cases:
        image = Image.open(case.image)
        assert image.mode == "L"
        np.testing.assert_array_equal(np.asarray(image), GREY)
    np.testing.assert_array_equal(np.asarray(Image.open(first.annotated_image)), drawn())
    assert second.annotated_image is None
    assert outcomes[2].notes == ("no label is told, and none can be measured on an image",)
    header = (tmp_path / "out" / "manifest.csv").read_text().splitlines()[0]
    assert not {"sma_cm2", "ct", "muscle", "spacing_i_mm"} & set(header.split(","))
    with pytest.raises(InputError, match="an image, no CT"):
        read_cohort(tmp_path / "out")


def test_wrong_images_are_told_and_the_others_go_on(tmp_path, source):
    Image.fromarray(drawn()[1:]).save(source / "P1_annotated.bmp")
    Image.fromarray(GREY.astype(np.uint16) * 200).save(source / "P4.png")
    (source / "P5.bmp").write_bytes((source / "P2.bmp").read_bytes()[:900])
    Image.fromarray(drawn()).save(source / "P6_outline.bmp")
    told = {outcome.case: outcome.problem for outcome in imported(tmp_path)}
    assert told["P2"] == told["P3"] == ""
    assert told["P1"].startswith("the annotated image has 52×39 pixels, the plain one 52×40")
    assert "not 8 bits a channel" in told["P4"]
    assert told["P5"].startswith("the image cannot be read")
    assert told["P6"].startswith("no image is found")
    assert [case.case for case in read_image_cohort(tmp_path / "out").cases] == ["P2", "P3"]


def test_labels_from_folders_by_a_layout(tmp_path):
    for label in ("Sarcopenia", "Healthy"):
        (tmp_path / "src" / label / "bmp").mkdir(parents=True)
        for n in range(4):
            Image.fromarray(GREY).save(tmp_path / "src" / label / "bmp" / f"{label[0]}{n}.bmp")
    (tmp_path / "layout.toml").write_text(
        'kind = "bmp"\n[[files]]\nrole = "image"\npath = "{sarcopenic}/**/{case}.bmp"\n'
        '[words]\n"Sarcopenia" = "yes"\n"Healthy" = "no"\n'
    )
    imported(tmp_path, read_layout(tmp_path / "layout.toml"))
    cohort = read_image_cohort(tmp_path / "out")
    assert {case.case: case.sarcopenic for case in cohort.cases} == {
        f"{name}{n}": name == "S" for name in "HS" for n in range(4)
    }
    fold = make_splits(cohort, sizes=(4, 2, 2), folds=1).folds[0]
    assert sorted(case[0] for case in fold.test) == ["H", "S"]
