"""Who may send what, by real associations on loopback, and what is on the disk when Success is said."""

import socket
import struct
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("pynetdicom", reason="pynetdicom is not installed")

from SarcopeniaAssessLib.archive.listener import (
    NO_ROOM,
    NOT_UNDERSTOOD,
    OTHER_CLASS,
    Listener,
    transfer_syntaxes,
)
from SarcopeniaAssessLib.archive.settings import Limits, Listening, Settings
from SarcopeniaAssessLib.archive.spool import Spool, read_label
from SarcopeniaAssessLib.errors import InputError
from Testing.library.archive.archive_kit import OURS, PACS, SLICES, echo, send, study, wait_for
from Testing.library.ct_files import set_pixels


class Opened:
    """A listener with its spool, and what it says."""

    def __init__(self, folder: Path, limits=None, **listening):
        self.said: list[str] = []
        self.settings = Settings(
            folder / "spool",
            folder / "results",
            Listening(**{"callers": (PACS,), "port": 0, "timeout_s": 5.0, **listening}),
            replace(Limits(free_gib=0.0), **(limits or {})),
        )
        self.settings.spool.mkdir()
        self.spool = Spool(self.settings.spool, self.settings.limits)
        self.listener = Listener(self.settings, self.spool, self.said.append)
        self.port = self.listener.start()

    @property
    def stored(self) -> list[Path]:
        return sorted((self.settings.spool / "studies").rglob("*.dcm"))

    @property
    def left(self) -> list[Path]:
        return list((self.settings.spool / "incoming").iterdir())


@pytest.fixture
def opened(tmp_path):
    made = []

    def make(**given):
        made.append(Opened(tmp_path, **given))
        return made[-1]

    yield make
    for one in made:
        one.listener.stop()
        one.spool.journal.close()


def test_ct_of_a_listed_caller_is_on_the_disk_as_it_was_sent(opened):
    from pydicom import dcmread

    one, images = opened(), study(1)
    assert echo(one.port) == 0
    assert send(one.port, images) == [0] * SLICES
    found = {str(read.SOPInstanceUID): read for read in map(dcmread, one.stored)}
    assert len(found) == SLICES
    for image in images:
        read = found[str(image.SOPInstanceUID)]
        assert read == image
        assert read.file_meta.TransferSyntaxUID == image.file_meta.TransferSyntaxUID
    assert one.left == []


def test_the_same_study_sent_twice_is_there_once(opened):
    one, images = opened(), study(1)
    assert send(one.port, images) == send(one.port, images) == [0] * SLICES
    assert len(one.stored) == SLICES


@pytest.mark.parametrize(
    "who",
    [
        {"calling": "STRANGER"},
        {"calling": "pacs"},  # titles are told apart by capitals too
        {"called": "ANYTHING"},
    ],
    ids=str,
)
def test_unknown_titles_are_refused(opened, who):
    one = opened()
    assert echo(one.port, **who) is None
    assert send(one.port, study(1)[:1], **who) == [-2]
    assert one.stored == []
    assert "an association was refused" in one.said[0]
    assert len(one.said) == 1  # what repeats is not said again
    assert "STRANGER" not in one.said[0]  # a stranger's words are not put into the log


def test_an_address_that_is_not_named_is_refused(opened):
    one = opened(networks=("10.0.0.0/8",))
    assert echo(one.port) is None


def test_an_address_that_is_named_is_let_in(opened):
    assert echo(opened(networks=("10.0.0.0/8", "127.0.0.0/8")).port) == 0


def test_it_listens_on_loopback_alone(opened):
    one = opened()
    (address, *_), *_ = [server.server_address for server in [one.listener._server]]
    assert address == "127.0.0.1"


def test_other_kinds_of_objects_are_not_taken(opened):
    one, image = opened(), study(1)[0]
    image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"  # MR
    assert send(one.port, [image, *study(1)[1:3]]) == [-1, 0, 0]
    assert len(one.stored) == 2


def test_compressed_ct_is_taken_as_it_is(opened):
    from pydicom import dcmread
    from pydicom.uid import RLELossless

    one, image = opened(), study(1)[0]
    image.compress(RLELossless)
    assert send(one.port, [image]) == [0]
    assert dcmread(one.stored[0]).file_meta.TransferSyntaxUID == RLELossless
    assert "1.2.840.10008.1.2.1.99" not in transfer_syntaxes()  # deflated: nothing bounds it


def test_what_assess_can_decode_is_taken_and_nothing_else(monkeypatch):
    """Lossless JPEG is what archives keep CT in."""
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import JPEG2000Lossless, JPEGLosslessSV1

    assert {JPEGLosslessSV1, JPEG2000Lossless} < set(transfer_syntaxes())
    monkeypatch.setattr(get_decoder(JPEG2000Lossless), "_available", {"gdcm": print})  # not the one in use
    assert JPEG2000Lossless not in transfer_syntaxes()


def test_an_object_that_is_not_what_was_announced_is_refused(opened, monkeypatch):
    one, image = opened(), study(1)[0]
    image.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    from pynetdicom import dimse_primitives

    def announced(self, value):
        self._other = "1.2.3.4" if value else value

    monkeypatch.setattr(
        dimse_primitives.C_STORE,
        "AffectedSOPInstanceUID",
        property(lambda self: getattr(self, "_other", None), announced),
    )
    assert send(one.port, [image]) == [OTHER_CLASS]
    assert one.stored == one.left == []


def test_an_object_without_study_is_not_understood(opened):
    one, image = opened(), study(1)[0]
    image.StudyInstanceUID = ""
    assert send(one.port, [image]) == [NOT_UNDERSTOOD]
    assert one.stored == one.left == []
    assert one.said == ["an object was not taken: It has no UID of its own, of its class or of its study"]


def test_a_full_spool_tells_the_sender_to_come_again(opened):
    one = opened(limits={"spool_gib": 4e-5})  # 43 kB; an image is 12 kB
    assert send(one.port, study(1)) == [0, 0, 0, *[NO_ROOM] * (SLICES - 3)]
    assert len(one.stored) == 3
    assert one.left == []


def test_a_disk_that_refuses_is_no_success(opened, monkeypatch):
    one = opened()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("SarcopeniaAssessLib.archive.spool.os.fsync", full)
    assert send(one.port, study(1)[:1]) == [NO_ROOM]
    assert one.stored == one.left == []
    assert one.said == ["an object was not taken: the disk refuses (No space left on device)"]


def test_success_is_said_after_the_disk_has_it(opened, monkeypatch):
    """Of the file, of its folder, and of the journal; and in this order."""
    import os

    one, order = opened(), []
    real_sync, real_replace = os.fsync, os.replace
    received = one.spool.journal.received
    monkeypatch.setattr(
        "SarcopeniaAssessLib.archive.spool.os.fsync", lambda fd: order.append("sync") or real_sync(fd)
    )
    monkeypatch.setattr(
        "SarcopeniaAssessLib.archive.spool.os.replace",
        lambda *given: order.append("rename") or real_replace(*given),
    )
    monkeypatch.setattr(
        one.spool.journal, "received", lambda *given: order.append("journal") or received(*given)
    )
    assert send(one.port, study(1)[:1]) == [0]
    assert order == ["sync", "rename", "sync", "sync", "journal"]


def test_an_object_that_is_too_large_ends_the_association_and_leaves_nothing(opened):
    one, (image, other, *_) = opened(limits={"instance_mib": 1.0}), study(1)
    import numpy as np

    image.Rows = image.Columns = 1024
    set_pixels(image, np.zeros((1024, 1024)))
    assert send(one.port, [image]) == [-1]
    wait_for(lambda: one.left == [], 10)
    assert one.stored == []
    # Many objects that are small are not too large together.
    image.Rows = image.Columns = 512
    set_pixels(image, np.zeros((512, 512)))
    assert send(one.port, [image, image, image, other]) == [0] * 4


def test_a_pdu_of_four_gigabytes_is_not_read(opened):
    one = opened()
    with socket.create_connection(("127.0.0.1", one.port), 5) as caller:
        caller.sendall(struct.pack(">BBL", 1, 0, 2**32 - 1) + b"\0" * 1000)
        caller.settimeout(10)
        until = time.monotonic() + 4  # sooner than the timeout
        with suppress(ConnectionError):
            assert caller.recv(100)[:1] in (b"", b"\x07")  # closed, or aborted
        assert time.monotonic() < until
    assert echo(one.port) == 0


@pytest.mark.parametrize("sent", [b"", b"\x01\x00\x00", struct.pack(">BBL", 1, 0, 500) + b"\0" * 9], ids=len)
def test_who_says_nothing_more_is_cut_off(opened, sent):
    one = opened(timeout_s=1.0)
    with socket.create_connection(("127.0.0.1", one.port), 5) as caller:
        caller.sendall(sent)
        caller.settimeout(20)
        with suppress(ConnectionError):
            while caller.recv(100):
                pass
    wait_for(lambda: not one.listener._server.active_associations, 10)


@pytest.mark.parametrize(
    "noise", [b"GET / HTTP/1.1\r\n\r\n", b"\x04" * 40, bytes(range(256)) * 8], ids=["http", "data", "bytes"]
)
def test_noise_ends_its_connection_and_no_other(opened, noise):
    one = opened(timeout_s=2.0)
    with socket.create_connection(("127.0.0.1", one.port), 5) as caller:
        caller.sendall(noise)
        caller.settimeout(10)
        with suppress(ConnectionError):
            while caller.recv(100):
                pass
    assert echo(one.port) == 0


def test_no_more_associations_than_are_allowed(opened):
    from pynetdicom import AE

    one = opened(associations=2)
    entity = AE(PACS)
    entity.add_requested_context("1.2.840.10008.1.1")
    held = [entity.associate("127.0.0.1", one.port, ae_title=OURS) for _ in range(3)]
    assert [each.is_established for each in held] == [True, True, False]
    held[0].release()
    wait_for(lambda: echo(one.port) == 0, 10)
    held[1].release()


def test_several_at_once_lose_nothing(opened):
    one, told = opened(), {}
    threads = [
        threading.Thread(target=lambda n=n: told.update({n: send(one.port, study(n))})) for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told == {n: [0] * SLICES for n in range(4)}
    assert len(one.stored) == 4 * SLICES


def test_a_port_that_is_taken_is_told(opened, tmp_path):
    one = opened()
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(InputError, match="cannot be had"):
        Opened(other, port=one.port)


def test_pynetdicom_logs_nothing(opened, caplog, capfd):
    one = opened()
    send(one.port, study(1)[:1])
    echo(one.port, calling="STRANGER")
    assert caplog.text == ""
    said = capfd.readouterr()
    assert "PLANTED" not in said.out + said.err
    assert "1.2.826" not in said.out + said.err


@pytest.mark.parametrize("way", ["release", "abort", "lost", "refused"])
def test_only_who_has_said_that_it_is_done_is_not_waited_for(opened, way):
    from pynetdicom import AE

    room = 4e-5 if way == "refused" else 1.0  # 43 kB; an image is 12 kB
    one, images = opened(limits={"quiet_s": 0.01, "interrupted_s": 600.0, "spool_gib": room}), study(1)
    entity = AE(PACS)
    entity.add_requested_context(images[0].SOPClassUID, images[0].file_meta.TransferSyntaxUID)
    association = entity.associate("127.0.0.1", one.port, ae_title=OURS)
    for image in images[:4]:
        association.send_c_store(image)
    assert one.spool.begin_quiet(time.time() + 60) == []  # as long as it may bring more
    if way == "lost":
        association.dul.socket.socket.shutdown(socket.SHUT_RDWR)
    elif way == "abort":
        association.abort()
    else:
        association.release()
    wait_for(lambda: not one.listener._server.active_associations, 10)
    assert len(one.spool.begin_quiet(time.time() + 60)) == (way == "release")


def test_a_caller_who_has_gone_on_to_the_next_study_has_brought_the_one_before(opened):
    from pynetdicom import AE

    one, (first, *_), (second, *_) = opened(limits={"quiet_s": 0.01}), study(1), study(2)
    entity = AE(PACS)
    entity.add_requested_context(first.SOPClassUID, first.file_meta.TransferSyntaxUID)
    association = entity.associate("127.0.0.1", one.port, ae_title=OURS)
    for image in (first, second):
        association.send_c_store(image)
    begun = one.spool.begin_quiet(time.time() + 60)
    path = one.settings.spool / "incoming" / "first"
    first.save_as(path, enforce_file_format=True)
    assert [job.key for job, _ in begun] == [read_label(path).key]
    association.release()


def test_who_has_gone_before_the_disk_had_it_comes_again(opened, monkeypatch):
    """Its Success is never heard, so the study is not whole."""
    from SarcopeniaAssessLib.archive.server import Conversation

    one, (image, *_) = opened(limits={"quiet_s": 0.01, "interrupted_s": 600.0}), study(1)
    path = one.settings.spool / "incoming" / "one"
    image.save_as(path, enforce_file_format=True)
    gone, request = Conversation(2**20), SimpleNamespace()
    gone.over = True
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
    assert one.listener._take(path, request, gone) == 0
    assert len(one.stored) == 1
    assert one.spool.begin_quiet(time.time() + 60) == []
    assert one.spool._held == {}
