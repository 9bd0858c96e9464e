"""PACS → inbox → assessed → SEG and SR back in the PACS, by real processes on loopback."""

from pathlib import Path

import pytest

pytest.importorskip("pynetdicom", reason="pynetdicom is not installed")

from SarcopeniaAssessLib.__main__ import cli, run_group
from Testing.library.archive.archive_kit import (
    SEG_CLASS,
    SLICES,
    SR_CLASS,
    running,
    send,
    send_section,
    start_peer,
    study,
    wait_for,
    write_settings,
)
from Testing.library.small_case import MUSCLE_CM2, write_model


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "everything.safetensors")


@pytest.fixture
def pacs(tmp_path):
    peer = start_peer(tmp_path / "pacs")
    yield peer
    peer.kill()


def test_a_study_goes_there_and_its_results_come_back(tmp_path, model, pacs):
    settings = write_settings(tmp_path, model, send_section(pacs.port))
    with running(settings) as inbox:
        assert send(inbox.port, study(1)) == [0] * SLICES
        wait_for(lambda: len(pacs.taken) == 2)
        assert inbox.end() == 0
    segmentation, report = sorted(pacs.objects(), key=lambda one: one.Modality)
    assert (segmentation.SOPClassUID, report.SOPClassUID) == (SEG_CLASS, SR_CLASS)
    assert {one.PatientID for one in (segmentation, report)} == {"PLANTED-1"}
    assert {one.StudyInstanceUID for one in (segmentation, report)} == {"1.2.826.0.1.7.1"}
    # 4 mm × 5 mm a pixel
    assert segmentation.pixel_array.sum() * 0.2 == pytest.approx(MUSCLE_CM2)
    said = inbox.log.read_text()
    assert "1 series assessed; 2 objects to send" in said
    for planted in ("Planted", "PLANTED", "1.2.826", str(tmp_path), "127.0.0.1"):
        assert planted not in said
    assert run_group(cli, ["verify", str(tmp_path / "results")]) == 0
