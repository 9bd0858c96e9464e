"""Figures and captions of a folder."""

import base64
import io

import pytest
from PIL import Image

from SarcopeniaAssessLib.errors import InputError
from SarcopeniaTraining.report_page.pictures import read_pictures


def draw(path, size=(7, 3)):
    content = io.BytesIO()
    Image.new("RGB", size).save(content, "png")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.getvalue())
    return content.getvalue()


def test_size_content_and_caption(tmp_path):
    content = draw(tmp_path / "roc_curves.png")
    (tmp_path / "captions.md").write_text("**roc_curves.png** Curves of 3 sets. Dashed: chance.\n\n")
    (picture,) = read_pictures(tmp_path)
    assert (picture.width, picture.height) == (7, 3)
    assert picture.source == "data:image/png;base64," + base64.b64encode(content).decode()
    assert picture.caption == "Curves of 3 sets. Dashed: chance."
    assert picture.alternative == "roc curves: Curves of 3 sets."


def test_captions_of_either_form_and_over_several_lines(tmp_path):
    for name in ("a.png", "b.png", "c.png"):
        draw(tmp_path / name)
    text = "b.png: second\nline of it\n**a.png** first\n\nno caption\n"
    (tmp_path / "captions.md").write_text(text)
    found = [(picture.name, picture.caption) for picture in read_pictures(tmp_path)]
    assert found == [("b.png", "second line of it"), ("a.png", "first"), ("c.png", "")]


def test_folders_below_have_captions_of_their_own(tmp_path):
    draw(tmp_path / "roc.png")
    draw(tmp_path / "explain" / "roc.png")
    (tmp_path / "captions.md").write_text("**roc.png** above\n")
    (tmp_path / "explain" / "captions.md").write_text("**roc.png** below\n")
    found = {picture.name: picture.caption for picture in read_pictures(tmp_path)}
    assert found == {"roc.png": "above", "explain/roc.png": "below"}


def test_no_caption_is_said(tmp_path):
    draw(tmp_path / "bland-altman.png")
    assert read_pictures(tmp_path)[0].alternative == "Figure bland altman, without a caption"


def test_a_long_sentence_is_cut_at_a_word(tmp_path):
    draw(tmp_path / "a.png")
    (tmp_path / "captions.md").write_text("**a.png** " + "word " * 90 + "end.\n")
    alternative = read_pictures(tmp_path)[0].alternative
    assert alternative.endswith("word …")
    assert len(alternative) < 260


def test_no_png(tmp_path):
    (tmp_path / "a.png").write_bytes(b"GIF89a")
    with pytest.raises(InputError, match=r"the figure a\.png is no PNG; draw it again"):
        read_pictures(tmp_path)


def test_no_folder(tmp_path):
    assert read_pictures(tmp_path / "figures") == ()
