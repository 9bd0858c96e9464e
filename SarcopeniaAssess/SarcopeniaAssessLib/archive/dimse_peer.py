"""Results sent to an archive by C-STORE, one association for all that is due."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib.archive.encryption import client_context
from SarcopeniaAssessLib.archive.listener import require_pynetdicom
from SarcopeniaAssessLib.errors import InputError, OutputError

if TYPE_CHECKING:
    from SarcopeniaAssessLib.archive.settings import DimsePeer

SENT_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.66.4": "Segmentation Storage",
    "1.2.840.10008.5.1.4.1.1.88.34": "Comprehensive 3D SR Storage",
}
_SYNTAXES = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2")
_STORED = (0x0000, 0xB000, 0xB006, 0xB007)
"""Success, and the warnings with which an archive has stored the object (PS3.4 B.2.3)."""
_GATE_S = 5.0
UNREACHABLE = "check that the archive runs, and [send] host, port and AE titles on both sides"


class _Held(threading.Event):
    """A gate at which a thread stays, whoever opens it, until `let_go`."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = threading.Event()
        self._is_held = True

    def wait(self, timeout: float | None = None) -> bool:
        """Stay at the gate."""
        self.reached.set()
        return super().wait(timeout)

    def set(self) -> None:
        """Open it, once it is no longer held."""
        if not self._is_held:
            super().set()

    def let_go(self) -> None:
        """Open it."""
        self._is_held = False
        self.set()


@contextmanager
def undisturbed(association: Any) -> Iterator[None]:
    """Keep pynetdicom's own thread of an association from taking answers that are waited for here.

    It means to pause that thread for each request, but on a busy machine now and then misses the moment: the
    answer is thrown away, and the object would be sent twice.
    """
    gate = _Held()
    association._reactor_checkpoint = gate
    try:
        gate.reached.wait(_GATE_S)
        yield
    finally:
        gate.let_go()


class DimseSender:
    """Sends to one named application entity.

    Raises
    ------
    InputError
        pynetdicom is not installed, or a TLS file cannot be used.
    """

    def __init__(self, peer: DimsePeer) -> None:
        require_pynetdicom()
        self._peer = peer
        self._context = None if peer.tls is None else client_context(peer.tls)

    def send(self, files: Sequence[Path]) -> Iterator[str | None]:
        """For each file in turn `None` where the peer has it now, or why it refused.

        Raises
        ------
        OutputError
            The peer cannot be reached, or the connection was lost: nothing is known of the rest.
        """
        with self._association([*SENT_CLASSES]) as association:
            for file in files:
                yield self._send_one(association, file)

    def knock(self) -> None:
        """Ask the peer for an answer (C-ECHO), and whether it takes what will be sent.

        Raises
        ------
        OutputError
            It does not answer, refuses us, or does not take one of the objects.
        """
        with self._association([*SENT_CLASSES, "1.2.840.10008.1.1"]) as association:
            taken = {str(context.abstract_syntax) for context in association.accepted_contexts}
            missing = [name for uid, name in SENT_CLASSES.items() if uid not in taken]
            if missing:
                remedy = "allow it there for our AE title"
                raise OutputError(f"The archive does not take {' and '.join(missing)}", remedy)
            if "1.2.840.10008.1.1" in taken and association.send_c_echo().get("Status") != 0x0000:
                raise OutputError("The archive does not answer a C-ECHO", UNREACHABLE)

    @contextmanager
    def _association(self, classes: Sequence[str]) -> Iterator[Any]:
        from pynetdicom import AE

        peer = self._peer
        entity = AE(peer.calling)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = peer.timeout_s
        entity.connection_timeout = peer.timeout_s
        for each in classes:
            for syntax in _SYNTAXES:  # a context each, so that the peer may take both
                entity.add_requested_context(each, syntax)
        tls = None if self._context is None else (self._context, peer.host)
        try:
            association = entity.associate(peer.host, peer.port, ae_title=peer.ae_title, tls_args=tls)
        except OSError as error:  # a name that no server knows
            raise OutputError("The archive cannot be reached", UNREACHABLE) from error
        try:
            if association.is_rejected:
                raise OutputError("The archive refuses our association", UNREACHABLE)
            if not association.is_established:
                raise OutputError("The archive cannot be reached", UNREACHABLE)
            with undisturbed(association):
                yield association
                if association.is_established:
                    association.release()
        finally:
            if association.is_established:
                association.abort()

    def _send_one(self, association: Any, file: Path) -> str | None:
        if not association.is_established:
            raise OutputError("The connection to the archive was lost", UNREACHABLE)
        try:
            answer = association.send_c_store(_read(file))
        except ValueError:  # no context for it was accepted
            return "the archive does not take this kind of object"
        except RuntimeError as error:
            raise OutputError("The connection to the archive was lost", UNREACHABLE) from error
        status = answer.get("Status")
        if status is None:
            raise OutputError("The connection to the archive was lost", UNREACHABLE)
        return None if status in _STORED else f"the archive refused it (status {status:04X})"


def _read(file: Path) -> Any:
    from pydicom import dcmread

    try:
        return dcmread(file)
    except OSError as error:
        raise InputError("A result is no longer in its folder", "look for it") from error
