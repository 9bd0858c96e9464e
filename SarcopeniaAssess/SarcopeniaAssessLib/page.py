"""What a printed page is made of: its font, single lines, paragraphs, tables, and lists that end in time.

Points throughout, the origin at the page's lower left corner, as reportlab has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib.overlay import font_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from reportlab.pdfgen.canvas import Canvas
    from reportlab.platypus import Flowable, Paragraph, Table

MM = 72 / 25.4
PAGE = (210 * MM, 297 * MM)
EDGE = 13 * MM
GAP = 4.5 * MM
WIDTH = PAGE[0] - 2 * EDGE
SMALL_PT, TABLE_PT, NOTE_PT = 6.8, 7.2, 7.6
INK, SOFT, _LINE, _FIELD = "#14181f", "#5a6470", "#d5dae0", "#f3f5f7"


def register_fonts() -> None:
    """Make the font known to reportlab, once."""
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    if "Vera" in pdfmetrics.getRegisteredFontNames():
        return
    for name, bold in (("Vera", False), ("VeraBd", True)):
        pdfmetrics.registerFont(TTFont(name, str(font_path(bold=bold))))
    pdfmetrics.registerFontFamily("Vera", normal="Vera", bold="VeraBd", italic="Vera", boldItalic="VeraBd")


def printable(text: str) -> str:
    """A text in the signs that the page's font has; others lose their accent or become `?`."""
    import unicodedata

    from reportlab.pdfbase.pdfmetrics import getFont

    register_fonts()
    known = getFont("Vera").face.charToGlyph

    def sign(character: str) -> str:
        if ord(character) in known:
            return character
        if character.isspace():
            return " "
        plain = [c for c in unicodedata.normalize("NFKD", character) if ord(c) in known]
        return plain[0] if plain else "?"

    return "".join(map(sign, text))


@dataclass(frozen=True)
class Type:
    """A font, its size in points and a colour."""

    font: str
    size: float
    colour: str


def one_line(
    canvas: Canvas, text: str, place: tuple[float, float], style: Type, width: float = WIDTH
) -> None:
    """One line that shrinks to three fifths, then is cut, rather than run over its width."""
    text, size = printable(text), style.size
    while canvas.stringWidth(text, style.font, size) > width and size > 0.6 * style.size:
        size -= 0.25
    while canvas.stringWidth(text, style.font, size) > width:
        text = text[:-2] + "…"
    canvas.setFillColor(style.colour)
    canvas.setFont(style.font, size)
    canvas.drawString(*place, text)


def paragraph(text: str, size: float, colour: str, *, bold: bool = False, markup: bool = False) -> Paragraph:
    """Text that wraps; `markup` says that it is reportlab's own, with everything foreign escaped."""
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import Paragraph

    font = "VeraBd" if bold else "Vera"
    style = ParagraphStyle(
        "x", fontName=font, fontSize=size, leading=size * 1.27, textColor=colour, splitLongWords=1
    )
    return Paragraph(text if markup else escaped(text), style)


def escaped(text: str) -> str:
    """Plain text as reportlab markup that shows it."""
    from xml.sax.saxutils import escape

    return escape(printable(text))


def pairs(rows: list[tuple[str, str]], width: float, share: float = 0.4) -> Flowable:
    """Names and values in two columns; the names take `share` of the width."""
    cells: list[list[Any]] = [
        [paragraph(name, SMALL_PT, SOFT), paragraph(value, SMALL_PT, INK)] for name, value in rows
    ]
    return grid(cells, [width * share, width * (1 - share)])


def grid(rows: list[list[Any]], widths: list[float], *, rules: bool = True, spanned: bool = False) -> Table:
    """A table of paragraphs; `rules` draws lines between rows, `spanned` joins the cells of the last."""
    from reportlab.platypus import Table

    table = Table(rows, colWidths=widths)
    style: list[tuple[Any, ...]] = [
        ("LEFTPADDING", (0, 0), (-1, -1), 0),
        ("RIGHTPADDING", (0, 0), (-1, -1), 4),
        ("TOPPADDING", (0, 0), (-1, -1), 1.5),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 1.9),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ]
    if rules:
        style.append(("LINEBELOW", (0, 0), (-1, -1), 0.4, _LINE))
    if spanned:
        style.append(("SPAN", (0, -1), (-1, -1)))
    table.setStyle(style)
    return table


def as_many_as_fit(build: Callable[[int], Flowable], count: int, height: float) -> Flowable:
    """The list with as many entries as the height allows; at least its last line, which counts the rest.

    `build(n)` gives the list with its first n entries and, if any are left, a line that says how many.
    """
    if height_of(build(count)) <= height:
        return build(count)
    fits, too_many = 0, count
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        if height_of(build(middle)) <= height:
            fits = middle
        else:
            too_many = middle
    return build(fits)


def height_of(flowable: Flowable, width: float = WIDTH) -> float:
    """Height in points of what is to be drawn this wide."""
    height: float = flowable.wrap(width, PAGE[1])[1]
    return height


def draw(canvas: Canvas, flowable: Flowable, x: float, y: float, *, down: bool = False) -> float:
    """Draw with its lower edge at y (upper edge if `down`); returns its height."""
    height: float = flowable.wrapOn(canvas, WIDTH, PAGE[1])[1]
    flowable.drawOn(canvas, x, y - height if down else y)
    return height


def draw_titled(canvas: Canvas, title: str, flowable: Flowable, top: float) -> float:
    """A heading and what stands under it; returns where the next begins."""
    one_line(canvas, title, (EDGE, top - 3 * MM), Type("VeraBd", 8.5, INK))
    top -= 4.5 * MM
    return top - draw(canvas, flowable, EDGE, top, down=True) - GAP


def draw_box(
    canvas: Canvas, lines: list[Paragraph], ink: str, corner: tuple[float, float], width: float
) -> float:
    """Paragraphs beside a coloured bar; returns the height taken."""
    inner, pad = width - 3.5 * MM, 1.5 * MM
    heights = [line.wrap(inner, PAGE[1])[1] for line in lines]
    total: float = sum(heights) + 2 * pad + (len(lines) - 1) * 2
    x, y = corner
    canvas.setFillColor(_FIELD)
    canvas.rect(x, y - total, width, total, stroke=0, fill=1)
    canvas.setFillColor(ink)
    canvas.rect(x, y - total, 1.2 * MM, total, stroke=0, fill=1)
    at = y - pad
    for line, height in zip(lines, heights, strict=True):
        line.drawOn(canvas, x + 2.8 * MM, at - height)
        at -= height + 2
    return total
