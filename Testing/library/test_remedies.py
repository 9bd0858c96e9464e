"""Failures in the words of torch, numpy, the system and pip, as they were seen, become one sentence each."""

import ast
import errno
import re
from pathlib import Path

import pytest

from SarcopeniaAssessLib import level, model_file
from SarcopeniaAssessLib.errors import DeviceError, ModelError, Offer, WorkerError
from SarcopeniaAssessLib.remedies import (
    death,
    explained,
    explained_text,
    for_the_window,
    hang,
    not_started,
    offered,
    stuck,
)
from SarcopeniaAssessLib.spine import BY_HAND
from SarcopeniaAssessLib.worker_lines import NO_INPUT, RemoteFault

SEEN = {
    "cuda memory": (
        "OutOfMemoryError",
        "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 3.81 GiB",
        "The GPU's memory does not suffice",
        Offer.CPU,
    ),
    "cublas memory": (
        "RuntimeError",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "The GPU's memory does not suffice",
        Offer.CPU,
    ),
    "apple memory": (
        "RuntimeError",
        "MPS backend out of memory (MPS allocated: 9.0 GB, max allowed: 9.07 GB)",
        "The GPU's memory does not suffice",
        Offer.CPU,
    ),
    "torch on the cpu": (
        "RuntimeError",
        "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you tried "
        "to allocate 4000000000000 bytes. Error code 12 (Cannot allocate memory)",
        "The memory of this computer does not suffice",
        Offer.AGAIN,
    ),
    "numpy": (
        "_ArrayMemoryError",
        "Unable to allocate 3.64 TiB for an array with shape (1000000, 500000) and data type float64",
        "The memory of this computer does not suffice",
        Offer.AGAIN,
    ),
    "gpu too new": (
        "AcceleratorError",
        "CUDA error: no kernel image is available for execution on the device",
        "The installed torch does not support this GPU or its driver",
        Offer.CPU,
    ),
    "driver too old": (
        "RuntimeError",
        "The NVIDIA driver on your system is too old: CUDA driver version is insufficient for CUDA runtime",
        "The installed torch does not support this GPU or its driver",
        Offer.CPU,
    ),
    "gpu fault": (
        "RuntimeError",
        "CUDA error: an illegal memory access was encountered",
        "The GPU reports an error",
        Offer.CPU,
    ),
    "numpy broken": (
        "ImportError",
        "numpy._core.multiarray failed to import (auto-generated because you did not call import_array())",
        "numpy is broken, or other packages here were made for another numpy",
        Offer.INSTALL,
    ),
    "numpy 1 in 2": (
        "RuntimeError",
        "A module that was compiled using NumPy 1.x cannot be run in NumPy 2.1.0 as it may crash.",
        "numpy is broken, or other packages here were made for another numpy",
        Offer.INSTALL,
    ),
    "numpy not seen": (
        "RuntimeError",
        "Numpy is not available",
        "numpy is broken, or other packages here were made for another numpy",
        Offer.INSTALL,
    ),
    "no torch": (
        "ModuleNotFoundError",
        "No module named 'torch'",
        "torch is not installed in this Python",
        Offer.INSTALL,
    ),
    "no scipy": (
        "ModuleNotFoundError",
        "No module named 'scipy.ndimage'",
        "The package scipy.ndimage is not installed",
        Offer.INSTALL,
    ),
    "torch without its parts": (
        "OSError",
        '[WinError 126] The specified module could not be found. Error loading "torch\\lib\\c10.dll"',
        "torch is installed, but a part of it cannot be loaded",
        Offer.INSTALL,
    ),
    "library not found": (
        "ImportError",
        "libcudart.so.12: cannot open shared object file: No such file or directory",
        "torch is installed, but a part of it cannot be loaded",
        Offer.INSTALL,
    ),
    "disk full": (
        "OSError",
        "[WinError 112] There is not enough space on the disk",
        "The disk of the temporary folder is full",
        Offer.AGAIN,
    ),
    "letters": (
        "UnicodeEncodeError",
        "'ascii' codec can't encode character '\\xfc' in position 3: ordinal not in range(128)",
        "A path with letters beyond ASCII could not be used by a package",
        None,
    ),
    "proxy": (
        "SSLError",
        "HTTPSConnectionPool: Max retries exceeded (Caused by SSLError(SSLCertVerificationError(1, "
        "'[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate in chain')))",
        "The server's certificate is not trusted here, as happens behind a hospital's proxy",
        None,
    ),
    "no network": (
        "ConnectionError",
        "Failed to establish a new connection: [Errno -2] Name or service not known",
        "The server cannot be reached from here",
        None,
    ),
}


LAUNCHER = "error: [bin/python-real] exit abnormally - Report the problem."


@pytest.mark.parametrize("name", SEEN)
def test_a_failure_is_known_by_its_words(name):
    kind, text, problem, offer = SEEN[name]
    error = explained(RemoteFault(kind, text, None, "trace"))
    assert isinstance(error, WorkerError)
    assert error.problem == problem
    assert error.offer == offer
    assert error.details == "trace"
    assert error.remedy
    assert not str(error).endswith(".")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_known_by_its_number_in_any_language(number):
    error = explained(OSError(number, "Auf dem Gerät ist kein Speicherplatz mehr verfügbar"))
    assert "disk of the temporary folder is full" in error.problem


@pytest.mark.parametrize("error", [MemoryError(), OSError(errno.ENOMEM, "Nicht genügend Speicher")])
def test_want_of_memory_is_known_without_words(error):
    assert explained(error).problem == "The memory of this computer does not suffice"


def test_the_librarys_own_errors_are_themselves():
    error = ModelError("the weights are altered", "reinstall")
    assert explained(error) is error


def test_what_is_not_known_is_quoted_in_one_line():
    error = explained(RemoteFault("ValueError", "many\nlines " * 100, None, "t"), device="cuda")
    assert error.problem.startswith("The worker failed unexpectedly (ValueError: many lines many")
    assert len(error.problem) < 250
    assert error.offer == Offer.CPU
    assert explained(RemoteFault("ValueError", "x"), device="cpu").offer == Offer.AGAIN


def test_output_of_pip_is_recognised_or_not():
    told = explained_text("WARNING: Retrying\nProxyError('Cannot connect to proxy.')")
    assert told is not None
    assert told.problem == "The server cannot be reached from here"
    assert explained_text("Successfully installed nibabel") is None


@pytest.mark.parametrize(
    ("status", "log", "device", "untiled", "problem", "offer"),
    [
        (-9, "", "cpu", False, "most likely for want of memory", Offer.AGAIN),
        (-9, "", "cpu", True, "most likely for want of memory", Offer.TILED),
        (-9, "", "cuda", True, "most likely for want of memory", Offer.CPU),
        (0xC0000017, "", "cpu", False, "most likely for want of memory", Offer.AGAIN),
        (
            1,
            "error: [bin/python-real] exit abnormally - Report the problem.",
            "cpu",
            False,
            "memory",
            Offer.AGAIN,
        ),
        (-11, "", "cuda:0", False, "by signal 11", Offer.CPU),
        (-11, "", "cpu", False, "by signal 11", Offer.AGAIN),
        (0xC0000005, "", "cpu", False, "with status 0xc0000005", Offer.AGAIN),
        (
            1,
            "ModuleNotFoundError: No module named 'click'",
            None,
            False,
            "click is not installed",
            Offer.INSTALL,
        ),
        (
            1,
            "No module named SarcopeniaAssessLib",
            None,
            False,
            "does not find this extension's library",
            None,
        ),
        (NO_INPUT, "", "cpu", False, "passes no input on", Offer.HERE),
        (1, "", "cpu", False, "The worker ended before it had an answer", Offer.AGAIN),
    ],
)
def test_a_death_is_explained_by_status_and_last_words(status, log, device, untiled, problem, offer):
    error = death(status, log, device=device, untiled=untiled)
    assert problem in error.problem
    assert error.offer == offer
    assert error.details == log


def test_a_python_that_cannot_be_started_leaves_the_way_inside():
    error = not_started(FileNotFoundError(2, "No such file or directory"))
    assert "cannot be started (No such file or directory)" in error.problem
    assert error.offer == Offer.HERE
    assert not_started(OSError(errno.ENOMEM, "x")).offer == Offer.AGAIN


def test_silence_and_standstill_are_told_apart():
    assert "has not been heard for 61 s" in hang(61, "", device="cpu").problem
    assert "no progress for 20 min" in stuck(1200, "", device="cuda").problem
    assert stuck(1200, "", device="cuda").offer == Offer.CPU


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("choose --device cpu or auto", "choose the CPU under Model and device"),
        (level.WAYS, "set the level with its slider"),
        (
            f"give a scan that shows L3, or {BY_HAND}",
            "give a scan that shows L3, or set the level with its slider",
        ),
        ("look which is L3 and give it as --l3 slice:K.", "look which is L3 and set the level there."),
        ("is no age and was ignored; give --age.", "is no age and was ignored; give the age."),
        ("check the level and the CT", "check the level and the CT"),
        (model_file.NOT_SAFETENSORS, "give a .safetensors file of this program"),
        ("run `sarcopenia models download large`", "choose another under Model and device"),
        (
            "check the path, or name a model of `sarcopenia models list`",
            "check the path, or choose another under Model and device",
        ),
        ("name it with --case NAME", "give its file another name"),
    ],
)
def test_the_window_has_its_own_words_for_options_of_the_command(text, words):
    assert for_the_window(text) == words


def test_no_option_of_the_command_is_left_in_what_drawing_may_say():
    """Every sentence of the rooms that the module reaches, as their sources have it."""
    rooms = ("models", "segmentation", "level_choice", "spine", "spine_grid", "dicom_facts", "hounsfield")
    library = Path(level.__file__).parent
    texts = [
        node.value
        for room in rooms
        for node in ast.walk(ast.parse((library / f"{room}.py").read_text()))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.search(r"--[a-z]|`sarcopenia", node.value)
    ]
    assert len(texts) > 8
    assert [text for text in texts if re.search("--|`", for_the_window(text))] == []


def test_the_cpu_is_offered_where_a_device_failed():
    memory = DeviceError("the memory of cuda does not suffice", "choose --device cpu")
    assert offered(memory, "cuda") == Offer.CPU
    assert offered(memory, "cpu") is None
    assert offered(ModelError("a", "b"), "cuda") is None
    assert offered(WorkerError("a", "b", Offer.HERE), "cuda") == Offer.HERE
