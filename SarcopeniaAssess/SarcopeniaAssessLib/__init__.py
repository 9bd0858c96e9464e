"""From a CT to the skeletal muscle area at L3: the library under the Slicer module and the command.

Read `assessment.assess` first; every other file is one room that a CT passes through on the way
(docs/architecture.md lists them in order). Research use only.
"""

from pathlib import Path

__version__ = "0.1.0"


def resource_path(name: str) -> Path:
    """Path of a shipped data file (criteria, schema, models, weights).

    In a source tree and in Slicer they lie in `SarcopeniaAssess/Resources` beside the library; in
    an installed wheel they lie inside the package.
    """
    here = Path(__file__).resolve().parent
    inside = here / "Resources"
    return (inside if inside.is_dir() else here.parent / "Resources") / name
