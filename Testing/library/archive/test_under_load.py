"""100 studies by several associations at once, with both sides killed: nothing lost, nothing doubled.

Slow. What it measured is printed (`pytest -m slow -s`), and stands in docs/inbox.md.
"""

import os
import random
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("pynetdicom", reason="pynetdicom is not installed")

from SarcopeniaAssessLib.__main__ import cli, run_group
from SarcopeniaAssessLib.archive.inbox import standing
from SarcopeniaAssessLib.archive.settings import read_settings
from Testing.library.archive import orthanc_kit
from Testing.library.archive.archive_kit import (
    SEG_CLASS,
    SLICES,
    SR_CLASS,
    Running,
    free_port,
    send,
    send_section,
    start_peer,
    study,
    wait_for,
    write_settings,
)
from Testing.library.small_case import write_model

STUDIES, SENDERS, KILLS = int(os.environ.get("INBOX_STUDIES", "100")), 4, 5

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def nothing_left(monkeypatch):
    """Whatever a test has started ends with it."""
    started, real = [], subprocess.Popen.__init__

    def begin(process, *given, **options):
        real(process, *given, **options)
        started.append(process)

    monkeypatch.setattr(subprocess.Popen, "__init__", begin)
    yield
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "everything.safetensors")


class Modality(threading.Thread):
    """Sends its studies as an archive does: what was not told Success is sent again until it is."""

    def __init__(self, port: int, numbers: list[int]):
        super().__init__(daemon=True)
        self._port, self._numbers, self.images, self.repeated = port, numbers, 0, 0

    def run(self):
        for number in self._numbers:
            left = study(number)
            while left:
                told = send(self._port, left)
                self.images += sum(status == 0 for status in told)
                left = [image for image, status in zip(left, told, strict=True) if status != 0]
                if left:
                    self.repeated += len(left)
                    time.sleep(0.2)


def result_of_each_study(objects) -> Counter:
    return Counter((str(one.StudyInstanceUID), str(one.SOPClassUID)) for one in objects)


EXACTLY = {
    (f"1.2.826.0.1.7.{number}", kind): 1 for number in range(STUDIES) for kind in (SEG_CLASS, SR_CLASS)
}


def test_a_pacs_of_pynetdicom_with_both_sides_killed(tmp_path, model):
    port, random_ = free_port(), random.Random(8)
    pacs = start_peer(tmp_path / "pacs")
    settings = write_settings(tmp_path, model, send_section(pacs.port), listen={"port": port})
    inbox, started = Running(settings), time.monotonic()
    senders = [Modality(port, list(range(n, STUDIES, SENDERS))) for n in range(SENDERS)]
    for sender in senders:
        sender.start()
    killed_at = []

    def made() -> int:
        return len(list((tmp_path / "results").glob("study-*/assessment.json")))

    for kill in range(KILLS):
        # At a random moment: while studies come in first, while they are assessed and sent later on.
        wait_for(lambda kill=kill: made() >= kill * STUDIES // (KILLS + 1), 1200)
        time.sleep(random_.uniform(0, 2))
        killed_at.append(made())
        inbox.kill()
        if kill % 2:
            pacs.kill()
            pacs = start_peer(tmp_path / "pacs", port=pacs.port)
        inbox = Running(settings)
    for sender in senders:
        sender.join(600)
        assert not sender.is_alive()
    received_s = time.monotonic() - started
    wait_for(lambda: len(list(pacs.folder.glob("*.dcm"))) >= 2 * STUDIES, 1800)
    spent_s = time.monotonic() - started
    wait_for(lambda: standing(read_settings(settings)).results == {"done": 2 * STUDIES}, 60)
    time.sleep(3)  # for what should not come
    assert inbox.end() == 0
    pacs.kill()
    assert result_of_each_study(pacs.objects()) == EXACTLY
    assert len(list((tmp_path / "results").glob("study-*"))) == STUDIES
    assert run_group(cli, ["verify", str(tmp_path / "results")]) == 0
    again = sum(count - 1 for count in pacs.taken.values())
    repeated = sum(sender.repeated for sender in senders)
    print(
        f"\n{STUDIES} studies, {STUDIES * SLICES} images by {SENDERS} senders at once; inbox killed after "
        f"{killed_at} results, PACS killed {KILLS // 2} times; all received after {received_s:.0f} s, "
        f"all back after {spent_s:.0f} s; {repeated} images offered again by their senders; "
        f"{again} results stored again with equal UID after a lost answer"
    )
    assert again <= KILLS  # one at most is under way when a side is killed


@pytest.mark.parametrize("way", ["C-STORE", "STOW-RS"])
def test_orthanc_sends_its_studies_and_has_the_results(tmp_path, model, way):
    """Orthanc → inbox → Orthanc, all by its own queue of jobs; the inbox is killed, then Orthanc."""
    orthanc_kit.require()
    port, many = free_port(), 20 if way == "STOW-RS" else STUDIES
    orthanc = orthanc_kit.start(tmp_path / "orthanc", port)
    for number in range(many):
        assert send(orthanc.port, study(number), calling="MODALITY", called="PACS") == [0] * SLICES
    (tmp_path / "password").write_text(orthanc_kit.PASSWORD, encoding="utf-8")
    stow = f'[stow]\nurl = "{orthanc.dicomweb}"\nuser = "{orthanc_kit.USER}"\npassword_file = "password"\n'
    peer = stow if way == "STOW-RS" else send_section(orthanc.port)
    settings = write_settings(tmp_path, model, peer, listen={"port": port})
    inbox, started = Running(settings), time.monotonic()
    # As a routing rule does: every study to the inbox, each as a job that Orthanc repeats if it fails.
    jobs = [
        orthanc.ask("/modalities/inbox/store", {"Resources": [one], "Asynchronous": True})["ID"]
        for one in orthanc.ask("/studies")
    ]
    wait_for(lambda: len(list((tmp_path / "results").glob("study-*/assessment.json"))) >= many // 4, 1200)
    inbox.kill()
    time.sleep(2)
    inbox = Running(settings)
    wait_for(lambda: sent_all(orthanc, jobs), 1200)
    ports = (orthanc.port, orthanc.http_port)
    orthanc.kill()
    time.sleep(2)
    orthanc = orthanc_kit.start(tmp_path / "orthanc", port, ports)
    found = wait_for(lambda: (now := orthanc.kinds()).get("SR", 0) >= many and now, 1800)
    spent_s = time.monotonic() - started
    wait_for(lambda: standing(read_settings(settings)).results == {"done": 2 * many}, 400)
    assert inbox.end() == 0
    assert orthanc.kinds() == {"CT": many * SLICES, "SEG": many, "SR": many}
    each = [one["Series"] for one in orthanc.ask("/studies?expand")]
    assert [len(series) for series in each] == [3] * many
    orthanc.kill()
    assert run_group(cli, ["verify", str(tmp_path / "results")]) == 0
    print(f"\nOrthanc, results by {way}: {many} studies back after {spent_s:.0f} s, {found}")


def sent_all(orthanc, jobs) -> bool:
    """Whether Orthanc has sent every study; a job that failed while the inbox was away is submitted again."""
    states = {job: orthanc.ask(f"/jobs/{job}")["State"] for job in jobs}
    for job, state in states.items():
        if state == "Failure":
            orthanc.ask(f"/jobs/{job}/resubmit", {})
    return all(state == "Success" for state in states.values())
