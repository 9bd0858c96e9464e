"""Volume nodes as CTs: at once from memory, and with what their files tell once a thread has read them.

Assess must come back to the event loop at once, and a hash of half a gigabyte takes seconds: so a CT is first
known by its place in this session, and its record waits for the file's hash. Slicer's event loop holds
Python's lock, so a thread would stand still beside it: a timer lets it work for part of the time.
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import slicer

from SarcopeniaAssessLib.patient import InputFacts, PatientFacts
from SarcopeniaAssessLib.slicer_bridge.nodes import ct_of, voxels_of, world_from_ijk
from SarcopeniaAssessLib.slicer_bridge.sources import FoundCt, Source, found_ct, source_of

if TYPE_CHECKING:
    from SarcopeniaAssessLib.volume import CtVolume

_LEND_EVERY_MS = 50
_LEND_S = 0.02
"""Short enough that nobody sees the window wait."""


@dataclass(eq=False)
class _Open:
    """One node's CT, and the thread that reads its files."""

    node: Any
    key: str
    ct: CtVolume
    source: Source
    found: FoundCt | None = None
    error: BaseException | None = None
    thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        try:
            self.found = found_ct(self.ct, self.source)
        except BaseException as error:
            self.error = error


class OpenCts:
    """The CTs of a scene by their nodes; a changed node is another CT."""

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}
        self._timer: Any = None

    def quick(self, volume_node: Any) -> CtVolume:
        """A node's CT from memory; `input.sha256` stands for its place in this session.

        The first call for a node begins to read its files, so call it when a CT is chosen. Errors as
        `nodes.ct_of`.
        """
        return self._of(volume_node).ct

    def known(self, volume_node: Any) -> CtVolume:
        """As `quick`, with the files' geometry and facts where they have been read already; never waits."""
        opened = self._of(volume_node)
        if opened.found is None:
            return opened.ct.with_patient(opened.source.facts)
        return replace(opened.found.ct, input=opened.ct.input)

    def wait(self, volume_node: Any) -> CtVolume:
        """The CT with all that is known of it, for its record; waits until its files are read."""
        return self._found(volume_node).ct

    def dicom(self, volume_node: Any) -> CtVolume:
        """The CT opened from its DICOM files, for results that refer to them; waits as `wait` does.

        Raises
        ------
        SarcopeniaError
            It has none, or they are not what the node shows.
        """
        found = self._found(volume_node)
        if found.dicom is None:
            assert found.refusal is not None
            raise found.refusal
        return found.dicom

    def facts(self, volume_node: Any) -> PatientFacts:
        """What DICOM tells of a node's patient, as far as it is known by now."""
        return self.known(volume_node).patient

    def files(self, volume_node: Any) -> tuple[str, ...]:
        """Paths of the files that a node was loaded from; empty where it was made or changed since."""
        return self._of(volume_node).source.files

    def shows(self, volume_node: Any, volume: CtVolume) -> bool:
        """Whether a node still holds the CT that `quick` or `known` gave."""
        return volume_node.GetImageData() is not None and _key(volume_node) == volume.input.sha256

    def forget(self) -> None:
        """Drop everything; nothing of it is waited for."""
        self._open.clear()
        self._stop_lending()

    def _found(self, volume_node: Any) -> FoundCt:
        opened = self._of(volume_node)
        opened.thread.join()
        if opened.error is not None:
            raise opened.error
        assert opened.found is not None
        return opened.found

    def _of(self, volume_node: Any) -> _Open:
        voxels_of(volume_node)
        key = _key(volume_node)
        opened = self._open.get(volume_node.GetID())
        if opened is None or opened.key != key or opened.node is not volume_node:
            self._open = {name: each for name, each in self._open.items() if each.node.GetScene() is not None}
            ct = replace(ct_of(volume_node), input=InputFacts("memory", key))
            opened = _Open(volume_node, key, ct, source_of(volume_node))
            self._open[volume_node.GetID()] = opened
            self._begin_lending()
        return opened

    def _begin_lending(self) -> None:
        if self._timer is not None or getattr(slicer, "app", None) is None:
            return
        import qt

        self._timer = qt.QTimer()
        self._timer.setInterval(_LEND_EVERY_MS)
        self._timer.timeout.connect(self._lend)
        self._timer.start()

    def _lend(self) -> None:
        reading = [opened.thread for opened in self._open.values() if opened.thread.is_alive()]
        if reading:
            reading[0].join(_LEND_S)
        else:
            self._stop_lending()

    def _stop_lending(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.stop()
            timer.timeout.disconnect(self._lend)
            timer.deleteLater()


def _key(volume_node: Any) -> str:
    """What changes with a node's voxels or place, and with nothing else: 64 hex digits, of this session."""
    image = volume_node.GetImageData()
    parts = (
        image.GetAddressAsString(""),
        image.GetPointData().GetScalars().GetAddressAsString(""),
        image.GetPointData().GetScalars().GetMTime(),
        image.GetDimensions(),
        world_from_ijk(volume_node).tobytes(),
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()
