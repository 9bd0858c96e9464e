"""The spool: an object is there or it is not, whatever happens in between."""

import os
from pathlib import Path

import pytest

from SarcopeniaAssessLib.archive.journal import Job
from SarcopeniaAssessLib.archive.settings import Limits
from SarcopeniaAssessLib.archive.spool import IMAGES_GONE, TWO_PATIENTS, Spool, read_label
from SarcopeniaAssessLib.errors import InputError, OutputError
from Testing.library.archive.archive_kit import study


def limits(**changes):
    return Limits(**{"quiet_s": 10.0, "free_gib": 0.0, **changes})


@pytest.fixture
def spool(tmp_path):
    one = Spool(tmp_path, limits())
    yield one
    one.journal.close()


def receive(spool, image, at=0.0) -> bool:
    path = spool.incoming / "received"
    image.save_as(path, enforce_file_format=True)
    return spool.take(path, read_label(path), at)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_an_object_lies_under_hashes_and_only_its_user_sees_it(spool, tmp_path):
    assert receive(spool, study(1)[0])
    (found,) = files(tmp_path / "studies")
    assert "1.2.826" not in found
    assert list(spool.incoming.iterdir()) == []
    if os.name == "posix":
        assert (tmp_path / "studies").stat().st_mode & 0o077 == 0


def test_the_same_again_is_no_change_and_another_content_is(spool):
    image = study(1)[0]
    assert receive(spool, image)
    assert not receive(spool, image, at=100.0)
    assert spool.journal.quiet_studies(50.0, 10.0)[0][1] == 1  # one change, at 0
    image.PatientName = "Corrected^Name"
    assert receive(spool, image, at=100.0)
    assert spool.journal.quiet_studies(105.0, 10.0) == []
    assert spool.journal.quiet_studies(110.0, 10.0) == [(read_key(image), 2, 0)]


def read_key(image) -> str:
    import hashlib

    return "study-" + hashlib.sha256(str(image.StudyInstanceUID).encode()).hexdigest()[:16]


def test_a_job_sees_what_was_there_when_it_began(spool):
    images = study(1)
    for image in images[:3]:
        receive(spool, image)
    ((job, problem),) = spool.begin_quiet(10.0)
    assert problem is None
    assert job == Job(read_key(images[0]), 1)
    before = {path.name: path.read_bytes() for path in spool.images(job).iterdir()}
    assert len(before) == 3
    images[0].PatientName = "Later^Name"
    for image in (images[0], images[3]):
        receive(spool, image, at=11.0)
    assert {path.name: path.read_bytes() for path in spool.images(job).iterdir()} == before
    assert spool.begin_quiet(21.0) == []  # one assessment of a study at a time
    spool.journal.finish(job, [], None)
    ((again, _),) = spool.begin_quiet(21.0)
    assert again == Job(job.key, 2)
    assert len(list(spool.images(again).iterdir())) == 4


def test_two_patients_in_one_study_are_never_assessed(spool, tmp_path):
    images = study(1)
    images[2].PatientID = "SOMEBODY ELSE"
    for image in images:
        receive(spool, image)
    ((job, problem),) = spool.begin_quiet(10.0)
    assert problem == TWO_PATIENTS
    assert files(tmp_path / "jobs") == []
    assert spool.journal.jobs() == []
    images[2].PatientID = images[1].PatientID
    receive(spool, images[2], at=20.0)
    ((job, problem),) = spool.begin_quiet(30.0)
    assert (job.generation, problem) == (2, None)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"instances": 3}, "more objects than are taken"),
        ({"spool_gib": 4e-5}, "The spool is full"),  # 43 kB; an image is 12 kB
        ({"free_gib": 1e8}, "nearly full"),
    ],
    ids=str,
)
def test_beyond_its_limits_nothing_is_taken_and_what_is_there_stays(tmp_path, changes, words):
    spool = Spool(tmp_path, limits(**changes))
    images = study(1)
    room = 0 if "free_gib" in changes else 3
    for image in images[:room]:
        receive(spool, image)
    with pytest.raises(OutputError, match=words):
        receive(spool, images[room])
    assert len(files(tmp_path / "studies")) == room
    if room:
        (spool.incoming / "received").unlink()
        assert not receive(spool, images[0])  # a repetition needs no room
    spool.journal.close()


def test_a_correction_takes_the_place_of_what_it_corrects(tmp_path):
    spool = Spool(tmp_path, limits(instances=2, spool_gib=4e-5))  # 43 kB; an image is 12 kB
    images = study(1)
    for image in images[:2]:
        receive(spool, image)
    for number in range(4):
        images[1].PatientName = f"Corrected^{number}"
        assert receive(spool, images[1])
    assert spool._bytes == spool.journal.spooled_bytes()
    with pytest.raises(OutputError, match="more objects"):
        receive(spool, images[2])
    spool.journal.close()


def test_what_a_job_sees_is_on_the_disk_before_it_has_its_name(spool, tmp_path, monkeypatch):
    receive(spool, image := study(1)[0])
    place, synced = tmp_path / "jobs" / read_key(image), []
    monkeypatch.setattr(
        "SarcopeniaAssessLib.archive.spool._sync_folder",
        lambda folder: synced.append((folder.name, len(list(folder.iterdir())), place.exists())),
    )
    spool.begin_quiet(10.0)
    assert synced == [(f".{place.name}", 1, False), ("jobs", 1, True)]


def test_a_study_that_cannot_begin_takes_no_other_with_it(spool, monkeypatch):
    images = [study(number)[0] for number in (1, 2, 3)]
    for at, image in enumerate(images):
        receive(spool, image, at=float(at))
    real, refused = spool._freeze, read_key(images[1])

    def freeze(job):
        if job.key == refused:
            raise OSError(28, "No space left on device")
        real(job)

    monkeypatch.setattr(spool, "_freeze", freeze)
    assert [job.key for job, _ in spool.begin_quiet(20.0)] == [read_key(images[0])]
    with pytest.raises(OSError, match="No space"):
        spool.begin_quiet(20.0)
    monkeypatch.setattr(spool, "_freeze", real)
    assert [job.key for job, _ in spool.begin_quiet(20.0)] == [read_key(one) for one in images[1:]]


@pytest.mark.parametrize("left", ["nothing", "an empty folder"])
def test_a_study_whose_images_somebody_removed_is_told_and_holds_nobody_up(spool, tmp_path, left):
    import shutil

    images = study(1)[0], study(2)[0]
    for image in images:
        receive(spool, image)
    shutil.rmtree(tmp_path / "studies" / read_key(images[0]))
    if left != "nothing":
        (tmp_path / "studies" / read_key(images[0])).mkdir()
    told = {job.key: problem for job, problem in spool.begin_quiet(10.0)}
    assert told == {read_key(images[0]): IMAGES_GONE, read_key(images[1]): None}
    assert receive(spool, images[0], at=20.0)  # the same again is new: it is not here
    ((job, problem),) = spool.begin_quiet(30.0)
    assert (job, problem) == (Job(read_key(images[0]), 2), None)


def test_a_spool_stays_full_over_a_start_until_a_study_is_forgotten(tmp_path):
    small = limits(spool_gib=4e-5, keep_hours=0.0)  # 43 kB; an image is 12 kB
    spool = Spool(tmp_path, small)
    for image in study(1)[:3]:
        receive(spool, image)
    ((job, _),) = spool.begin_quiet(10.0)
    spool.journal.finish(job, [], None)
    spool.journal.close()
    spool = Spool(tmp_path, small)
    with pytest.raises(OutputError, match="The spool is full"):
        receive(spool, study(2)[0])
    assert spool.forget_old(11.0) == 1
    assert all(receive(spool, image, at=12.0) for image in study(2)[:3])
    spool.journal.close()


def test_equal_numbers_of_two_issuers_are_two_patients(spool):
    images = study(1)
    for issuer, image in zip(("NORTH", "SOUTH"), images, strict=False):
        image.IssuerOfPatientID = issuer
        receive(spool, image)
    ((_, problem),) = spool.begin_quiet(10.0)
    assert problem == TWO_PATIENTS


def test_too_many_studies_wait_but_one_that_began_is_finished(tmp_path):
    spool = Spool(tmp_path, limits(waiting=2))
    first, second, third = (study(n) for n in (1, 2, 3))
    receive(spool, first[0])
    receive(spool, second[0])
    with pytest.raises(OutputError, match="waiting"):
        receive(spool, third[0])
    receive(spool, second[1])
    for job, _ in spool.begin_quiet(10.0):
        spool.journal.finish(job, [], None)
    assert receive(spool, third[0])
    spool.journal.close()


def test_what_a_kill_left_half_done_is_removed_and_the_rest_goes_on(tmp_path):
    spool = Spool(tmp_path, limits())
    images = study(1)
    for image in images[:2]:
        receive(spool, image)
    ((job, _),) = spool.begin_quiet(10.0)
    spool.journal.close()
    # Received in part; in place, but not written down: its sender was never told that it was taken.
    (tmp_path / "incoming" / "half").write_bytes(b"\0" * 5000)
    (tmp_path / "studies" / job.key / "unheard.dcm").write_bytes(b"x")
    (tmp_path / "studies" / "study-unheard").mkdir()
    (tmp_path / "jobs" / ".begun").mkdir()
    (tmp_path / "jobs" / "study-done").mkdir()
    again = Spool(tmp_path, limits())
    assert files(tmp_path / "incoming") == []
    assert len(files(tmp_path / "studies")) == 2
    assert not (tmp_path / "studies" / "study-unheard").exists()
    assert [path.name for path in (tmp_path / "jobs").iterdir()] == [job.case]
    assert again.journal.jobs() == [job]
    again.journal.close()


def test_a_job_that_lost_its_folder_gets_it_again(tmp_path):
    spool = Spool(tmp_path, limits())
    receive(spool, study(1)[0])
    ((job, _),) = spool.begin_quiet(10.0)
    spool.clear(job)
    spool.journal.close()
    again = Spool(tmp_path, limits())
    assert len(list(again.images(job).iterdir())) == 1
    again.journal.close()


def test_images_go_after_their_time_and_not_before(tmp_path):
    spool = Spool(tmp_path, limits(keep_hours=1.0))
    receive(spool, study(1)[0], at=0.0)
    receive(spool, study(2)[0], at=0.0)
    jobs = [job for job, _ in spool.begin_quiet(10.0)]
    spool.journal.finish(jobs[0], [], None)
    assert spool.forget_old(3600.0) == 0
    assert spool.forget_old(3601.0) == 1  # the other still waits
    assert {name.split(os.sep)[0] for name in files(tmp_path / "studies")} == {jobs[1].key}
    assert spool.journal.spooled_bytes() == sum(
        path.stat().st_size for path in (tmp_path / "studies").rglob("*.dcm")
    )
    spool.journal.close()


@pytest.mark.parametrize("missing", ["StudyInstanceUID", "SOPInstanceUID"])
def test_an_object_without_a_uid_is_not_understood(tmp_path, missing):
    image = study(1)[0]
    path = tmp_path / "one.dcm"
    image.save_as(path, enforce_file_format=True)
    assert read_label(path).study == "1.2.826.0.1.7.1"
    image[missing].value = ""
    image.preamble = b"\0" * 128
    image.save_as(path, enforce_file_format=False)
    with pytest.raises(InputError, match="no UID"):
        read_label(path)


def test_noise_is_not_understood(tmp_path):
    path = tmp_path / "one.dcm"
    path.write_bytes(b"\0" * 128 + b"DICM" + bytes(range(256)) * 20)
    with pytest.raises(InputError):
        read_label(path)


def test_a_study_whose_sender_was_cut_off_is_waited_for(tmp_path, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr("SarcopeniaAssessLib.archive.spool.time.monotonic", lambda: clock[0])
    spool = Spool(tmp_path, limits(interrupted_s=50.0))
    images = study(1)
    receive(spool, images[0])
    spool.interrupted([read_key(images[0])])
    assert spool.begin_quiet(10.0) == []
    clock[0] += 49.9
    assert spool.begin_quiet(60.0) == []
    receive(spool, images[1], at=60.0)  # it has come again: from now on the ordinary silence counts
    assert spool.begin_quiet(69.9) == []
    ((job, _),) = spool.begin_quiet(70.0)
    spool.journal.finish(job, [], None)
    # The end of the inbox cuts every sender off.
    receive(spool, images[2], at=80.0)
    spool.journal.close()
    again = Spool(tmp_path, limits(interrupted_s=50.0))
    assert again.begin_quiet(1e6) == []
    clock[0] += 50.1
    assert len(again.begin_quiet(1e6)) == 1
    again.journal.close()
