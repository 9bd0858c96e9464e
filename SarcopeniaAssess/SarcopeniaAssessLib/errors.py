"""What can go wrong, and what to be warned of.

An *error* ends the assessment of one case: it says what was wrong and what to do, in one line.
A *finding* accompanies a result: something a careful reader would mention.
"""

from dataclasses import dataclass
from enum import StrEnum


class SarcopeniaError(Exception):
    """An expected failure, told to the person who can do something about it.

    Parameters
    ----------
    problem:
        What was expected and what came instead, without a full stop. Never contains a patient's
        name, identifier, UID or the path of a patient's file: callers print the case's name before it.
    remedy:
        What to do next, without a full stop.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}; {remedy}")
        self.problem = problem
        self.remedy = remedy

    def __reduce__(self) -> tuple[type["SarcopeniaError"], tuple[object, ...]]:
        """Pickled by its two parts, so that a child process can raise it in its parent."""
        return type(self), (self.problem, self.remedy)


class InputError(SarcopeniaError):
    """A file or folder that cannot be read as one CT."""


class GeometryError(SarcopeniaError):
    """A shape, affine, spacing or orientation from which no area can be told."""


class IntensityError(SarcopeniaError):
    """Voxel values that cannot be Hounsfield units."""


class LevelError(SarcopeniaError):
    """L3 is missing, outside the scan, or not to be found in the labels given."""


class MaskError(SarcopeniaError):
    """A mask that is empty, ambiguous or on another grid than its CT."""


class PatientError(SarcopeniaError):
    """A sex, age, height or weight outside what a person can have."""


class CriterionError(SarcopeniaError):
    """A criterion whose name is not in Criteria.json."""


class ModelError(SarcopeniaError):
    """A model that is unknown, altered, of another architecture, or in an unsafe format."""


class DeviceError(SarcopeniaError):
    """A device that this machine does not have, or whose memory does not suffice."""


class OutputError(SarcopeniaError):
    """A result that cannot be written where it was asked for."""


class RecordError(SarcopeniaError):
    """A record that does not follow its schema."""


class Offer(StrEnum):
    """What a program can do about a failure at one click, where its person agrees."""

    CPU = "cpu"
    """The same on the CPU."""
    TILED = "tiled"
    """The same in windows, which need less memory than the whole plane at once."""
    INSTALL = "install"
    """Install or repair packages."""
    HERE = "here"
    """The same inside this program, which does not respond meanwhile."""
    AGAIN = "again"
    """The same once more."""


class WorkerError(SarcopeniaError):
    """The process that draws could not be started, died, hung, or could not do its work.

    Parameters
    ----------
    problem, remedy:
        As of every error.
    offer:
        What the program can do about it; `None` where only the person can.
    details:
        What the process left on standard error, for a report; may hold paths of programs, no patient's.
    """

    def __init__(self, problem: str, remedy: str, offer: Offer | None = None, details: str = "") -> None:
        super().__init__(problem, remedy)
        self.offer = offer
        self.details = details

    def __reduce__(self) -> tuple[type["WorkerError"], tuple[object, ...]]:
        """Pickled with its offer and details."""
        return type(self), (self.problem, self.remedy, self.offer, self.details)


class Severity(StrEnum):
    """How much a finding weighs; `ERROR` withholds the status, never the area."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Finding:
    """One thing a careful reader would mention: an entry of the record's `quality` list."""

    code: str
    severity: Severity
    message: str
