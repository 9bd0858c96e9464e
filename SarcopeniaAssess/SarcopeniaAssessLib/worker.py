"""The warm worker: a process that keeps the model between clicks.

    python -m SarcopeniaAssessLib worker        the same, where click is installed, as
    python -m SarcopeniaAssessLib.worker        which needs what drawing needs, and nothing else

It reads requests from standard input and answers on standard output (`worker_protocol`); whatever libraries
print goes to standard error. It ends with its input, which its parent's end closes, and after idling.
"""

from __future__ import annotations

import argparse
import os
import platform
import queue
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from SarcopeniaAssessLib import __version__, worker_lines
from SarcopeniaAssessLib.worker_process import end_own_group

if TYPE_CHECKING:
    from SarcopeniaAssessLib.assessment import Drawing
    from SarcopeniaAssessLib.level import Level
    from SarcopeniaAssessLib.models import SegmentationModel
    from SarcopeniaAssessLib.worker_protocol import DrawRequest

IDLE_S = 600.0
ALIVE_EVERY_S = 0.5


class Tell(Protocol):
    """Takes the fraction done, 0…1, what is going on, in words, and the device once it is chosen."""

    def __call__(self, fraction: float, text: str, device: str | None = None) -> None:
        """Tell it to whoever listens."""


class Bench:
    """Does the work, in the worker's process or in this one; keeps the model that it used last."""

    def __init__(self) -> None:
        self._key: tuple[Any, ...] | None = None
        self._loaded: tuple[SegmentationModel, str] | None = None

    def draw(self, request: DrawRequest, tell: Tell) -> Drawing:
        """The muscle on a question's slice; errors as `assessment.draw` and `models.load_model`."""
        from SarcopeniaAssessLib import assessment
        from SarcopeniaAssessLib.errors import DeviceError

        model, device = self._model(request, tell)
        tell(0.35, "Cutting out the slices", device)
        question = request.question
        expected = _calls_expected(question, model)
        counting = replace(model, network=_Counting(model.network, expected, tell))
        try:
            drawing = assessment.draw(question, counting, device)
        except DeviceError:
            self.forget()
            raise
        return replace(drawing, model=model)

    def find_level(self, volume: Any, tell: Tell) -> Level:
        """L3 of a CT; errors as `level.find_level`."""
        tell(0.1, "Loading the network that finds L3")
        from SarcopeniaAssessLib.level import find_level

        _import_torch()
        tell(0.3, "Looking for L3")
        return find_level("auto", volume)

    def hello(self, tell: Tell) -> dict[str, Any]:
        """Versions and devices: `devices` is a list of {name, title}, `auto` the name that `auto` takes."""
        tell(0.1, "Loading the software")
        torch = _import_torch()
        from SarcopeniaAssessLib.segmentation import choose_device

        gpus = [(f"cuda:{n}", torch.cuda.get_device_name(n)) for n in range(torch.cuda.device_count())]
        mps = [("mps", "Apple GPU")] if torch.backends.mps.is_available() else []
        found = [("cpu", f"CPU, {torch.get_num_threads()} threads"), *gpus, *mps]
        auto = choose_device("auto")
        return {
            "library": __version__,
            "python": platform.python_version(),
            "torch": str(torch.__version__),
            "devices": [{"name": name, "title": title} for name, title in found],
            "auto": gpus[0][0] if auto == "cuda" else auto,
        }

    def forget(self) -> None:
        """Let the model go, and what its device kept for it."""
        self._key = self._loaded = None
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _model(self, request: DrawRequest, tell: Tell) -> tuple[SegmentationModel, str]:
        from SarcopeniaAssessLib.models import load_model, untiled
        from SarcopeniaAssessLib.segmentation import choose_device

        key = (request.model, _stamp(request.model), request.device, request.untiled)
        if self._loaded is None or key != self._key:
            self.forget()
            tell(0.05, "Loading the software")
            _import_torch()
            device = choose_device(request.device)
            tell(0.3, "Loading the model", device)
            model = load_model(request.model, device)
            self._loaded = (untiled(model) if request.untiled else model), device
            self._key = key
        return self._loaded


@dataclass
class _Counting:
    """A network that tells how far it is; everything else is the network's own."""

    network: Any
    expected: int
    tell: Tell
    calls: int = 0

    def __call__(self, image: Any) -> Any:
        return self.network(image)

    def slice_logits(self, image: Any, k: int) -> Any:
        """The network's own."""
        done = min(self.calls, self.expected - 1)
        text = f"The network looks at the slices, part {done + 1} of {self.expected}"
        self.tell(0.4 + 0.55 * done / self.expected, text)
        self.calls += 1
        return self.network.slice_logits(image, k)

    def state_dict(self) -> Any:
        """The network's own."""
        return self.network.state_dict()


def _calls_expected(question: Any, model: SegmentationModel) -> int:
    """How often the network will be called: once a slice, or once a window of it, air included."""
    import math

    from SarcopeniaAssessLib.preprocessing import SlabPreset
    from SarcopeniaAssessLib.tiling import window_starts

    volume, preset = question.volume, SlabPreset.from_mapping(model.entry.preprocessing)
    k = question.level.slice_from_feet
    wanted = {k - 1, k, k + 1, *(each.slice_from_feet for each in question.level.alternatives)}
    slices = len(wanted & set(range(volume.slice_count)))
    if preset.tile is None:
        return slices
    sides = (
        math.ceil(count * step_mm / preset.in_plane_mm)
        for count, step_mm in zip(volume.canonical_shape[:2], volume.pixel_mm, strict=True)
    )
    return slices * math.prod(len(window_starts(max(side, preset.tile), preset.tile)) for side in sides)


def _stamp(model: str | Path | None) -> tuple[int, int] | None:
    """When a model's file was written, and its size: another file under the same name is another model."""
    from SarcopeniaAssessLib.errors import SarcopeniaError
    from SarcopeniaAssessLib.models import default_model_name, model_entry, weights_path

    try:
        is_file = model is not None and Path(model).is_file()
        path = Path(str(model)) if is_file else weights_path(model_entry(str(model or default_model_name())))
        facts = path.stat()
    except (SarcopeniaError, OSError):
        return None  # told by load_model, with its reason
    return facts.st_mtime_ns, facts.st_size


def _import_torch() -> Any:
    import torch

    return torch


class _Channel:
    """The way to the parent, and the pulse that tells it that this process is not stuck."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._descriptor = os.dup(1)
        os.dup2(2, 1)  # what libraries print is no line of ours
        sys.stdout = sys.stderr
        self._lock = threading.Lock()
        self._busy_with: int | None = None
        threading.Thread(target=self._pulse, daemon=True).start()

    def say(self, **words: Any) -> None:
        """Send one line; a parent that hears no more is gone, and this process with it."""
        data = worker_lines.line(words)
        with self._lock:
            try:
                while data:
                    data = data[os.write(self._descriptor, data) :]
            except OSError:
                _leave(self._folder)

    def begin(self, request: int) -> None:
        """Work on a request begins: tell now and then that it goes on."""
        self._busy_with = request

    def end(self) -> None:
        """Nothing is worked on."""
        self._busy_with = None

    def _pulse(self) -> None:
        wait = threading.Event()
        while True:
            wait.wait(ALIVE_EVERY_S)
            if (request := self._busy_with) is not None:
                self.say(**{"is": "alive", "id": request})


def serve(folder: Path | None = None, idle_s: float = IDLE_S) -> int:
    """Answer requests until there will be no more.

    Parameters
    ----------
    folder:
        The exchange folder of a parent that has put this process into a group of its own. Where that parent
        is killed, the worker removes the folder and ends the group.
    idle_s:
        Seconds without a request after which the worker ends.

    Returns
    -------
    The exit status: 0.
    """
    channel = _Channel(folder)
    requests: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=_listen, args=(requests, folder), daemon=True).start()
    bench = Bench()
    channel.say(**{"is": "ready", "protocol": worker_lines.PROTOCOL, "pid": os.getpid()})
    while True:
        try:
            wire = worker_lines.message(requests.get(timeout=idle_s))
        except queue.Empty:
            return 0
        if wire["do"] == "shutdown":
            return 0
        channel.begin(wire["id"])
        answer = _answer(bench, wire, channel)
        channel.end()
        channel.say(**answer, id=wire["id"])


def _answer(bench: Bench, wire: dict[str, Any], channel: _Channel) -> dict[str, Any]:
    def tell(fraction: float, text: str, device: str | None = None) -> None:
        channel.say(
            **{"is": "progress", "id": wire["id"], "fraction": fraction, "text": text, "device": device}
        )

    try:
        from SarcopeniaAssessLib import worker_protocol as protocol

        request = protocol.request_from_wire(wire)
        if isinstance(request, protocol.HelloRequest):
            return {"is": "answer", **bench.hello(tell)}
        if isinstance(request, protocol.LevelRequest):
            return {"is": "answer", "level": protocol.level_to_wire(bench.find_level(request.volume, tell))}
        drawing = bench.draw(request, tell)
        return {"is": "answer", **protocol.drawing_to_wire(drawing, Path(wire["answer"]))}
    except Exception as error:
        return {"is": "error", **worker_lines.error_to_wire(error)}


def _listen(requests: queue.Queue[bytes], folder: Path | None) -> None:
    """Hand on lines; at the input's end the parent is gone, so end at once, busy or not."""
    asked, begun = False, b""
    while piece := os.read(0, 1 << 16):  # not sys.stdin: its lock would be held at the interpreter's end
        *lines, begun = (begun + piece).split(b"\n")
        for raw in lines:
            asked = True
            requests.put(raw)
    if asked:
        _leave(folder)
    try:
        if folder is not None:  # the parent has ended, or its launcher passes no input on
            from SarcopeniaAssessLib.worker_files import remove_unless_held

            remove_unless_held(folder)
    finally:
        os._exit(worker_lines.NO_INPUT)


def _leave(folder: Path | None) -> NoReturn:
    """The parent is gone: end at once, busy or not, with its folder and with all that was started."""
    try:
        if folder is not None:
            from SarcopeniaAssessLib.worker_files import remove_folder

            remove_folder(folder)
            end_own_group()
    finally:
        os._exit(0)


def main(arguments: list[str] | None = None) -> int:
    """Read options and serve; the exit status."""
    parser = argparse.ArgumentParser(description="Answer a program's requests on standard input.")
    parser.add_argument("--folder", type=Path, help="the exchange folder of a program that has made a group")
    parser.add_argument("--idle", type=float, default=IDLE_S, help="seconds without a request to end after")
    options = parser.parse_args(arguments)
    return serve(options.folder, options.idle)


if __name__ == "__main__":
    sys.exit(main())
