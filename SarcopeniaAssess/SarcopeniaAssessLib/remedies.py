"""What other programs' failures mean, in one sentence, and what to do about each.

Torch, numpy, the system and pip say what is wrong in their own words; here those words are known by their
patterns. What is not known is told as it is, with the same remedies as a crash.
"""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass

from SarcopeniaAssessLib.errors import DeviceError, Offer, SarcopeniaError, WorkerError
from SarcopeniaAssessLib.worker_lines import NO_INPUT, RemoteFault

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_LONGEST_QUOTE = 160
_MEMORY = "The memory of this computer does not suffice"
_CLOSE_OTHERS = "close other programs and volumes, then try again"
_INSTALL = "install the packages again under Model and device, then restart this program"


@dataclass(frozen=True)
class _Known:
    """A failure that is known by its words, and what to say of it."""

    pattern: str
    problem: str
    remedy: str
    offer: Offer | None = None


_KNOWN = (
    _Known(
        r"(cuda|cublas|cudnn|hip|mps).{0,80}(out of memory|alloc_failed)",
        "The GPU's memory does not suffice",
        "run on the CPU, or close what else uses the GPU",
        Offer.CPU,
    ),
    _Known(
        r"^MemoryError|bad_?alloc|DefaultCPUAllocator|not enough memory|can't allocate memory"
        r"|Cannot allocate memory|could not create a (memory|primitive)|can't start new thread"
        r"|Unable to allocate .* for an array",
        _MEMORY,
        _CLOSE_OTHERS,
        Offer.AGAIN,
    ),
    _Known(
        r"no kernel image is available|not compatible with the current PyTorch|sm_\d+ is not compatible"
        r"|CUDA driver version is insufficient|forward compatibility was attempted",
        "The installed torch does not support this GPU or its driver",
        "run on the CPU, or install a torch made for this GPU",
        Offer.CPU,
    ),
    _Known(
        r"CUDA error|cuDNN error|CUDNN_STATUS|CUBLAS_STATUS|MPS backend",
        "The GPU reports an error",
        "run on the CPU; if it comes again, restart the computer or renew the GPU's driver",
        Offer.CPU,
    ),
    _Known(
        r"compiled using NumPy 1|numpy\.(core|_core)\.multiarray failed|Numpy is not available"
        r"|numpy\.dtype size changed|numpy.*(broken|C-extensions)|No module named 'numpy",
        "numpy is broken, or other packages here were made for another numpy",
        _INSTALL,
        Offer.INSTALL,
    ),
    _Known(
        r"No module named '?torch",
        "torch is not installed in this Python",
        "install it under Model and device",
        Offer.INSTALL,
    ),
    _Known(
        r"No module named '?SarcopeniaAssessLib",
        "The Python of the worker does not find this extension's library",
        "install the extension again",
        None,
    ),
    _Known(r"No module named '?([\w.]+)", "The package {0} is not installed", _INSTALL, Offer.INSTALL),
    _Known(
        r"DLL load failed|cannot open shared object|Library not loaded|undefined symbol|libtorch|WinError 126"
        r"|WinError 1114|c10\.dll",
        "torch is installed, but a part of it cannot be loaded",
        _INSTALL,
        Offer.INSTALL,
    ),
    _Known(
        r"CERTIFICATE_VERIFY_FAILED|SSLError|SSL:|certificate verify",
        "The server's certificate is not trusted here, as happens behind a hospital's proxy",
        "ask the network's administrators for the proxy's certificate, or install from a folder of wheels",
        None,
    ),
    _Known(
        r"ProxyError|Tunnel connection failed|407 Proxy|NewConnectionError|Name or service not known"
        r"|getaddrinfo failed|ConnectTimeout|Temporary failure in name resolution",
        "The server cannot be reached from here",
        "check the connection and the proxy (HTTPS_PROXY), or install from a folder of wheels",
        None,
    ),
    _Known(
        r"No space left on device|WinError 112|not enough space on the disk|Disk quota exceeded"
        r"|File too large",
        "The disk of the temporary folder is full",
        "free some space there, or set TMPDIR (Windows: TEMP) to another disk",
        Offer.AGAIN,
    ),
    _Known(
        r"codec can't (en|de)code|UnicodeEncodeError|UnicodeDecodeError|illegal multibyte",
        "A path with letters beyond ASCII could not be used by a package",
        "move the model file or the temporary folder to a path of plain letters",
        None,
    ),
    _Known(
        r"Read-only file system|Permission denied|WinError 5\b|Access is denied",
        "The temporary folder cannot be written",
        "set TMPDIR (Windows: TEMP) to a folder that can be written",
        Offer.AGAIN,
    ),
)


def explained(fault: BaseException | RemoteFault, *, device: str | None = None) -> SarcopeniaError:
    """An error that says what happened and what to do; the library's own errors are themselves.

    Parameters
    ----------
    fault:
        An exception of this process, or what is known of one of the worker's.
    device:
        Where the network ran, if it did: on a GPU the CPU is offered for what is not known.
    """
    if isinstance(fault, SarcopeniaError):
        return fault
    told = RemoteFault.of(fault) if isinstance(fault, BaseException) else fault
    if told.errno in _NO_ROOM:
        return _error(_known("No space left on device"), (), told.trace)
    if told.errno == errno.ENOMEM or told.type == "MemoryError":
        return _error(_known("MemoryError"), (), told.trace)
    if (found := _recognised(f"{told.type}: {told.text}")) is not None:
        return _error(*found, told.trace)
    quote = " ".join(told.text.split())[:_LONGEST_QUOTE]
    on_gpu = _on_gpu(device)
    return WorkerError(
        f"The worker failed unexpectedly ({told.type}: {quote})",
        "try it on the CPU" if on_gpu else "try again; if it comes again, report it with the copied details",
        Offer.CPU if on_gpu else Offer.AGAIN,
        told.trace,
    )


def explained_text(text: str) -> WorkerError | None:
    """The failure that a program's output tells of, such as pip's; `None` where nothing is recognised."""
    found = _recognised(text)
    return None if found is None else _error(*found, text)


def death(status: int, log: str, *, device: str | None = None, untiled: bool = False) -> WorkerError:
    """Why a worker ended without an answer.

    Parameters
    ----------
    status:
        Its exit status; negative: the signal that ended it.
    log:
        The end of its standard error.
    device, untiled:
        What it was asked to use.
    """
    if status == NO_INPUT:
        return WorkerError(
            "The worker cannot be spoken to: its launcher passes no input on",
            "run inside this program instead",
            Offer.HERE,
            log,
        )
    if status == -9 or status & 0xFFFFFFFF in (0xC0000017, 0xC000012D):
        return _killed_for_memory(log, device=device, untiled=untiled)
    if (found := _recognised(log)) is not None:
        return _error(*found, log)
    if "exit abnormally" in log:  # what Slicer's launcher says of a killed Python
        return _killed_for_memory(log, device=device, untiled=untiled)
    how = f"by signal {-status}" if status < 0 else f"with status {status:#x}" if status > 255 else ""
    return WorkerError(
        " ".join(f"The worker ended {how} before it had an answer".split()),
        "try it on the CPU"
        if _on_gpu(device)
        else "try again; if it comes again, report it with the details",
        Offer.CPU if _on_gpu(device) else Offer.AGAIN,
        log,
    )


def _killed_for_memory(log: str, *, device: str | None, untiled: bool) -> WorkerError:
    """The system ended the worker, as it does where memory runs out."""
    problem = "The worker was ended by the system, most likely for want of memory"
    if _on_gpu(device):
        return WorkerError(problem, f"run on the CPU, or {_CLOSE_OTHERS}", Offer.CPU, log)
    if untiled:
        return WorkerError(
            problem, f"show the network the slice in windows, or {_CLOSE_OTHERS}", Offer.TILED, log
        )
    return WorkerError(problem, _CLOSE_OTHERS, Offer.AGAIN, log)


def hang(seconds: float, log: str, *, device: str | None = None) -> WorkerError:
    """The worker is there and says nothing."""
    on_gpu = _on_gpu(device)
    return WorkerError(
        f"The worker has not been heard for {seconds:.0f} s and was ended",
        "run on the CPU" if on_gpu else "try again, and close other programs if the computer is slow",
        Offer.CPU if on_gpu else Offer.AGAIN,
        log,
    )


def stuck(seconds: float, log: str, *, device: str | None = None) -> WorkerError:
    """The worker lives, and has not come on for too long."""
    on_gpu = _on_gpu(device)
    return WorkerError(
        f"The worker has made no progress for {seconds / 60:.0f} min and was ended",
        "run on the CPU" if on_gpu else "close other programs, or choose a smaller model",
        Offer.CPU if on_gpu else Offer.AGAIN,
        log,
    )


def not_started(error: OSError) -> WorkerError:
    """The worker's Python, or the folder that it needs, is not to be had."""
    if error.errno in _NO_ROOM or error.errno == errno.ENOMEM:
        found = explained(error)
        assert isinstance(found, WorkerError)
        return found
    words = error.strerror or str(error)
    return WorkerError(
        f"The worker cannot be started ({words})", "run inside this program instead", Offer.HERE
    )


def offered(error: SarcopeniaError, device: str | None = None) -> Offer | None:
    """What a program can do about an error at one click: the CPU, where a device failed."""
    if isinstance(error, WorkerError):
        return error.offer
    return Offer.CPU if isinstance(error, DeviceError) and device != "cpu" else None


_IN_THE_WINDOW = (
    (r"choose --device cpu( or auto)?", "choose the CPU under Model and device"),
    (
        r"(give|give the level by) --l3 (auto, )?slice:K.*?labels:FILE(\[=V\])?",
        "set the level with its slider",
    ),
    (r"if it lies at L3 give --l3 slice:0", "set the level with its slider, if it lies at L3"),
    (r"look which is L3 and give it as --l3 slice:K", "look which is L3 and set the level there"),
    (r"give --(age|height|weight)\b", r"give the \1"),
    (r"name a model or a \.safetensors file with --model", "choose a model under Model and device"),
    (
        r"leave out --model, or name one that .* shows as drawing muscle",
        "choose another under Model and device",
    ),
    (r"leave out --untiled", "show it the slice in windows"),
    (r"(run|name a model of) `sarcopenia models [^`]*`?", "choose another under Model and device"),
    (r", or import the checkpoint with `[^`]*`", ""),
    (r"name it with --case NAME", "give its file another name"),
    (r"give an --out that can be written to", "choose a folder that can be written to"),
    (r"give another (--case or )?--out(, or leave --overwrite out)?", "choose another folder"),
    (r"give (a|another) --out\b", "choose another folder"),
    (r"install the `dicom` extra: pip install '[^']*'", "save SEG and SR again, and let them be installed"),
    (r"give the CT here; a label map belongs to .*", "choose the CT itself under CT"),
)


def for_the_window(text: str) -> str:
    """A problem, remedy or finding that names options of the command, in the words of the panel."""
    for pattern, words in _IN_THE_WINDOW:
        text = re.sub(pattern, words, text)
    return text


def _on_gpu(device: str | None) -> bool:
    return device is not None and device not in ("cpu", "auto")


def _recognised(text: str) -> tuple[_Known, tuple[str, ...]] | None:
    for known in _KNOWN:
        if match := re.search(known.pattern, text, re.IGNORECASE | re.MULTILINE):
            return known, match.groups(default="")
    return None


def _known(example: str) -> _Known:
    found = _recognised(example)
    assert found is not None
    return found[0]


def _error(known: _Known, words: tuple[str, ...], details: str) -> WorkerError:
    problem = known.problem.format(*words) if "{0}" in known.problem else known.problem
    return WorkerError(problem, known.remedy, known.offer, details)
