"""Which files of a folder are which case's CT, mask and images: by a layout file, or by their names.

A layout is TOML that a user edits; docs/cohorts.md and `sarcopenia import --layout-template` show one.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from SarcopeniaAssessLib.errors import InputError
from SarcopeniaTraining.manifest import find_manifest, read_rows

KINDS = ("dicom", "slice", "outline", "bmp")
ROLES = ("ct", "mask", "image", "annotated")
FACTS = ("sex", "sarcopenic", "patient", "age_years", "height_m", "weight_kg")
LEVELS = ("level", "l3", "l3_slice_from_feet", "l3_superior_mm", "annotated", "label", "series")
_VOLUMES = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")
_IMAGES = (".bmp", ".png", ".tif", ".tiff", ".jpg", ".jpeg")
_MASK_WORDS = ("mask", "muscle", "seg", "label", "roi")
_DRAWN_WORDS = ("annot", "outline", "drawn", "contour", "marked")
_PLAIN_WORDS = ("ct", "image", "img", "plain", "original", "scan", "slice")
_PLACEHOLDER = re.compile(r"\*\*/|\*|\{(\w+)\}")

TEMPLATE = """\
# Layout of a data set for `sarcopenia import SRC DIR --kind zenodo --layout THIS_FILE`.
# Edit it to say where the files of your data set lie; lines beginning with # are comments.

# What a case is made of:
#   "dicom"    a CT and its mask          "slice"  a CT and the mask of one slice, placed by its affine
#   "outline"  a CT and its L3 section as an image with a drawn outline
#   "bmp"      the L3 section as an image, plain and annotated; no area is told from these
kind = "slice"

# Where the files are: paths below SRC with / between folders. {case} is the case's name; {sex},
# {sarcopenic}, {patient}, {age_years}, {height_m} and {weight_kg} may stand in a path too. * is any
# text within a name, **/ any folders. A DICOM series is named by its folder. Instead of `path`, `regex`
# takes a Python regular expression with groups such as (?P<case>...); it must match the whole path.
[[files]]
role = "ct"                                  # ct, mask, image or annotated
path = "{sarcopenic}/{case}/CT"

[[files]]
role = "mask"
path = "{sarcopenic}/{case}/*.nii.gz"

# What the words found in paths and in the table mean; words that are not listed stay as they are.
[words]
"Sarcopenia" = "yes"
"Non-sarcopenia" = "no"

# A table of the cases, if there is one: CSV or JSON, with the names of its columns.
# [table]
# file = "patients.csv"
# case = "ID"
# sex = "Gender"
# sarcopenic = "Diagnosis"
# l3_slice_from_feet = "L3 slice"
"""


@dataclass(frozen=True)
class FoundCase:
    """The files of one case, and what paths and table say of it.

    Attributes
    ----------
    files:
        Role → every file that could be it; more than one is refused when the case is imported.
    facts:
        Columns of a manifest.
    """

    name: str
    files: Mapping[str, tuple[Path, ...]]
    facts: Mapping[str, str] = field(default_factory=dict)

    def one(self, role: str) -> Path | None:
        """The file of a role, or `None`.

        Raises
        ------
        InputError
            Several could be it.
        """
        found = self.files.get(role, ())
        if len(found) > 1:
            names = ", ".join(path.name for path in found[:4])
            raise InputError(f"{len(found)} files could be the {role}: {names}", "say which by --layout")
        return found[0] if found else None

    def needed(self, role: str) -> Path:
        """The file of a role.

        Raises
        ------
        InputError
            There is none, or several.
        """
        path = self.one(role)
        if path is None:
            raise InputError(f"no {role} is found", "say where it lies by --layout")
        return path


@dataclass(frozen=True)
class Layout:
    """Patterns of paths, and what their words mean; without patterns, files are told by their names.

    Raises
    ------
    InputError
        An unknown kind, role or field, or a pattern without {case}.
    """

    kind: str
    patterns: tuple[tuple[str, re.Pattern[str]], ...] = ()
    words: Mapping[str, str] = field(default_factory=dict)
    table: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"the layout's kind {self.kind!r} is unknown", f"give one of {', '.join(KINDS)}")
        for role, pattern in self.patterns:
            unknown = set(pattern.groupindex) - {"case", *FACTS}
            if role not in ROLES:
                raise InputError(f"the role {role!r} is unknown", f"give one of {', '.join(ROLES)}")
            if "case" not in pattern.groupindex or unknown:
                shown = ", ".join(sorted(unknown)) or "no {case}"
                raise InputError(
                    f"a path of the layout has {shown}", f"name {{case}}, and of {', '.join(FACTS)}"
                )
        unknown = set(self.table) - {"file", "case", *FACTS, *LEVELS}
        if unknown or (self.table and "file" not in self.table):
            shown = f"does not know {sorted(unknown)[0]}" if unknown else "names no file"
            raise InputError(f"the layout's table {shown}", "see sarcopenia import --layout-template")

    def find(self, source: Path) -> list[FoundCase]:
        """Cases below a folder, by name.

        Raises
        ------
        InputError
            The folder is none, nothing matches, a table that cannot be read, or facts that contradict.
        """
        if not source.is_dir():
            raise InputError("the source is no folder", "give the folder of the data set")
        try:
            files, facts = self._matched(source) if self.patterns else _by_names(source, self.kind)
        except OSError as error:
            raise InputError(
                f"a folder of the source cannot be read ({error.strerror})", "check its permissions"
            ) from None
        if not files:
            how = "no path matches the layout" if self.patterns else "no case is found in the folder"
            raise InputError(how, "say where the files lie: sarcopenia import --layout-template")
        for case, told in _table_facts(source, self.table).items():
            if case in files:
                facts[case] = {**facts.get(case, {}), **told}
        return [FoundCase(case, files[case], self._meant(facts.get(case, {}))) for case in sorted(files)]

    def _meant(self, facts: Mapping[str, str]) -> dict[str, str]:
        return {name: self.words.get(text, text) for name, text in facts.items()}

    def _matched(self, source: Path) -> tuple[_Files, _Facts]:
        files: _Files = {}
        facts: _Facts = {}
        for path in _all_paths(source):
            text = path.relative_to(source).as_posix()
            for role, pattern in self.patterns:
                match = pattern.fullmatch(text)
                if match is None:
                    continue
                told = {name: value for name, value in match.groupdict().items() if value is not None}
                case = told.pop("case")
                known = facts.setdefault(case, {})
                other = next((name for name in told if known.get(name, told[name]) != told[name]), None)
                if other:
                    raise InputError(
                        f"the paths of case {case} contradict each other in {other}", "correct them"
                    )
                known.update(told)
                roles = files.setdefault(case, {})
                roles[role] = (*roles.get(role, ()), path)
        return files, facts


_Files = dict[str, dict[str, tuple[Path, ...]]]
_Facts = dict[str, dict[str, str]]


def read_layout(path: Path) -> Layout:
    """Read a layout file.

    Raises
    ------
    InputError
        Unreadable, no TOML, or not a layout.
    """
    remedy = "start from the template: sarcopenia import --layout-template"
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"the layout {path.name} cannot be read ({error.strerror})", remedy) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"the layout {path.name} is no TOML ({error})", remedy) from None
    unknown = set(content) - {"kind", "files", "words", "table"}
    if unknown:
        raise InputError(f"the layout {path.name} does not know {sorted(unknown)[0]}", remedy)
    try:
        patterns = tuple((str(entry["role"]), _pattern(entry)) for entry in content.get("files", ()))
        words = {str(word): str(meaning) for word, meaning in content.get("words", {}).items()}
        table = {str(name): str(column) for name, column in content.get("table", {}).items()}
    except (KeyError, TypeError, AttributeError):
        raise InputError(f"the layout {path.name} lacks a role, a path or a name", remedy) from None
    except re.error as error:
        raise InputError(f"a regex of {path.name} is none ({error})", remedy) from None
    return Layout(str(content.get("kind")), patterns, words, table)


def _pattern(entry: Mapping[str, Any]) -> re.Pattern[str]:
    if "regex" in entry:
        return re.compile(str(entry["regex"]))
    text, made, at, seen = str(entry["path"]), "", 0, set()
    for match in _PLACEHOLDER.finditer(text):
        made += re.escape(text[at : match.start()])
        at, name = match.end(), match.group(1)
        if name is None:
            made += r"(?:[^/]+/)*" if match.group() == "**/" else r"[^/]*"
        else:
            made += f"(?P={name})" if name in seen else f"(?P<{name}>[^/]+?)"
            seen.add(name)
    return re.compile(made + re.escape(text[at:]))


def _all_paths(source: Path) -> Iterator[Path]:
    """Files and folders below a folder in the order of their names, without hidden ones."""
    for path in sorted(source.iterdir()):
        if path.name.startswith("."):
            continue
        yield path
        here = path.parent.resolve()
        if path.is_dir() and path.resolve() not in (here, *here.parents):  # no link back up
            yield from _all_paths(path)


def _by_names(source: Path, kind: str) -> tuple[_Files, _Facts]:
    """A folder a case, or files side by side whose names begin alike."""
    files: _Files = {}
    for path in sorted(source.iterdir()):
        if path.name.startswith("."):
            continue
        if not path.is_dir():
            role = _role(path)
            if role is not None:
                _add(files, _stem_without_words(path), role, path)
            continue
        inside = [each for each in _all_paths(path) if each.is_file()]
        told = [(role, each) for each in inside if (role := _role(each)) is not None]
        for role, each in told:
            _add(files, path.name, role, each)
        if kind != "bmp" and all(role != "ct" for role, _ in told) and _has_dicom(inside):
            _add(files, path.name, "ct", path)
    wanted = ("image", "annotated") if kind == "bmp" else ROLES
    return {case: roles for case, roles in files.items() if set(roles) & set(wanted)}, {}


def _role(path: Path) -> str | None:
    """What a file is by its name; `None` of one that is neither image nor volume."""
    name = path.name.lower()
    if name.endswith(_VOLUMES):
        return "mask" if any(word in name for word in _MASK_WORDS) else "ct"
    if name.endswith(_IMAGES):
        return "annotated" if any(word in name for word in _DRAWN_WORDS) else "image"
    return None


def _stem_without_words(path: Path) -> str:
    """`P01_annotated.bmp` and `P01.bmp` are both of case `P01`."""
    name = path.name
    extension = next(each for each in (*_VOLUMES, *_IMAGES) if name.lower().endswith(each))
    parts = re.split(r"([_\-. ]+)", name[: -len(extension)])
    words = (*_MASK_WORDS, *_DRAWN_WORDS)
    while len(parts) > 2 and (
        any(word in parts[-1].lower() for word in words) or parts[-1].lower() in _PLAIN_WORDS
    ):
        parts = parts[:-2]
    return "".join(parts)


def _has_dicom(files: list[Path]) -> bool:
    from SarcopeniaAssessLib.dicom_attributes import looks_like_dicom

    return any(looks_like_dicom(path) for path in files if _role(path) is None)


def _add(files: _Files, case: str, role: str, path: Path) -> None:
    roles = files.setdefault(case, {})
    roles[role] = (*roles.get(role, ()), path)


def _table_facts(source: Path, table: Mapping[str, str]) -> _Facts:
    """What the layout's table, or else a manifest in the source, tells of each case."""
    if table:
        rows = read_rows(source / table["file"], key=table.get("case", "case"))
        columns = {name: column.lower() for name, column in table.items() if name not in ("file", "case")}
        key = table.get("case", "case").lower()
    else:
        try:
            rows = read_rows(find_manifest(source))
        except InputError:
            return {}
        columns, key = {name: name for name in (*FACTS, *LEVELS)}, "case"
    return {
        case: {name: text for name, column in columns.items() if (text := row.get(column)) is not None}
        for row in rows
        if (case := row.get(key)) is not None
    }
