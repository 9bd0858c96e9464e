"""Results go out until the archive has them: refusals, lost answers, an archive that is away."""

import threading
import time

import pytest

pytest.importorskip("pynetdicom", reason="pynetdicom is not installed")

from SarcopeniaAssessLib.archive.dimse_peer import DimseSender
from SarcopeniaAssessLib.archive.journal import FILE, Job, Journal, Parcel
from SarcopeniaAssessLib.archive.sending import TRIES, Post
from SarcopeniaAssessLib.archive.settings import DimsePeer
from SarcopeniaAssessLib.dicom_results import REPORT_SR, SEGMENTATION
from SarcopeniaAssessLib.errors import OutputError
from Testing.library.archive.archive_kit import PACS, free_port, start_peer, wait_for
from Testing.library.dicom_cases import assessed, write, write_ct


class Sending:
    """A case with its two files, due in a journal, and what is said of them."""

    def __init__(self, folder, case, port):
        self.results, self.said = case.parent, []
        self.journal = Journal(folder / FILE)
        from pydicom import dcmread

        self.uids = [str(dcmread(case / name).SOPInstanceUID) for name in (SEGMENTATION, REPORT_SR)]
        parcels = [
            Parcel(uid, f"one/{name}") for uid, name in zip(self.uids, (SEGMENTATION, REPORT_SR), strict=True)
        ]
        self.journal.finish(Job("one", 1), parcels, None)
        self.peer = DimsePeer(PACS, "127.0.0.1", port, timeout_s=5.0)
        self.post = Post(DimseSender(self.peer), self.journal, self.results, self.said.append)

    @property
    def counts(self):
        return dict(self.journal.counts()["parcel"])


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    folder = tmp_path_factory.mktemp("case")
    return write(folder / "results" / "one", assessed(write_ct(folder / "ct")), keep_identity=True)


@pytest.fixture
def sending(tmp_path, case):
    made = []

    def make(port):
        made.append(Sending(tmp_path, case, port))
        return made[-1]

    yield make
    for one in made:
        one.journal.close()


@pytest.fixture
def pacs(tmp_path):
    made = []

    def make(**given):
        made.append(start_peer(tmp_path / "pacs", **given))
        return made[-1]

    yield make
    for peer in made:
        peer.kill()


def test_each_is_sent_once_as_it_lies_there(sending, pacs, case):
    from pydicom import dcmread

    peer = pacs()
    one = sending(peer.port)
    assert one.post.send_due() == 2
    assert one.post.send_due() == 0
    assert peer.taken == dict.fromkeys(one.uids, 1)
    assert one.counts == {"done": 2}
    arrived = {str(each.SOPInstanceUID): each for each in peer.objects()}
    for uid, name in zip(one.uids, (SEGMENTATION, REPORT_SR), strict=True):
        assert arrived[uid] == dcmread(case / name)


def test_a_refused_one_is_tried_again_later_and_later(sending, pacs):
    peer = pacs(refuse=1, status=0xA700)
    one = sending(peer.port)
    assert one.post.send_due() == 1
    assert one.counts == {"done": 1, "waiting": 1}
    assert one.post.send_due() == 0  # not yet
    (later,) = one.journal.due(time.time() + 5.0, 9)
    assert later.tries == 1
    assert one.said == ["one: muscle.seg.dcm is tried again later: the archive refused it (status A700)"]


def test_what_is_stored_with_a_remark_is_stored(sending, pacs):
    one = sending(pacs(refuse=1, status=0xB007).port)
    assert one.post.send_due() == 2
    assert one.counts == {"done": 2}


def test_who_refuses_for_hours_is_no_longer_asked(sending, pacs):
    peer = pacs(refuse=9, status=0xC123)
    one = sending(peer.port)
    for _ in range(TRIES - 1):
        one.journal.refused(one.uids[0], "no", next_at=0.0)
    one.post.send_due()
    assert one.counts == {"failed": 1, "waiting": 1}
    assert any(
        "muscle.seg.dcm is given up: the archive refused it (status C123)" in each for each in one.said
    )


def test_an_archive_that_takes_no_segmentations_gets_the_report(sending, pacs):
    from Testing.library.archive.archive_kit import SR_CLASS

    peer = pacs(classes=[SR_CLASS])
    one = sending(peer.port)
    assert one.post.send_due() == 1
    assert list(peer.taken) == [one.uids[1]]
    with pytest.raises(OutputError, match="does not take Segmentation Storage"):
        DimseSender(one.peer).knock()


def test_a_lost_answer_sends_the_same_once_more_and_nothing_else(sending, pacs):
    peer = pacs(drop=1)
    one = sending(peer.port)
    with pytest.raises(OutputError, match="lost"):
        one.post.send_due()
    assert one.counts == {"waiting": 2}
    peer = pacs(port=peer.port)
    assert one.post.send_due() == 2
    assert peer.taken == {one.uids[0]: 2, one.uids[1]: 1}
    assert len(peer.objects()) == 2


def test_one_that_ends_the_connection_each_time_holds_nobody_up(sending, pacs):
    peer = pacs(drop=1)
    one = sending(peer.port)
    for _ in range(2):  # an archive that dies of whatever comes first
        with pytest.raises(OutputError, match="lost"):
            one.post.send_due()
        peer = pacs(port=peer.port, drop=1)
    assert peer.taken == dict.fromkeys(one.uids, 1)


@pytest.mark.parametrize("failures", [0, 5000])
def test_whatever_happens_the_post_goes_on(tmp_path, case, monkeypatch, failures):
    """Also after so many vain tries that a power of two of them is no number any more."""
    monkeypatch.setattr("SarcopeniaAssessLib.archive.sending._LONGEST_WAIT_S", 0.01)
    one, tried = Sending(tmp_path, case, free_port()), []

    class Odd:
        def send(self, files):
            tried.append(len(files))
            if len(tried) < 3:
                raise KeyError("something planted")
            yield from [None] * len(files)

    one.post._sender, one.post._failures = Odd(), failures
    one.post.start()
    wait_for(lambda: one.counts == {"done": 2}, 10)
    one.post.stop()
    first = [] if failures else ["nothing could be sent (KeyError); tried again; report it"]
    assert one.said == [*first, "the archive answers again"]
    one.journal.close()


def test_an_archive_that_is_away_is_waited_for(sending, pacs):
    port = free_port()
    one = sending(port)
    one.post.start()
    wait_for(lambda: one.said, 30)
    assert one.said[0].startswith("The archive cannot be reached; tried again until it answers")
    peer = pacs(port=port)
    wait_for(lambda: len(peer.taken) == 2, 60)
    one.post.stop()
    assert one.said[1:] == ["the archive answers again"]
    assert one.journal.counts()["parcel"] == {"done": 2}


@pytest.mark.parametrize("change", ["gone", "another"])
def test_a_file_that_is_not_what_was_written_is_not_sent(tmp_path, case, pacs, change):
    import shutil

    results = tmp_path / "results"
    shutil.copytree(case.parent, results)
    peer = pacs()
    one = Sending(tmp_path, results / "one", peer.port)
    if change == "gone":
        (results / "one" / SEGMENTATION).unlink()
    else:
        shutil.copy(results / "one" / REPORT_SR, results / "one" / SEGMENTATION)
    assert one.post.send_due() == 1
    assert peer.taken == {one.uids[1]: 1}
    assert one.counts == {"done": 1, "failed": 1}
    assert "is given up: it is no longer in the output folder" in one.said[0]
    one.journal.close()


def test_the_peer_is_knocked_at(pacs):
    peer = pacs()
    DimseSender(DimsePeer(PACS, "127.0.0.1", peer.port, timeout_s=5.0)).knock()
    with pytest.raises(OutputError, match="refuses our association"):
        DimseSender(DimsePeer("OTHER", "127.0.0.1", peer.port, timeout_s=5.0)).knock()


def test_sending_ends_when_it_is_told_to(sending):
    one = sending(free_port())
    one.post.start()
    wait_for(lambda: one.said, 30)
    thread = threading.Thread(target=one.post.stop)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
