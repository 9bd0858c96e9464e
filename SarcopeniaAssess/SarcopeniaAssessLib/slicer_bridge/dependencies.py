"""Packages that Slicer does not bring: what is lacking, and its installation by Slicer's own means.

Nothing is looked for at start-up and nothing is installed without somebody's yes; the panel asks, this file
opens no dialog. Requirements are lower bounds, so an installation that suffices is never touched.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import CalledProcessError
from typing import Any

from SarcopeniaAssessLib import resource_path
from SarcopeniaAssessLib.errors import Offer, WorkerError
from SarcopeniaAssessLib.remedies import explained_text

TORCH = "torch>=2.6"
TORCH_EXTENSION = "PyTorchUtils"
REQUESTER = "SarcopeniaAssess"
_LINE = re.compile(r"^(?P<name>[\w.-]+)\s*>=\s*(?P<least>[\w.]+)$")
_WHEELS = "or give a folder with the packages' wheels"


@dataclass(frozen=True)
class Requirement:
    """A package and the lowest version that will do."""

    name: str
    least: str

    def __str__(self) -> str:
        return f"{self.name}>={self.least}"

    @classmethod
    def of(cls, line: str) -> Requirement:
        """Of a line `name>=version`.

        Raises
        ------
        ValueError
            Any other line.
        """
        match = _LINE.match(line.strip())
        if match is None:
            raise ValueError(f"a requirement is name>=version, not {line!r}")
        return cls(match["name"], match["least"])

    @property
    def installed(self) -> str | None:
        """The installed version; `None`: none."""
        try:
            return importlib.metadata.version(self.name)
        except importlib.metadata.PackageNotFoundError:
            return None

    @property
    def is_met(self) -> bool:
        """Whether a version that will do is installed; nothing is imported."""
        installed = self.installed
        return installed is not None and _numbers(installed) >= _numbers(self.least)


@dataclass(frozen=True)
class Lacking:
    """What has to be installed before a CT can be assessed.

    Attributes
    ----------
    packages:
        By pip.
    torch:
        By the extension PyTorch; `None`: it is there.
    """

    packages: tuple[Requirement, ...] = ()
    torch: Requirement | None = None

    def __bool__(self) -> bool:
        return bool(self.packages) or self.torch is not None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all of it, the largest first."""
        return tuple(each.name for each in (*([self.torch] if self.torch else []), *self.packages))


def requirements(path: Path | None = None) -> tuple[Requirement, ...]:
    """The packages of a requirements file (by default the module's own), torch not among them."""
    text = (path or resource_path("requirements.txt")).read_text(encoding="utf-8")
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return tuple(Requirement.of(line) for line in lines if line)


def lacking(packages: Sequence[Requirement] | None = None, torch: Requirement | None = None) -> Lacking:
    """What is missing or too old among packages (by default all that the module needs), at once."""
    packages = requirements() if packages is None else packages
    torch = Requirement.of(TORCH) if torch is None else torch
    return Lacking(tuple(each for each in packages if not each.is_met), None if torch.is_met else torch)


def lacking_for_dicom() -> Lacking:
    """What SEG and SR need and is not there; torch is not asked for, since nothing is drawn."""
    return Lacking(lacking(requirements(resource_path("requirements-dicom.txt"))).packages)


def install(wanted: Lacking, wheels: Path | None = None) -> None:
    """Install what is lacking; blocks, as Slicer's own installation does. Somebody must have said yes.

    Parameters
    ----------
    wanted:
        From `lacking`; nothing is done where it is empty.
    wheels:
        A folder of wheels, for a computer without a network; `None`: from where pip is set up to look.

    Raises
    ------
    WorkerError
        The extension PyTorch is not there, pip failed, or something is missing all the same.
    """
    try:
        if wheels is not None:
            _from_folder(wanted, wheels)
        else:
            _from_network(wanted)
    except WorkerError:
        raise
    except (CalledProcessError, RuntimeError, OSError, ImportError) as error:
        raise _failed(error) from error
    importlib.invalidate_caches()
    left = lacking(wanted.packages, wanted.torch)
    if missing := [name for name in left.names if name in wanted.names]:
        raise WorkerError(
            f"After the installation {_listed(missing)} cannot be found",
            "restart Slicer and assess again",
            None,
        )


def _from_network(wanted: Lacking) -> None:
    """The first is torch: what depends on it then finds it there."""
    import slicer

    if wanted.torch is not None:
        _torch_logic().installTorch(askConfirmation=False, torchVersionRequirement=f">={wanted.torch.least}")
    if not wanted.packages:
        return
    lines = [str(each) for each in wanted.packages]
    packaging = _packaging()
    if packaging is not None:
        packaging.pip_ensure(lines, requester=REQUESTER, prompt_install=False)
    else:
        slicer.util.pip_install(lines)


def _from_folder(wanted: Lacking, wheels: Path) -> None:
    import slicer

    if not wheels.is_dir() or not any(wheels.glob("*.whl")):
        raise WorkerError("There are no wheels in that folder", "choose the folder that holds the .whl files")
    lines = [str(each) for each in (*([wanted.torch] if wanted.torch else []), *wanted.packages)]
    if lines:
        slicer.util.pip_install(["--no-index", "--find-links", str(wheels), *lines])


def _packaging() -> Any:
    """`slicer.packaging`, of Slicer 5.12 and later; `None` before."""
    try:
        packaging = importlib.import_module("slicer.packaging")
    except ImportError:
        return None
    return packaging if hasattr(packaging, "pip_ensure") else None


def _torch_logic() -> Any:
    try:
        return importlib.import_module(TORCH_EXTENSION).PyTorchUtilsLogic()
    except ImportError as error:
        raise WorkerError(
            "torch is not installed, and the extension PyTorch, which installs it, is not there",
            f"install PyTorch in the Extensions Manager and restart Slicer, {_WHEELS}",
            None,
        ) from error


def _failed(error: BaseException) -> WorkerError:
    """What pip's failure means."""
    output = getattr(error, "output", None)
    told = "\n".join(part for part in (output if isinstance(output, str) else "", str(error)) if part)
    known = explained_text(told)
    if known is not None:
        return known
    return WorkerError(
        "The packages could not be installed",
        f"look at the end of Slicer's Python console, {_WHEELS}",
        Offer.INSTALL,
        told,
    )


def _numbers(version: str) -> tuple[int, ...]:
    """The release of a version: "2.10.1+cu128" → (2, 10, 1)."""
    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in match.group().split(".")) if match else ()


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
