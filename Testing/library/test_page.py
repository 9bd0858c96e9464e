"""What a page is made of: signs that print, lists that end, lines that keep to their width."""

import io

import pytest
from reportlab.pdfgen.canvas import Canvas

from SarcopeniaAssessLib import page


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("163.4 cm² −29…150 HU ≤ ± · – ×", "163.4 cm² −29…150 HU ≤ ± · – ×"),
        ("Müller-Łódź", "Müller-Łódz"),
        ("Erdős", "Erdos"),
        ("漢字 → ✓", "?? ? ?"),
        ("tab\tnew\nline", "tab new line"),
    ],
)
def test_every_text_can_be_printed(text, printed):
    assert page.printable(text) == printed


@pytest.mark.parametrize("fitting", range(6))
def test_a_list_ends_in_time(fitting):
    line_pt = page.height_of(page.grid([[page.paragraph("x", 7, page.INK)]], [page.WIDTH]))

    def build(count):
        rows = [[page.paragraph(f"entry {n}", 7, page.INK)] for n in range(count)]
        more = [[page.paragraph("more", 7, page.INK)]] if count < 40 else []
        return page.grid(rows + more, [page.WIDTH])

    chosen = page.as_many_as_fit(build, 40, (fitting + 1.5) * line_pt)
    # One line is taken by the count of those that are left.
    assert page.height_of(chosen) == pytest.approx((fitting + 1) * line_pt)


def test_a_list_that_fits_is_whole():
    def build(count):
        return page.grid([[page.paragraph(f"{n}", 7, page.INK)] for n in range(count)], [page.WIDTH])

    assert page.height_of(page.as_many_as_fit(build, 5, 1000)) == page.height_of(build(5))


def test_a_line_shrinks_and_is_then_cut():
    page.register_fonts()
    drawn = []

    class Recorder(Canvas):
        def drawString(self, x, y, text, *rest, **more):
            drawn.append((text, self.stringWidth(text, self._fontname, self._fontsize), self._fontsize))

    canvas = Recorder(io.BytesIO())
    for text in ("short", "rather long for it", "much too long " * 9):
        page.one_line(canvas, text, (0, 0), page.Type("Vera", 10, page.INK), 80)
    assert [text for text, _, _ in drawn][:2] == ["short", "rather long for it"]
    assert drawn[2][0].endswith("…")
    assert all(width <= 80 for _, width, _ in drawn)
    assert drawn[0][2] == 10 > drawn[1][2] > drawn[2][2] >= 6


def test_markup_in_foreign_text_is_shown_not_obeyed():
    assert page.escaped("<b>&") == "&lt;b&gt;&amp;"
    assert page.paragraph("<img src='x'/> & <b>", 7, page.INK).getPlainText() == "<img src='x'/> & <b>"
