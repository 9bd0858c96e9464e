"""Small pictures: the slice without its words, kept from an earlier page, nothing of what is no picture."""

import base64
import io
import json
import os
import struct
import zlib

import pytest
from PIL import Image

from SarcopeniaAssessLib.overlay import BANDS_PX
from SarcopeniaAssessLib.overview.thumbnails import SIZE_PX, earlier_pictures, thumbnail, thumbnails

URI = "data:image/webp;base64,AAAA"


def overlay(path, size=(1000, 900)):
    """White words above, red ones below, a blue slice between them."""
    top, bottom = BANDS_PX
    picture = Image.new("RGB", size, (255, 255, 255))
    picture.paste((0, 0, 200), (0, top, size[0], size[1] - bottom))
    picture.paste((200, 0, 0), (0, size[1] - bottom, *size))
    picture.save(path)
    return path


def opened(uri):
    head, _, content = uri.partition(",")
    assert head == "data:image/webp;base64"
    return Image.open(io.BytesIO(base64.b64decode(content))).convert("RGB")


def test_it_shows_the_slice_alone(tmp_path):
    small = opened(thumbnail(overlay(tmp_path / "overlay.png")))
    assert small.width <= SIZE_PX[0]
    assert small.height <= SIZE_PX[1]
    assert small.width / small.height == pytest.approx(1000 / (900 - sum(BANDS_PX)), rel=0.02)
    for place in ((2, 2), (small.width - 3, small.height - 3), (small.width // 2, small.height // 2)):
        red, green, blue = small.getpixel(place)
        assert blue > 150
        assert max(red, green) < 60


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_what_is_no_picture_gives_none(tmp_path, content):
    (tmp_path / "overlay.png").write_bytes(content)
    assert thumbnail(tmp_path / "overlay.png") == ""
    assert thumbnail(tmp_path / "nothing.png") == ""


def test_a_picture_of_another_kind_or_of_absurd_size_gives_none(tmp_path):
    Image.new("RGB", (300, 300)).save(tmp_path / "a.png", "JPEG")
    Image.new("1", (5000, 200)).save(tmp_path / "b.png")
    assert [thumbnail(tmp_path / name) for name in ("a.png", "b.png")] == ["", ""]


def test_a_picture_too_large_for_pillow_gives_none(tmp_path):
    def chunk(name, content):
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    head = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IEND", b""))
    assert thumbnail(tmp_path / "a.png") == ""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert thumbnail(tmp_path / "pipe") == ""
    assert earlier_pictures(tmp_path / "pipe") == {}


def test_known_ones_are_not_made_again(tmp_path):
    told = []
    pictures = [("known", tmp_path / "none.png"), ("new", overlay(tmp_path / "overlay.png"))]
    made = dict(thumbnails(pictures, {"known": URI}, lambda: told.append(1)))
    assert made["known"] == URI
    assert made["new"].startswith("data:image/webp;base64,")
    assert len(told) == 2


def test_an_earlier_pages_pictures_are_read_if_they_are_some(tmp_path):
    page = tmp_path / "overview.html"
    block = json.dumps(
        [
            ["a", URI],
            ["b", ""],
            ["c", "https://example.org/x.png"],
            ["e", URI + '" onerror="x'],
            ["d", "data:text/html,x"],
            [1, URI],
        ]
    )
    page.write_text(f'<p><script type="application/json" class="pictures">{block}</script>')
    assert earlier_pictures(page) == {"a": URI}


@pytest.mark.parametrize("block", ["{", '{"a": 1}', "[1]", '[["a"]]', "[" * 100_000])
def test_a_damaged_page_gives_no_picture(tmp_path, block):
    page = tmp_path / "overview.html"
    page.write_text(f'<script type="application/json" class="pictures">{block}</script>')
    assert earlier_pictures(page) == {}
    assert earlier_pictures(tmp_path / "nothing.html") == {}
