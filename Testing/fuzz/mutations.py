"""How a file is damaged: bytes, fields of a header, lines of a text, values of JSON, elements of DICOM.

Everything is drawn from one `random.Random`, so that a number tells the whole file again.
"""

from __future__ import annotations

import gzip
import io
import json
import struct
import zipfile
from collections.abc import Callable
from random import Random
from typing import Any

INTERESTING = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
NUMBERS = (
    "0", "-1", "1e400", "nan", "inf", "-inf", "1e-320", "60000", "4294967296", "9" * 400, "0x10", "1,5", "",
)  # fmt: skip
TEXTS = (
    "", " ", "=1+1", "../../../../etc/passwd", "/etc/passwd", "/dev/zero", "LIST", "%05d.raw 1 9 1",
    "\x1b[2J", "\u202egnp", "a" * 5000, "<script>alert(1)</script>", "\ud800", "\0", "nan", "~nobody/x", "١٢",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 10**400, 1e308, -1e308, 1e-320, float("nan"), float("inf"),
    [], {}, [[]], [None], {"a": 1}, *TEXTS,
)  # fmt: skip
Mutation = Callable[[bytes, Random], bytes]


def damaged(content: bytes, name: str, random: Random) -> tuple[bytes, str]:
    """A damaged copy of a file's content, and how it was done."""
    ways = [*_BYTES, *_ways_of(content, name)]
    told = []
    for _ in range(1 if random.random() < 0.7 else random.randint(2, 4)):
        way = random.choice(ways)
        try:
            content = way(content, random)
        except Exception:
            content = flipped(content, random)  # what an earlier step has left does not suit this one
        told.append(way.__name__)
    return content, "+".join(told)


def flipped(content: bytes, random: Random) -> bytes:
    """A few bits the other way."""
    changed = bytearray(content or b"\0")
    for _ in range(random.choice((1, 1, 2, 8, 64))):
        at = random.randrange(len(changed))
        changed[at] ^= 1 << random.randrange(8)
    return bytes(changed)


def flipped_at_the_start(content: bytes, random: Random) -> bytes:
    """Bits of the first bytes, where headers are."""
    head = content[: random.choice((16, 64, 352, 1024))]
    return flipped(head, random) + content[len(head) :]


def number_written(content: bytes, random: Random) -> bytes:
    """A number that breaks sums, in some place, size and byte order."""
    size = random.choice((1, 2, 4, 8))
    value = random.choice(INTERESTING) & ((1 << 8 * size) - 1)
    at = random.randrange(max(1, min(len(content), random.choice((400, 4000, 1 << 30)))))
    return content[:at] + value.to_bytes(size, random.choice(("little", "big"))) + content[at + size :]


def cut_off(content: bytes, random: Random) -> bytes:
    """The beginning alone."""
    return content[: random.randrange(len(content) + 1)]


def cut_out(content: bytes, random: Random) -> bytes:
    """A piece missing."""
    start, length = random.randrange(len(content) + 1), random.choice((1, 2, 7, 64, 4096))
    return content[:start] + content[start + length :]


def doubled(content: bytes, random: Random) -> bytes:
    """A piece twice."""
    start, length = random.randrange(len(content) + 1), random.choice((1, 4, 64, 4096))
    return content[: start + length] + content[start:]


def put_in(content: bytes, random: Random) -> bytes:
    """Foreign bytes in between."""
    start = random.randrange(len(content) + 1)
    return content[:start] + random.randbytes(random.choice((1, 3, 16, 300))) + content[start:]


def swapped(content: bytes, random: Random) -> bytes:
    """Two pieces in each other's place."""
    size = max(1, min(len(content) // 3, random.choice((2, 8, 128, 2048))))
    first, second = sorted(random.randrange(max(1, len(content) - size)) for _ in range(2))
    second = max(second, first + size)
    return (
        content[:first]
        + content[second : second + size]
        + content[first + size : second]
        + content[first : first + size]
        + content[second + size :]
    )


def emptied(content: bytes, random: Random) -> bytes:
    """A stretch of zeros or of 255."""
    start, length = random.randrange(len(content) + 1), random.choice((4, 60, 1000))
    filled = random.choice((b"\0", b"\xff")) * len(content[start : start + length])
    return content[:start] + filled + content[start + length :]


_BYTES: tuple[Mutation, ...] = (
    flipped, flipped_at_the_start, number_written, cut_off, cut_out, doubled, put_in, swapped, emptied,
)  # fmt: skip


def nifti_field(content: bytes, random: Random) -> bytes:
    """A field of the header: dimensions, type, offset, scaling, spacing, codes, affine."""
    offsets = {
        40: "h",
        42: "h",
        44: "h",
        46: "h",
        48: "h",
        70: "h",
        72: "h",
        76: "f",
        80: "f",
        84: "f",
        88: "f",
    }
    offsets |= {
        108: "f",
        112: "f",
        116: "f",
        252: "h",
        254: "h",
        256: "f",
        280: "f",
        284: "f",
        300: "f",
        344: "i",
    }
    at, kind = random.choice(list(offsets.items()))
    value = (
        random.choice((0.0, -1.0, 1e38, float("nan"), float("inf"), 1e-38, 300.0, 0.5))
        if kind == "f"
        else random.choice(
            (0, -1, 1, 2, 3, 4, 7, 8, 16, 64, 128, 256, 512, 768, 1024, 1536, 2304, 30000, 32767)
        )
    )
    return content[:at] + struct.pack(f"<{kind}", value) + content[at + struct.calcsize(kind) :]


def inside_gzip(way: Mutation) -> Mutation:
    """The same inside a gzip file, whose checksum is right again."""

    def changed(content: bytes, random: Random) -> bytes:
        return gzip.compress(way(gzip.decompress(content), random), 1, mtime=0)

    changed.__name__ = f"gzip:{way.__name__}"
    return changed


def text_line(content: bytes, random: Random) -> bytes:
    """A line of the text header left out, doubled, moved, or with another value."""
    head, blank, rest = content.partition(b"\n\n")
    lines = (head if blank or len(head) < 1 << 16 else head[:2000]).split(b"\n")[:40]
    tail = head[len(b"\n".join(lines)) :]
    at = random.randrange(len(lines))
    way = random.randrange(5)
    if way == 0:
        del lines[at]
    elif way == 1:
        lines.insert(random.randrange(len(lines)), lines[at])
    elif way == 2:
        lines[at] = lines[at] * random.choice((2, 1000))
    else:
        for mark in (b"=", b":"):
            name, found, value = lines[at].partition(mark)
            if found:
                lines[at] = name + found + b" " + _other_words(value, random)
                break
    return b"\n".join(lines) + tail + blank + rest


def _other_words(value: bytes, random: Random) -> bytes:
    if random.random() < 0.3:
        return random.choice(TEXTS).encode("utf-8", "surrogatepass")
    words = value.split() or [b""]
    words[random.randrange(len(words))] = random.choice(NUMBERS).encode()
    if random.random() < 0.2:
        words = words[:-1] if random.random() < 0.5 else [*words, words[-1]]
    return b" ".join(words)


def json_value(content: bytes, random: Random) -> bytes:
    """A value of the tree replaced, removed, doubled, put elsewhere, or buried a hundred thousand deep."""
    first, *others = (
        content.decode("utf-8").splitlines() if b'"previous"' in content else [content.decode("utf-8")]
    )
    lines = [first, *others]
    at = random.randrange(len(lines))
    tree = json.loads(lines[at])
    places = list(_places(tree))
    place, key = random.choice(places)
    way = random.randrange(6)
    if way == 0:
        del place[key]
    elif way == 1:
        other, name = random.choice(places)
        place[key] = other[name] if not isinstance(other[name], dict | list) else str(other[name])
    elif way == 2:
        place[key] = "BURIED"
    elif way == 3 and isinstance(place, dict):
        place[random.choice(TEXTS)] = place.pop(key)
    else:
        place[key] = random.choice(VALUES)
    depth = random.choice((50, 400, 900, 100_000))
    buried = random.choice(("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth))
    text = json.dumps(tree, ensure_ascii=random.random() < 0.5, indent=None if others else 1)
    lines[at] = text.replace('"BURIED"', buried)
    return "\n".join(lines).encode("utf-8", "surrogatepass") + b"\n"


def _places(tree: Any) -> Any:
    stack = [tree]
    while stack:
        here = stack.pop()
        for key in list(here) if isinstance(here, dict) else range(len(here)):
            yield here, key
            if isinstance(here[key], dict | list):
                stack.append(here[key])


def table_cell(content: bytes, random: Random) -> bytes:
    """A cell of a table with another text, or a column more or less."""
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    lines = content.decode(encoding).split("\n")
    at = random.randrange(len(lines))
    cells = lines[at].split(";")
    cells[random.randrange(len(cells))] = random.choice((*TEXTS, *NUMBERS, '"', '"a\nb"', "x;y"))
    lines[at] = ";".join(cells)
    return "\n".join(lines).encode(encoding, "surrogatepass")


def dicom_element(content: bytes, random: Random) -> bytes:
    """An element removed, emptied, made absurd, of another kind, or with private junk beside it."""
    import pydicom
    from pydicom.tag import Tag

    dataset = pydicom.dcmread(io.BytesIO(content))
    pool = [dataset, dataset.file_meta]
    for element in dataset:
        if element.VR == "SQ":
            pool += list(element.value)
    place = random.choice(pool)
    tag = random.choice(sorted(place.keys()))
    way = random.randrange(5)
    if way == 0:
        del place[tag]
    elif way == 1:
        place[tag].value = None
    elif way == 2:
        place.add_new(Tag(0x0009, random.randrange(0x1000, 0x10FF)), "UN", random.randbytes(40))
    elif way == 3 and tag.group != 0x7FE0:
        raw = random.choice((*TEXTS, *NUMBERS)).encode("utf-8", "surrogatepass")[:60]
        place.add_new(tag, "UN" if random.random() < 0.3 else "LO", raw.decode("latin-1"))
    else:
        element = place[tag]
        if element.VR in ("US", "SS", "UL", "SL"):
            element.value = random.choice((0, 1, 2, 7, 8, 13, 32, 255, 30000, 65535))
        elif element.VR in ("DS", "IS", "FD", "FL"):
            count = getattr(element, "VM", 1)
            number = random.choice((0, -1, 1e300, -3024, 65536, 1e-30, 2**31))
            element.value = (
                [number] * random.choice((count, 1, count + 1))
                if element.VR != "IS"
                else int(min(number, 2**31 - 1))
            )
        else:
            element.value = random.choice(("", "1.2", "X", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"))
    written = io.BytesIO()
    dataset.save_as(written, enforce_file_format=False)
    return written.getvalue()


def zip_member(content: bytes, random: Random) -> bytes:
    """An archive with a bomb, a path out of it, two members of a name, a link, or a damaged member."""
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(written, "w") as archive:
        for info in source.infolist():
            data = source.read(info)
            archive.writestr(
                info.filename, damaged(data, "x.dcm", random)[0] if random.random() < 0.3 else data
            )
        way = random.randrange(5)
        if way == 0:
            archive.writestr("bomb.dcm", bytes(random.choice((1 << 20, 80 << 20))), zipfile.ZIP_DEFLATED, 9)
        elif way == 1:
            archive.writestr(random.choice(("../../out.dcm", "/out.dcm", "C:\\out.dcm", "a\0b")), data)
        elif way == 2:
            link = zipfile.ZipInfo("link.dcm")
            link.external_attr = 0o120777 << 16
            archive.writestr(link, "/etc/passwd")
        elif way == 3:
            archive.writestr("inner.zip", content)
        else:
            archive.writestr(
                "long/" + "x" * 300 + ".dcm", data, random.choice((zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
            )
    return written.getvalue()


def safetensors_header(content: bytes, random: Random) -> bytes:
    """The header's JSON damaged, its length right again, or a length that is not true."""
    length = int.from_bytes(content[:8], "little")
    head, rest = content[8 : 8 + length], content[8 + length :]
    if random.random() < 0.2:
        return random.choice((2**63, 2**40, 0, len(content) * 2)).to_bytes(8, "little") + head + rest
    tree = json.loads(head)
    if random.random() < 0.6 and "__metadata__" in tree:
        name = random.choice(list(tree["__metadata__"]))
        entry = json_value(tree["__metadata__"][name].encode(), random).decode("utf-8", "replace")
        tree["__metadata__"][name] = entry
        head = json.dumps(tree).encode()
    else:
        head = json_value(head, random)
    return len(head).to_bytes(8, "little") + head + rest


_BY_NAME: dict[str, tuple[Mutation, ...]] = {
    ".json": (json_value,) * 9,
    ".jsonl": (json_value,) * 9,
    ".seal": (json_value,) * 9,
    ".csv": (table_cell,) * 9,
    ".safetensors": (safetensors_header,) * 9,
    ".zip": (zip_member,) * 3,
    ".nii": (nifti_field,) * 9,
    ".nrrd": (text_line,) * 12,
    ".nhdr": (text_line,) * 12,
    ".mha": (text_line,) * 12,
    ".mhd": (text_line,) * 12,
}


def _ways_of(content: bytes, name: str) -> list[Mutation]:
    """Ways that suit what the content is; named often, so that they are drawn as often as bytes."""
    if content.startswith(b"\x1f\x8b"):
        return [inside_gzip(way) for way in (*_BYTES, *[nifti_field] * 9)]
    if content[128:132] == b"DICM":
        return [dicom_element] * 9
    return list(_BY_NAME.get("." + name.rpartition(".")[2], ()))
