"""The private folder of a worker: what lies in it, who may read it, and that it does not stay."""

import os
import resource
import stat
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from SarcopeniaAssessLib.errors import WorkerError
from SarcopeniaAssessLib.patient import InputFacts
from SarcopeniaAssessLib.remedies import explained
from SarcopeniaAssessLib.volume import CtVolume
from SarcopeniaAssessLib.worker_files import (
    PREFIX,
    ExchangeFolder,
    HuFile,
    mapped_array,
    native_array,
    remove_folder,
    remove_unless_held,
    write_array,
)
from Testing.library.ct_files import STORAGES, store
from Testing.library.small_case import affine, ct
from Testing.worker_machine import ROOT


def fortran():
    return np.asfortranarray(ct())


def strided():
    """A view of every second slice, as of a larger volume."""
    return np.repeat(ct(), 2, axis=2)[:, :, ::2]


def big_endian():
    return ct().astype(">i2")


def floats():
    return ct().astype(np.float32) + 0.25


@pytest.mark.parametrize("made", [ct, fortran, strided, big_endian, floats], ids=lambda made: made.__name__)
def test_voxels_are_mapped_as_they_were(tmp_path, made):
    array = made()
    write_array(tmp_path / "hu.npy", array)
    mapped = mapped_array(tmp_path / "hu.npy")
    np.testing.assert_array_equal(mapped, array)
    assert mapped.dtype == array.dtype
    assert type(mapped) is np.ndarray
    assert not mapped.flags.writeable


def test_a_volume_that_is_decoded_on_demand_is_decoded_whole():
    class OnDemand:
        shape, dtype = (90, 64, 7), np.dtype(np.int16)

        def read(self, axis, start, stop):
            assert axis == 2
            return ct()[:, :, start:stop]

    np.testing.assert_array_equal(native_array(CtVolume(OnDemand(), affine())), ct())


def test_the_folder_is_its_users_alone_and_goes(tmp_path):
    folder = ExchangeFolder(tmp_path)
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    (folder.path / "hu.npy").write_bytes(b"0")
    folder.remove()
    folder.remove()
    assert list(tmp_path.iterdir()) == []


def test_nothing_else_is_ever_removed(tmp_path):
    (tmp_path / "mine").mkdir()
    remove_folder(tmp_path / "mine")
    assert (tmp_path / "mine").is_dir()


def made_old(path):
    hour_ago = time.time() - 3600
    os.utime(path, (hour_ago, hour_ago))


def test_what_a_killed_program_left_is_removed_by_the_next(tmp_path):
    code = (
        "import os, sys, pathlib; from SarcopeniaAssessLib.worker_files import ExchangeFolder;"
        "made = ExchangeFolder(pathlib.Path(sys.argv[1])); (made.path / 'hu.npy').write_bytes(b'0');"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path], cwd=ROOT, check=False)
    (left,) = tmp_path.glob(f"{PREFIX}*")
    made_old(left)
    in_use = ExchangeFolder(tmp_path)
    assert not left.exists()
    made_old(in_use.path)
    ExchangeFolder(tmp_path)
    assert in_use.path.exists()


def test_a_folder_that_was_just_made_is_left_to_the_program_that_has_not_locked_it_yet(tmp_path):
    young = tmp_path / f"{PREFIX}young"
    young.mkdir()
    ExchangeFolder(tmp_path)
    assert young.is_dir()
    made_old(young)
    ExchangeFolder(tmp_path)
    assert not young.exists()


def test_a_file_is_kept_while_the_ct_is_the_same(tmp_path):
    volume = CtVolume.from_array(ct(), affine())
    file = HuFile(tmp_path / "hu.npy", volume)
    assert file.wait(60)
    assert file.error is None
    np.testing.assert_array_equal(mapped_array(file.path), ct())
    assert file.holds(CtVolume.from_array(ct(), affine()))
    edited = ct()
    edited[3, 4, 5] += 1
    assert not file.holds(CtVolume.from_array(edited, affine()))
    assert not file.holds(CtVolume.from_array(ct().astype(np.float32), affine()))
    file.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_not_wanted_any_more_is_not_waited_for(tmp_path):
    """The click on another CT returns while the first is written; the first one's file goes all the same."""
    go = threading.Event()

    class Slow:
        shape, dtype = (90, 64, 7), np.dtype(np.int16)

        def read(self, axis, start, stop):
            go.wait(60)
            return ct()

    file = HuFile(tmp_path / "hu.npy", CtVolume(Slow(), affine()))
    file.remove()
    assert not file.wait(0.0)
    go.set()
    assert file.wait(60)
    assert file.error is None
    assert list(tmp_path.iterdir()) == []


def test_a_folder_goes_where_nobody_holds_it_and_stays_where_somebody_does(tmp_path):
    held = ExchangeFolder(tmp_path)
    left = tmp_path / f"{PREFIX}left"
    left.mkdir()
    for path in (held.path, left, tmp_path / "nowhere"):
        remove_unless_held(path)
    assert list(tmp_path.iterdir()) == [held.path]


@pytest.mark.parametrize(("order", "flips"), STORAGES[1::9], ids=str)
def test_the_same_ct_in_another_order_is_another_file(tmp_path, order, flips):
    facts = InputFacts("nifti", "ab" * 32)
    file = HuFile(tmp_path / "hu.npy", CtVolume.from_array(ct(), affine(), input=facts))
    assert file.wait(60)
    turned, ras = store(ct(), affine(), order, flips)
    assert not file.holds(CtVolume.from_array(turned, ras, input=facts))
    nearly = affine() + 1e-9
    nearly[3] = affine()[3]
    assert file.holds(CtVolume.from_array(ct(), nearly, input=facts)), "the place crosses with each request"


def test_a_ct_of_unknown_checksum_is_never_taken_for_another(tmp_path):
    unknown = CtVolume.from_array(ct(), affine(), input=InputFacts("memory", ""))
    file = HuFile(tmp_path / "hu.npy", unknown)
    assert file.wait(60)
    assert not file.holds(unknown)


def test_a_disk_without_room_leaves_no_half_file(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        file = HuFile(tmp_path / "hu.npy", CtVolume.from_array(ct(), affine()))
        assert file.wait(60)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    error = explained(file.error)
    assert isinstance(error, WorkerError)
    assert "disk of the temporary folder is full" in error.problem
    assert list(tmp_path.iterdir()) == []
    assert not file.holds(CtVolume.from_array(ct(), affine()))
