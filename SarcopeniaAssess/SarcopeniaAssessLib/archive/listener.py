"""C-STORE and C-ECHO as a service: CT objects of named callers, on the disk before Success is said."""

from __future__ import annotations

import logging
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib.archive.encryption import server_context
from SarcopeniaAssessLib.archive.spool import read_label
from SarcopeniaAssessLib.dicom_attributes import DICOM_REMEDY, quiet_pydicom
from SarcopeniaAssessLib.errors import InputError, OutputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from SarcopeniaAssessLib.archive.server import Conversation
    from SarcopeniaAssessLib.archive.settings import Settings
    from SarcopeniaAssessLib.archive.spool import Spool

ARCHIVE_REMEDY = "install the `archive` extra: pip install 'sarcopenia-assess[archive]'"
_CT = "1.2.840.10008.5.1.4.1.1.2"
STORED_CLASSES = (_CT, f"{_CT}.1", f"{_CT}.2")
"""CT, Enhanced CT and Legacy Converted Enhanced CT Image Storage."""
UNCOMPRESSED = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2")
COMPRESSED = tuple(
    f"1.2.840.10008.1.2.{end}"
    for end in (
        "4.70",
        "4.57",
        "4.80",
        "4.90",
        "5",
        "4.50",
        "4.51",
        "4.81",
        "4.91",
        "4.201",
        "4.202",
        "4.203",
    )
)
"""Lossless first. Deflated is not taken: nothing bounds what it inflates to."""
SUCCESS, NO_ROOM, OTHER_CLASS, NOT_UNDERSTOOD = 0x0000, 0xA700, 0xA900, 0xC000
"""Status of C-STORE (PS3.4 B.2.3)."""


class Listener:
    """The service, between `start` and `stop`.

    Parameters
    ----------
    spool:
        Where objects go.
    say:
        Told in words what an administrator should see: no identity, UID or address is in them.

    Raises
    ------
    InputError
        pynetdicom is not installed, or a TLS file cannot be used.
    """

    def __init__(self, settings: Settings, spool: Spool, say: Callable[[str], None]) -> None:
        require_pynetdicom()
        self._settings, self._spool, self._say = settings, spool, say
        tls = settings.listen.tls
        self._context = None if tls is None else server_context(tls)
        self._server: Any = None
        self._told = _Repeats(say)

    def start(self) -> int:
        """Listen from now on.

        Returns
        -------
        The port.

        Raises
        ------
        InputError
            Address and port cannot be had.
        """
        # Large objects go to files, and those into the spool: it is private, on the same disk, and cleaned.
        from pynetdicom import _config

        from SarcopeniaAssessLib.archive.server import BoundedServer

        _config.STORE_RECV_CHUNKED_DATASET = True
        tempfile.tempdir = str(self._spool.incoming)
        listen = self._settings.listen
        try:
            server = self._entity().make_server(
                (listen.address, listen.port),
                ae_title=listen.ae_title,
                ssl_context=self._context,
                evt_handlers=self._handlers(),
                server_class=BoundedServer,
                listening=listen,
                most_bytes=self._settings.limits.instance_bytes,
            )
        except OSError as error:
            raise InputError(
                f"[listen] address and port cannot be had ({error.strerror or 'error'})",
                "give others, or end the program that has them",
            ) from error
        self._server = server
        server.ae._servers.append(server)  # where its `shutdown` looks for it
        threading.Thread(target=server.serve_forever, args=(0.1,), name="inbox listener", daemon=True).start()
        return int(server.server_address[1])

    def stop(self) -> None:
        """Listen no more; whoever is sending is cut off, and was not told Success for what is not here."""
        if self._server is not None:
            server, self._server = self._server, None
            associations = server.active_associations
            server.shutdown()
            for association in associations:
                association.abort()
            tempfile.tempdir = None

    def _entity(self) -> Any:
        from pynetdicom import AE
        from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

        from SarcopeniaAssessLib.archive.server import LARGEST_PDU

        listen = self._settings.listen
        entity = AE(listen.ae_title)
        entity.require_calling_aet = list(listen.callers)
        entity.require_called_aet = True
        entity.maximum_associations = listen.associations
        entity.maximum_pdu_size = LARGEST_PDU
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = listen.timeout_s
        entity.add_supported_context(Verification)
        for each in STORED_CLASSES:
            entity.add_supported_context(each, list(transfer_syntaxes()))
        return entity

    def _handlers(self) -> list[Any]:
        from pynetdicom import evt

        return [
            (evt.EVT_C_ECHO, lambda _: SUCCESS),
            (evt.EVT_C_STORE, self._stored),
            (evt.EVT_DIMSE_RECV, lambda event: event.assoc.conversation.restart()),
            (evt.EVT_PDU_RECV, _released),
            (evt.EVT_REJECTED, self._rejected),
            (evt.EVT_CONN_CLOSE, self._closed),
        ]

    def _stored(self, event: Any) -> int:
        """One object: status of its C-STORE. pynetdicom removes the file afterwards, where it still lies."""
        path = getattr(event.request, "_dataset_path", None)
        if path is None:
            return NOT_UNDERSTOOD
        try:
            return self._take(Path(path), event.request, event.assoc.conversation)
        except InputError as error:
            self._told.say(f"an object was not taken: {error.problem}")
            return NOT_UNDERSTOOD
        except OutputError as error:
            self._told.say(f"an object was not taken: {error.problem}")
            return NO_ROOM
        except OSError as error:
            self._told.say(f"an object was not taken: the disk refuses ({error.strerror or 'error'})")
            return NO_ROOM

    def _take(self, path: Path, request: Any, conversation: Conversation) -> int:
        label = read_label(path)
        if (label.sop_class, label.uid) != (request.AffectedSOPClassUID, request.AffectedSOPInstanceUID):
            self._told.say("an object was not taken: it is not what its sender announced")
            return OTHER_CLASS
        for other in conversation.studies - {label.key}:
            self._spool.leave(other, conversation)
        conversation.studies.add(label.key)
        self._spool.hold(label.key, conversation)
        try:
            self._spool.take(path, label, time.time())
        except (OSError, OutputError):
            self._spool.interrupted([label.key])  # what was not taken will come again
            raise
        if conversation.over:
            self._spool.interrupted([label.key])  # its caller never hears of this Success
            self._spool.leave(label.key, conversation)
        return SUCCESS

    def _rejected(self, event: Any) -> None:
        title = str(event.assoc.requestor.ae_title or "")
        known = title in self._settings.listen.callers
        words = "too many at a time, or another called AE title" if known else "its AE title is not listed"
        self._told.say(f"an association was refused: {words}")

    def _closed(self, event: Any) -> None:
        """Remove what was half received when a connection ended; what it brought may not be all."""
        conversation = event.assoc.conversation
        conversation.over = True
        if not conversation.released:
            self._spool.interrupted(list(conversation.studies))
        for key in list(conversation.studies):
            self._spool.leave(key, conversation)
        message = event.assoc.dimse.message
        path = getattr(message, "_data_set_path", None)
        if path is not None:
            self._spool.discard(Path(path))


class _Repeats:
    """Says a sentence at once, and what repeats within a minute not again: a caller must not fill the log."""

    def __init__(self, say: Callable[[str], None], every_s: float = 60.0) -> None:
        self._say, self._every_s = say, every_s
        self._last: dict[str, float] = {}
        self._kept: Counter[str] = Counter()
        self._lock = threading.Lock()

    def say(self, words: str) -> None:
        """Say it, or keep it."""
        with self._lock:
            now = time.monotonic()
            if now - self._last.get(words, -self._every_s) < self._every_s:
                self._kept[words] += 1
                return
            self._last[words] = now
            more = self._kept.pop(words, 0)
        self._say(f"{words} ({more} more like it before)" if more else words)


def _released(event: Any) -> None:
    """Heard in the thread that also hears the connection close, so never after it."""
    if type(event.pdu).__name__ == "A_RELEASE_RQ":
        event.assoc.conversation.released = True


def transfer_syntaxes() -> tuple[str, ...]:
    """Those whose pixels can be decoded here, uncompressed first."""
    from SarcopeniaAssessLib.dicom_pixels import is_decoded

    return (*UNCOMPRESSED, *(each for each in COMPRESSED if is_decoded(each)))


def require_pynetdicom() -> None:
    """Import pynetdicom and silence it: what it logs quotes names and UIDs.

    Raises
    ------
    InputError
        It or pydicom is not installed.
    """
    try:
        import pynetdicom
    except ModuleNotFoundError as error:
        remedy = DICOM_REMEDY if error.name == "pydicom" else ARCHIVE_REMEDY
        raise InputError("The inbox needs pynetdicom, which is not installed", remedy) from error
    quiet_pydicom()
    pynetdicom._config.LOG_HANDLER_LEVEL = "none"
    logger = logging.getLogger("pynetdicom")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    logger.setLevel(logging.CRITICAL + 1)
