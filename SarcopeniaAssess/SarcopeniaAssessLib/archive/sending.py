"""Results are sent until the archive has them: each once, as far as its answers tell, tried again when not.

An object whose answer was lost is sent again with the same UID and the same bytes, which an archive
takes for the one it has.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from SarcopeniaAssessLib.errors import InputError, SarcopeniaError

if TYPE_CHECKING:
    from SarcopeniaAssessLib.archive.journal import Journal, Parcel
    from SarcopeniaAssessLib.archive.settings import DimsePeer, StowPeer

_AT_A_TIME = 100
_FIRST_WAIT_S, _LONGEST_WAIT_S = 5.0, 300.0
_LONGEST_REFUSED_WAIT_S = 3600.0
TRIES = 20
"""Refusals until an object is given up: about ten hours. A peer that is away is waited for without end."""
_GONE = "it is no longer in the output folder, or is another one now"


class Sender(Protocol):
    """A way to one archive."""

    def send(self, files: Sequence[Path]) -> Iterator[str | None]:
        """For each file `None` where the archive has it, or why it refused; cut off: `OutputError`."""

    def knock(self) -> None:
        """See whether it is there; raises `OutputError`."""


def sender_of(peer: DimsePeer | StowPeer) -> Sender:
    """The way to a peer; raises `InputError` where something for it is missing."""
    from SarcopeniaAssessLib.archive.settings import StowPeer as Stow

    if isinstance(peer, Stow):
        from SarcopeniaAssessLib.archive.stow_peer import StowSender

        return StowSender(peer)
    from SarcopeniaAssessLib.archive.dimse_peer import DimseSender

    return DimseSender(peer)


class Post:
    """Sends what the journal says is due, in a thread of its own, until `stop`.

    Parameters
    ----------
    sender:
        The way to the archive.
    journal, results:
        What is due, and the folder where it lies.
    say:
        Told what an administrator should see.
    """

    def __init__(self, sender: Sender, journal: Journal, results: Path, say: Callable[[str], None]) -> None:
        self._sender, self._journal, self._results, self._say = sender, journal, results, say
        self._stopping = threading.Event()
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name="inbox post", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the object that is under way."""
        self._stopping.set()
        self._thread.join()

    def send_due(self) -> int:
        """Send all that is due now, once; how many the archive has taken.

        Raises
        ------
        OutputError
            The archive cannot be reached; what it has not confirmed stays due.
        """
        due = self._journal.due(time.time(), _AT_A_TIME)
        files = [(parcel, self._file(parcel)) for parcel in due]
        for parcel, file in files:
            if file is None:
                self._refuse(parcel, _GONE, last=True)
        ready = [(parcel, file) for parcel, file in files if file is not None]
        if not ready:
            return 0
        taken = 0
        with closing(self._answers([file for _, file in ready])) as answers:
            for parcel, _ in ready:
                try:
                    refusal = next(answers)
                except Exception:
                    self._journal.put_off(parcel.uid, time.time())
                    raise
                if refusal is None:
                    self._journal.sent(parcel.uid)
                    taken += 1
                else:
                    self._refuse(parcel, refusal)
                if self._stopping.is_set():
                    break
        return taken

    def _answers(self, files: list[Path]) -> Any:
        return self._sender.send(files)

    def _run(self) -> None:
        wait_s = 0.0
        while not self._stopping.wait(wait_s):
            try:
                taken = self.send_due()
                if self._failures:
                    self._say("the archive answers again")
                self._failures, wait_s = 0, 0.0 if taken else 0.5
            except Exception as error:  # whatever it is, the thread is there for what comes
                wait_s = min(_FIRST_WAIT_S * 2 ** min(self._failures, 10), _LONGEST_WAIT_S)
                if not self._failures:
                    self._say(_told(error))
                self._failures += 1

    def _refuse(self, parcel: Parcel, problem: str, *, last: bool = False) -> None:
        """Try again later and later, but not for ever."""
        ends = last or parcel.tries + 1 >= TRIES
        wait_s = min(_FIRST_WAIT_S * 2**parcel.tries, _LONGEST_REFUSED_WAIT_S)
        self._journal.refused(parcel.uid, problem, None if ends else time.time() + wait_s)
        case = Path(parcel.place).parent.name
        if ends:
            self._say(
                f"{case}: {Path(parcel.place).name} is given up: {problem}; try it once more with --again"
            )
        elif parcel.tries == 0:
            self._say(f"{case}: {Path(parcel.place).name} is tried again later: {problem}")

    def _file(self, parcel: Parcel) -> Path | None:
        """The file of a parcel; `None` if it is gone or another one, which nobody has asked to send."""
        file = self._results / parcel.place
        try:
            return file if instance_uid(file) == parcel.uid else None
        except InputError:
            return None


def _told(error: Exception) -> str:
    if isinstance(error, SarcopeniaError):
        return f"{error.problem}; tried again until it answers; {error.remedy}"
    return f"nothing could be sent ({type(error).__name__}); tried again; report it"


def instance_uid(file: Path) -> str:
    """The UID of a DICOM file.

    Raises
    ------
    InputError
        It is none, or it is not there.
    """
    from pydicom import dcmread

    from SarcopeniaAssessLib.dicom_attributes import DAMAGED, breaches, quiet_pydicom

    with quiet_pydicom():
        try:
            return str(
                dcmread(file, specific_tags=["SOPInstanceUID"], stop_before_pixels=True).SOPInstanceUID
            )
        except breaches() as error:
            raise InputError(f"A result is a {DAMAGED}, or gone", "assess the study again") from error
