"""Import of CTs: DICOM with a mask, a lone slice placed by its affine, a drawn outline; wrong ones told."""

import gzip
import shutil

import numpy as np
import pytest

from SarcopeniaAssessLib.ct_io import open_ct, read_label_map
from SarcopeniaAssessLib.mask_grid import place_mask
from SarcopeniaTraining.annotation_figure import by_hand, display, draw_outline, grey_image
from SarcopeniaTraining.cohort import read_cohort
from SarcopeniaTraining.importing import ImportPlan, import_cohort
from SarcopeniaTraining.layouts import Layout
from SarcopeniaTraining.outlines import Line
from SarcopeniaTraining.phantom.cohort import CohortPlan, write_cohort
from SarcopeniaTraining.phantom.patients import ScanPlan
from Testing.library.ct_files import dicom_image, rotation, save, store, write_dicom, write_itk
from Testing.library.small_case import LEVEL, SHAPE, affine, area_cm2, ct, muscle, write_nifti

OBLIQUE = np.eye(4)
OBLIQUE[:3, :3] = rotation(6, -8, 11)
OBLIQUE = OBLIQUE @ affine()
FLIPPED = ((2, 0, 1), (True, False, True))


def lone(k, ras=OBLIQUE, shift_mm=0.0):
    made = ras.copy()
    made[:3, 3] += (k + shift_mm / np.linalg.norm(ras[:3, 2])) * ras[:3, 2]
    return muscle()[:, :, k : k + 1], made


def only(tmp_path, kind, line=Line.CENTRE):
    """The outcome of importing tmp_path/src, and the cohort's only case if there is one."""
    plan = ImportPlan(tmp_path / "src", Layout(kind), line)
    (outcome,) = import_cohort(plan, tmp_path / "out")
    if outcome.row is None:
        assert not (tmp_path / "out" / "manifest.csv").exists()
        assert not (tmp_path / "out" / outcome.case).exists()
        return outcome, None
    return outcome, read_cohort(tmp_path / "out").cases[0]


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "src" / "Smith_1.2.826.0.1.3680043.8"
    folder.mkdir(parents=True)
    return folder


def check(case, k):
    volume = case.open()
    assert volume.orientation == "RAS"
    assert case.slice_from_feet(volume) == k
    np.testing.assert_array_equal(case.truth(volume, k), muscle()[:, :, k] == 1)
    np.testing.assert_array_equal(volume.slab(k, k + 1)[:, :, 0], ct()[:, :, k])
    np.testing.assert_allclose(volume.ras_from_canonical, OBLIQUE, atol=1e-4)
    assert case.sma_cm2 == pytest.approx(area_cm2(k), rel=1e-5)


@pytest.mark.parametrize("mask", ["own", "other"])
def test_a_dicom_series_and_a_mask_in_another_storage(tmp_path, source, mask):
    lps, ras = store(ct(), OBLIQUE, (0, 1, 2), (True, True, False))
    write_dicom(source / "scan", lps, ras, PatientSex="F", PatientAge="071Y")
    one = muscle() * (np.arange(SHAPE[2]) == 4)
    storage = ((0, 1, 2), (True, True, False)) if mask == "own" else FLIPPED
    write_itk(source / "muscle.nrrd", *store(one.astype(np.uint8), OBLIQUE, *storage))
    outcome, case = only(tmp_path, "dicom")
    check(case, 4)
    assert (case.sex, case.age_years, case.sarcopenic) == ("female", 71.0, False)  # 138 cm², above 92
    assert outcome.row["label_source"] == "area"


@pytest.mark.parametrize("k", [0, 5])
def test_a_lone_slice_finds_its_place_in_a_flipped_ct(tmp_path, source, k):
    write_nifti(source / "ct.nii.gz", *store(ct(), OBLIQUE, *FLIPPED))
    write_nifti(source / "mask.nii.gz", *store(*lone(k), (1, 0, 2), (True, False, False)))
    _, case = only(tmp_path, "slice")
    check(case, k)


def test_one_of_several_series_is_named_by_a_table(tmp_path, source):
    lps, ras = store(ct(), OBLIQUE, (0, 1, 2), (True, True, False))
    write_dicom(source / "one", lps, ras)
    write_dicom(source / "two", lps + 7, ras, SeriesInstanceUID="1.2.826.0.1.1.9")
    write_nifti(source / "mask.nii.gz", *lone(2))
    outcome, _ = only(tmp_path, "slice")
    assert outcome.problem.startswith("there are 2 axial CT series; ")
    assert "column series" in outcome.problem
    (tmp_path / "src" / "manifest.csv").write_text(f"case,series\n{source.name},1.2.826.0.1.1.4\n")
    _, case = only(tmp_path, "slice")
    check(case, 2)
    assert "1.2.826.0.1.1.4" not in (tmp_path / "out" / "manifest.csv").read_text()


def test_nothing_written_names_the_patient(tmp_path, source):
    lps, ras = store(ct(), OBLIQUE, (0, 1, 2), (True, True, False))
    write_dicom(source / "scan", lps, ras)
    write_nifti(source / "mask.nii.gz", *lone(3))
    plan = ImportPlan(tmp_path / "src", Layout("slice"), numbered=True)
    import_cohort(plan, tmp_path / "out")
    for path in (tmp_path / "out").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            text = gzip.decompress(content) if path.suffix == ".gz" else content
            for secret in (b"Planted", b"PLANTED-ID", b"19480615", b"1.2.826", b"Smith", b"src"):
                assert secret not in text, path.name
    assert sorted(path.name for path in (tmp_path / "out").iterdir() if not path.name.startswith(".")) == [
        "case-001",
        "import.json",
        "manifest.csv",
    ]


@pytest.mark.parametrize(
    ("write", "kind", "words"),
    [
        (lambda f: write_nifti(f / "mask.nii.gz", *lone(3, shift_mm=2.5)), "slice", "2.5 mm above slice 3"),
        (lambda f: write_nifti(f / "mask.nii.gz", *lone(3, shift_mm=90)), "slice", "fits nowhere in the CT"),
        (lambda f: write_nifti(f / "mask.nii.gz", *lone(3, affine())), "slice", "turned against"),
        (lambda f: write_nifti(f / "mask.nii.gz", muscle()[1:], OBLIQUE), "dicom", "89×64 pixels, of the CT"),
        (lambda f: write_nifti(f / "mask.nii.gz", 0 * muscle(), OBLIQUE), "dicom", "The mask is empty"),
        (lambda f: write_nifti(f / "mask.nii.gz", muscle(), OBLIQUE), "slice", "marks 7 slices"),
        (lambda f: write_nifti(f / "mask.nii.gz", muscle(), OBLIQUE), "dicom", "none is told as L3"),
        (lambda f: None, "slice", "no mask is found"),
        (
            lambda f: [write_nifti(f / f"mask{n}.nii.gz", *lone(3)) for n in (1, 2)],
            "slice",
            "2 files could be the mask: mask1.nii.gz, mask2.nii.gz",
        ),
        (lambda f: (f / "mask.nii.gz").write_bytes(b"no"), "slice", "is no NIfTI"),
    ],
)
def test_what_does_not_fit_is_told_and_leaves_nothing(tmp_path, source, write, kind, words):
    write_nifti(source / "ct.nii.gz", ct(), OBLIQUE)
    write(source)
    outcome, case = only(tmp_path, kind)
    assert case is None
    assert words in outcome.problem
    assert "; " in outcome.problem


def test_an_uneven_series_is_cut_to_what_one_affine_places(tmp_path, source):
    lps, ras = store(ct(), affine(), (0, 1, 2), (True, True, False))
    positions = [0, 1, 2, 3, 3.5, 4, 4.5]
    for n, k in enumerate(positions):
        save(dicom_image(lps[:, :, n], ras, k, InstanceNumber=n + 1), source / "scan" / f"{n}.dcm")
    mask = muscle()[:, :, 5:6]
    at = affine()
    at[2, 3] += 4 * at[2, 2]
    write_nifti(source / "mask.nii.gz", mask, at)
    outcome, case = only(tmp_path, "slice")
    volume = case.open()
    assert volume.slice_count == 4  # at 3, 3.5, 4, 4.5
    assert any("3 slices beyond an uneven step" in note for note in outcome.notes)
    k = case.slice_from_feet(volume)
    assert volume.slice_superior_mm(k) == pytest.approx(at[2, 3])
    np.testing.assert_array_equal(volume.slab(k, k + 1)[:, :, 0], ct()[:, :, 5])


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    """Two phantoms on a fine grid, with what a hand would outline at L3."""
    folder = tmp_path_factory.mktemp("phantoms")
    scan = ScanPlan(spacing_mm=(0.75, 0.8, 5.0), coverage_mm=20, noise_hu=8, oblique_deg=5)
    write_cohort(CohortPlan(2, 1, 1, seed=6, scan=scan), folder)
    return read_cohort(folder)


@pytest.mark.parametrize("width", [1, 2])
@pytest.mark.parametrize("twin", [True, False])
def test_a_drawn_outline_gives_the_area_that_was_outlined(tmp_path, phantoms, width, twin):
    from PIL import Image

    truths = {}
    for case in phantoms.cases:
        folder = tmp_path / "src" / case.case
        folder.mkdir(parents=True)
        volume = case.open()
        k = case.slice_from_feet(volume)
        truth = by_hand(display(case.truth(volume, k)))
        truths[case.case] = k, truth, volume.pixel_area_cm2
        grey = grey_image(volume.slab(k, k + 1)[:, :, 0].astype(np.float32))
        mirrored = slice(None, None, -1 if case.case == "P002" else 1)  # one export is mirrored
        Image.fromarray(draw_outline(grey, truth, width=width)[:, mirrored]).save(folder / "drawn.bmp")
        if twin:
            Image.fromarray(grey[:, mirrored]).save(folder / "plain.bmp")
        shutil.copy(case.ct, folder / "scan.nii.gz")
    outcomes = import_cohort(ImportPlan(tmp_path / "src", Layout("outline")), tmp_path / "out")
    made = read_cohort(tmp_path / "out")
    for outcome in outcomes:
        assert outcome.row is not None, outcome.problem
        k, truth, pixel_cm2 = truths[outcome.case]
        case = made[outcome.case]
        volume = case.open()
        assert case.slice_from_feet(volume) == k
        filled = display(case.truth(volume, k))
        area = filled.sum() * pixel_cm2
        assert area == pytest.approx(truth.sum() * pixel_cm2, rel=0.01)
        assert 2 * (filled & truth).sum() / (filled.sum() + truth.sum()) > 0.97
        assert any("mirrored" in note for note in outcome.notes) == (outcome.case == "P002")


def test_an_image_of_another_patient_is_refused(tmp_path, phantoms):
    from PIL import Image

    first, second = phantoms.cases
    volume = first.open()
    k = first.slice_from_feet(volume)
    grey = grey_image(volume.slab(k, k + 1)[:, :, 0].astype(np.float32))
    image = draw_outline(grey, by_hand(display(first.truth(volume, k))))
    folder = tmp_path / "src" / "A"
    folder.mkdir(parents=True)
    shutil.copy(second.ct, folder / "scan.nii.gz")
    Image.fromarray(image).save(folder / "drawn.png")
    outcome, _ = only(tmp_path, "outline")
    assert "pixels, the CT's slices" in outcome.problem
    columns, rows = second.open().canonical_shape[:2]
    fitted = Image.fromarray(image).crop((0, 0, columns, rows))
    fitted.save(folder / "drawn.png")
    outcome, _ = only(tmp_path, "outline")
    assert "does not resemble any slice of the CT" in outcome.problem


def test_the_ct_written_is_the_ct_read(tmp_path, source):
    hu = ct().astype(np.float32)
    hu[0, 0, :] = -2000  # padding stays padding
    hu[40, 30, 2] += 0.25
    write_nifti(source / "ct.nii.gz", *store(hu, OBLIQUE, *FLIPPED))
    write_nifti(source / "mask.nii.gz", *lone(LEVEL))
    only(tmp_path, "slice")
    folder = next(path for path in (tmp_path / "out").iterdir() if path.is_dir())
    volume = open_ct(folder / "ct.nii.gz")
    assert volume.source.read(2, 2, 3)[40, 30, 0] == np.float32(hu[40, 30, 2])
    assert volume.padding(0, 1)[0, 0, 0]
    assert place_mask(read_label_map(folder / "muscle.nii.gz"), volume).levels == tuple(range(SHAPE[2]))
