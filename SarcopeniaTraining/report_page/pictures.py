"""Figures of a folder with their captions, as parts of a page that needs no other file."""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from SarcopeniaAssessLib.errors import InputError

CAPTIONS = "captions.md"
_PNG = b"\x89PNG\r\n\x1a\n"
_BOLD = re.compile(r"\*\*(?P<name>[^*\n]+\.png)\*\*:?\s*(?P<words>.*)", re.IGNORECASE)
_COLON = re.compile(r"(?:[-*]\s+)?`?(?P<name>[\w./-]+\.png)`?:\s+(?P<words>.*)", re.IGNORECASE)
_SENTENCE = re.compile(r"(.+?[.!?])(?=\s+[A-Z]|$)", re.DOTALL)
_ALT_LENGTH = 240


@dataclass(frozen=True)
class Picture:
    """A figure and what it shows.

    Attributes
    ----------
    name:
        Of its file, with folders below `figures`.
    content:
        The PNG.
    width, height:
        In pixels.
    caption:
        Empty where nothing is said of it.
    """

    name: str
    content: bytes
    width: int
    height: int
    caption: str

    @property
    def title(self) -> str:
        """Words of the file's name."""
        return Path(self.name).stem.replace("-", " ").replace("_", " ")

    @property
    def alternative(self) -> str:
        """What stands for the picture where it is not seen: the name's words, and the first sentence."""
        first = _SENTENCE.match(self.caption)
        words = (first.group(1) if first else self.caption).strip()
        if len(words) > _ALT_LENGTH:
            words = words[: words.rfind(" ", 0, _ALT_LENGTH)] + " …"
        return f"{self.title}: {words}" if words else f"Figure {self.title}, without a caption"

    @property
    def source(self) -> str:
        """The picture as a data URI."""
        return "data:image/png;base64," + base64.b64encode(self.content).decode("ascii")


def read_pictures(folder: Path) -> tuple[Picture, ...]:
    """Every PNG of a folder and of those in it, in the order of their captions, then by name.

    Raises
    ------
    InputError
        A file that is no PNG.
    """
    captions = {
        f"{where}{name}": words for where, text in _caption_files(folder) for name, words in _captions(text)
    }
    found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*.png"))}
    order = [*(name for name in captions if name in found), *(name for name in found if name not in captions)]
    return tuple(_picture(name, found[name], captions.get(name, "")) for name in order)


def _picture(name: str, path: Path, caption: str) -> Picture:
    try:
        content = path.read_bytes()
    except OSError:
        content = b""
    if not content.startswith(_PNG) or len(content) < 24:
        raise InputError(f"the figure {name} is no PNG", "draw it again, by the command that made it")
    width, height = struct.unpack(">II", content[16:24])
    return Picture(name, content, width, height, caption)


def _caption_files(folder: Path) -> Iterator[tuple[str, str]]:
    """Place of a file of captions below the folder (`""`, `classification/`), and its text."""
    for path in sorted(folder.rglob(CAPTIONS)):
        place = path.parent.relative_to(folder).as_posix()
        yield ("" if place == "." else f"{place}/"), path.read_text("utf-8")


def _captions(text: str) -> Iterator[tuple[str, str]]:
    """Names and words; a caption ends where the next one begins or at an empty line."""
    name, words = "", list[str]()
    for line in [*text.splitlines(), ""]:
        found = _BOLD.match(line) or _COLON.match(line)
        if found or not line.strip():
            if name:
                yield name, " ".join(words).strip()
            name, words = (found["name"], [found["words"].strip()]) if found else ("", [])
        elif name:
            words.append(line.strip())
