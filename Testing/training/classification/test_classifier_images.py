"""Cohorts of CTs, pictures and DICOM slices become one kind of image; what cannot is named, case by case."""

import csv
import dataclasses

import numpy as np
import pytest
from PIL import Image, ImageDraw

from SarcopeniaAssessLib.errors import InputError
from SarcopeniaAssessLib.patient import PatientFacts, Sex
from SarcopeniaTraining.classification.classifier_images import (
    ClassifierImages,
    Source,
    labelled,
    load_images,
    read_any_cohort,
    square,
)
from SarcopeniaTraining.cohort import Cohort
from SarcopeniaTraining.image_cohort import ImageCohort
from SarcopeniaTraining.phantom.dicom_files import SeriesFacts, write_series
from SarcopeniaTraining.splits import make_splits
from Testing.library.ct_files import write_enhanced
from Testing.training.tiny_cohort import tiny_cohort


def manifest(folder, rows):
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with (folder / "manifest.csv").open("w", newline="") as stream:
        table = csv.DictWriter(stream, columns)
        table.writeheader()
        table.writerows(rows)
    return folder


def section(number, size=(60, 40)):
    """A grey section as (rows, columns, 3), each number another one."""
    made = Image.new("L", size, 0)
    ImageDraw.Draw(made).ellipse((4, 4, size[0] - 5, size[1] - 5), fill=100 + number)
    noise = np.random.default_rng(number).integers(-6, 7, made.size[::-1])
    grey = np.where(np.asarray(made) > 0, np.asarray(made, int) + noise, 0).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def outlined(rgb):
    made = Image.fromarray(rgb)
    ImageDraw.Draw(made).ellipse((14, 10, 44, 30), outline=(255, 230, 0), width=2)
    return np.array(made)


@pytest.fixture
def pictures(tmp_path):
    """24-bit BMP with an annotated twin, 8-bit PNG, palette BMP without; an annotated PNG alone."""
    a, b, c, d = (section(n) for n in range(4))
    Image.fromarray(a).save(tmp_path / "a.bmp")
    Image.fromarray(outlined(a)).save(tmp_path / "a2.bmp")
    Image.fromarray(b[:, :, 0]).save(tmp_path / "b.png")
    Image.fromarray(c).quantize(256).save(tmp_path / "c.bmp")
    Image.fromarray(outlined(d)).save(tmp_path / "d.png")
    rows = [
        {"case": "A", "image": "a.bmp", "annotated_image": "a2.bmp", "sex": "f", "sarcopenic": "yes"},
        {"case": "B", "image": "b.png", "sex": "m", "sarcopenic": "no", "patient": "one"},
        {"case": "C", "image": "c.bmp", "sarcopenic": "no", "patient": "one"},
        {"case": "D", "image": "d.png", "sarcopenic": "yes"},
        {"case": "E", "image": "b.png"},
        {"case": "F", "image": "a2.bmp", "annotated_image": "a.bmp", "sarcopenic": "no"},
    ]
    return manifest(tmp_path, rows)


def padded(rgb):
    """60 × 40 pixels in a square of 60: ten black rows above and below."""
    made = np.zeros((60, 60), np.uint8)
    made[10:50] = rgb[:, :, 0]
    return made


def test_pictures_are_padded_to_a_square_and_shown_without_their_outline(pictures):
    lines = []
    images = load_images(read_any_cohort(pictures), 60, 420, lines.append)
    assert images.names == ("A", "B", "C", "D", "F")
    assert images.rgb.shape == (5, 60, 60, 3)
    assert (images.rgb == images.rgb[..., :1]).all()
    for place in range(3):
        assert np.array_equal(images.rgb[place, :, :, 0], padded(section(place)))
    assert np.array_equal(images.rgb[4], images.rgb[0])
    d = images.rgb[3, :, :, 0].astype(int)
    assert np.abs(d - padded(section(3))).max() < 45
    assert images.restored == ("D",)
    assert images.source is Source.PICTURES
    assert images.patients == ("A", "one", "one", "D", "F")
    assert images.sexes == (Sex.FEMALE, Sex.MALE, None, None, None)
    assert images.sarcopenic.tolist() == [True, False, False, True, False]
    assert any("1 cases without a label" in line for line in lines)
    assert any(line.startswith("D: a drawn outline was removed") for line in lines)
    assert any(line.startswith("F: the plain image stands under") for line in lines)


def test_the_annotated_twins_must_be_asked_for(pictures):
    lines = []
    images = load_images(read_any_cohort(pictures), 60, 420, lines.append, annotated=True)
    assert images.source is Source.ANNOTATED
    assert np.array_equal(images.rgb[0, 10:50], outlined(section(0)))
    assert np.array_equal(images.rgb[1, 10:50], section(1))
    assert lines == [
        "1 cases without a label are left out",
        "3 cases without an annotated image show their plain one",
    ]


def test_annotated_twins_of_a_cohort_that_has_none_are_refused(tmp_path):
    cohort = tiny_cohort(tmp_path, 2)
    with pytest.raises(InputError, match="no case of the cohort has an annotated image"):
        load_images(cohort, 32, 420, lambda _: None, annotated=True)


def test_each_bad_picture_is_told_and_nothing_comes_of_the_others(pictures):
    (pictures / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n cut off")
    content = (pictures / "a.bmp").read_bytes()
    (pictures / "a.bmp").write_bytes(content[: len(content) // 2])
    tinted = np.minimum(section(3) + np.array([40, 0, 0]), 255).astype(np.uint8)
    Image.fromarray(tinted).save(pictures / "d.png")
    lines = []
    with pytest.raises(InputError, match=r"4 of 5 cases have no image to learn from \(A, B, D, F\)"):
        load_images(read_any_cohort(pictures), 32, 420, lines.append)
    told = {line[:1]: line for line in lines if line[1:2] == ":"}
    assert told.keys() == {"A", "B", "D", "F"}
    assert "cannot be read" in told["A"]
    assert "cannot be read" in told["B"]
    assert "no line of a clear colour" in told["D"]
    assert not any("\n" in line for line in lines)


def test_a_side_that_is_none_and_a_cohort_without_labels_are_refused(pictures):
    cohort = read_any_cohort(pictures)
    with pytest.raises(InputError, match="4 pixels"):
        load_images(cohort, 4, 420, lambda _: None)
    bare = ImageCohort(cohort.path, (cohort.cases[4],), cohort.digest)
    with pytest.raises(InputError, match="no case of the cohort has a label"):
        load_images(bare, 32, 420, lambda _: None)


def test_cts_are_cut_at_their_level_with_one_pixel_size_for_all(tmp_path):
    cohort = read_any_cohort(tiny_cohort(tmp_path, 3).path)
    assert isinstance(cohort, Cohort)
    images = load_images(cohort, 40, 420.0, lambda _: None)
    assert images.source is Source.CT
    assert images.names == ("T01", "T02", "T03")
    assert images.sexes == (Sex.MALE, Sex.MALE, Sex.FEMALE)
    grey = images.rgb[..., 0].astype(int)
    # Fat of −100 HU is 38 of 255 in the window, muscle of 55 HU is 137, the middle of 20 HU 115.
    assert np.abs(grey[:, 19:21, 19:21] - 115).max() <= 6
    bodies = (grey > 19).sum(axis=(1, 2))
    for case, pixels in zip(cohort.cases, bodies, strict=True):
        volume = case.open()
        k = case.slice_from_feet(volume)
        body_cm2 = (volume.slab(k, k + 1) > -500).sum() * volume.pixel_area_cm2
        assert pixels * 1.05**2 == pytest.approx(body_cm2, rel=0.03)  # pixels of 1.05 cm


def test_the_same_cohort_gives_the_same_bytes(tmp_path):
    cohort = tiny_cohort(tmp_path, 2)
    one, two = (load_images(cohort, 32, 420.0, lambda _: None) for _ in range(2))
    assert one.rgb.tobytes() == two.rgb.tobytes()


def dicom_slice(folder, name, hu_inside):
    """One DICOM slice of a body of 160 × 120 mm."""
    i, j = np.indices((120, 96))
    hu = np.where(np.hypot((i - 60) / 40, (j - 48) / 30) < 1, hu_inside, -1000)[:, :, None]
    hu = hu + np.random.default_rng(1).integers(-5, 6, hu.shape)
    facts = SeriesFacts(name, name, PatientFacts(), "none", kvp=120, kernel="B30f", slice_mm=5.0)
    write_series(folder / name, hu.astype(np.int16), np.diag([-2.0, -2.0, 5.0, 1.0]), facts)
    return next((folder / name).glob("*"))


def test_a_dicom_slice_is_an_image_of_known_size(tmp_path):
    for name, hu in (("X", 40), ("Y", 0)):
        dicom_slice(tmp_path, name, hu).rename(tmp_path / f"{name}.dcm")
    rows = [
        {"case": "X", "image": "X.dcm", "sarcopenic": "yes"},
        {"case": "Y", "image": "Y.dcm", "sarcopenic": "no"},
    ]
    images = load_images(read_any_cohort(manifest(tmp_path, rows)), 32, 320.0, lambda _: None)
    assert images.source is Source.CT
    assert abs(int(images.rgb[0, 16, 16, 0]) - 128) <= 3
    assert abs(int(images.rgb[1, 16, 16, 0]) - 102) <= 3
    # Pixels of 10 mm: 16 across the body, 12 from front to back.
    body = images.rgb[0, :, :, 0] > 40
    assert (body.any(axis=0).sum(), body.any(axis=1).sum()) == pytest.approx((16, 12), abs=1)
    Image.fromarray(section(1)).save(tmp_path / "p.png")
    rows[1]["image"] = "p.png"
    with pytest.raises(InputError, match="1 images are DICOM slices of known size and 1 are pictures"):
        load_images(read_any_cohort(manifest(tmp_path, rows)), 32, 320.0, lambda _: None)


def test_a_dicom_file_of_several_slices_is_no_image(tmp_path):
    hu = np.random.default_rng(1).integers(-5, 6, (40, 40, 3)).astype(np.int16)
    write_enhanced(tmp_path / "X.dcm", hu, np.diag([2.0, 2.0, 5.0, 1.0]))
    cohort = read_any_cohort(manifest(tmp_path, [{"case": "X", "image": "X.dcm", "sarcopenic": "yes"}]))
    told = []
    with pytest.raises(InputError, match="1 of 1 cases have no image"):
        load_images(cohort, 32, 320.0, told.append)
    assert "holds 3 slices; give it in the column ct" in told[0]


def test_the_kind_of_a_cohort_is_told_by_its_columns(pictures, tmp_path):
    assert isinstance(read_any_cohort(pictures), ImageCohort)
    rows = [{"case": "A", "image": "a.bmp"}, {"case": "B", "ct": "b.png"}]
    with pytest.raises(InputError, match="a CT for 1 cases and an image alone for 1"):
        read_any_cohort(manifest(tmp_path, rows))


def test_splits_for_classifiers_ask_for_a_label_not_for_a_mask(pictures):
    cohort = read_any_cohort(pictures)
    rows = [
        dataclasses.replace(cohort.cases[0], case=f"{c}{n}", sarcopenic=c == "S")
        for c in "SN"
        for n in range(4)
    ]
    asked = labelled(ImageCohort(cohort.path, (*rows, cohort.cases[4]), "digest"))
    fold = make_splits(asked, sizes=(4, 2, 2), folds=1).folds[0]
    assert sorted(fold.train + fold.validation + fold.test) == sorted(case.case for case in rows)


def test_resizing_takes_the_mean_of_what_a_pixel_covers():
    grey = np.array([[0, 60, 120], [30, 90, 150], [60, 120, 180]], np.uint8)
    # Three pixels onto two: each new one covers one and a half of the old.
    # Row means: (0 + 30/2)/1.5 = 10, (60 + 90/2)/1.5 = 70, (120 + 150/2)/1.5 = 130, …
    assert square(grey, 2).tolist() == [[30, 110], [70, 150]]
    assert square(np.array([[10, 20, 30, 40]], np.uint8), 4)[1].tolist() == [10, 20, 30, 40]
    assert square(np.array([[10, 20, 30, 40]], np.uint8), 2).tolist() == [[8, 18], [0, 0]]
    assert square(np.full((3, 3), 7, np.uint8), 9).tolist() == [[7] * 9] * 9


def made(**changes):
    values = {
        "names": ("A", "B"),
        "rgb": np.zeros((2, 8, 8, 3), np.uint8),
        "sarcopenic": np.array([True, False]),
        "patients": ("A", "B"),
        "sexes": (None, None),
        "source": Source.CT,
    }
    return ClassifierImages(**{**values, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"names": ("A", "A")},
        {"names": ("A",)},
        {"rgb": np.zeros((2, 8, 9, 3), np.uint8)},
        {"rgb": np.zeros((2, 8, 8, 3), np.float32)},
        {"rgb": np.zeros((2, 8, 8, 1), np.uint8)},
        {"sarcopenic": np.array([1, 0])},
        {"patients": ("A",)},
    ],
)
def test_images_that_do_not_belong_together_cannot_exist(changes):
    with pytest.raises(InputError, match="do not belong together"):
        made(**changes)


def test_places_of_cases_and_a_case_that_is_not_there():
    assert made().places(["B", "A"]).tolist() == [1, 0]
    assert made().side == 8
    with pytest.raises(InputError, match="no image of case Z"):
        made().places(["A", "Z"])
