"""The page in a real browser: loads without complaint, sorts, is used by keyboard, fits, reads, prints."""

import re
import shutil
import subprocess

import pytest

from SarcopeniaTraining.report_page.page import write_report
from Testing.training.browser import (
    browser,
    complaints,
    faint_texts,
    focusable,
    on_paper,
    open_page,
    print_media,
    resize,
    unmarked_in_order,
)
from Testing.training.reproduced_folder import draw_reproduction

COLUMN = """
const [name, column] = arguments;
const table = document.getElementById('caption-' + name).closest('table');
return Array.from(table.tBodies[0].rows, row => row.cells[column].innerText.trim());
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return write_report(draw_reproduction(tmp_path_factory.mktemp("browser") / "whole"))


@pytest.fixture(scope="module")
def driver():
    with browser() as opened:
        yield opened


@pytest.fixture
def page(driver, report):
    resize(driver, 1400)
    open_page(driver, report)
    return driver


def press(driver, *keys):
    from selenium.webdriver import ActionChains

    ActionChains(driver).send_keys(*keys).perform()


def button(driver, name, column):
    table = f"document.getElementById('caption-{name}').closest('table')"
    return driver.execute_script(f"return {table}.querySelectorAll('thead button')[{column}]")


def order(driver, name, column):
    table = f"document.getElementById('caption-{name}').closest('table')"
    return driver.execute_script(
        f"return Array.from({table}.querySelectorAll('th[aria-sort]'), th => th.ariaSort)[{column}]"
    )


def test_the_console_stays_silent(page):
    assert complaints(page) == []


def test_every_picture_loads(page):
    sizes = page.execute_script("return Array.from(document.images, i => [i.complete, i.naturalWidth])")
    assert len(sizes) == 5
    assert all(complete and width > 100 for complete, width in sizes)


def test_a_press_sorts_upwards_downwards_and_back(page):
    before = page.execute_script(COLUMN, "table1", 3)
    means = sorted(float(text.split()[0]) for text in before)
    for wanted, names in ((means, "ascending"), (means[::-1], "descending")):
        button(page, "table1", 3).click()
        shown = page.execute_script(COLUMN, "table1", 3)
        assert [float(text.split()[0]) for text in shown] == wanted
        assert order(page, "table1", 3) == names
    button(page, "table1", 3).click()
    assert page.execute_script(COLUMN, "table1", 3) == before
    assert order(page, "table1", 3) == "none"


def test_one_column_at_a_time_is_sorted_and_whole_rows_move(page):
    pairs = set(zip(*(page.execute_script(COLUMN, "table1", n) for n in (0, 1, 8)), strict=True))
    button(page, "table1", 3).click()
    button(page, "table1", 0).click()
    assert (order(page, "table1", 3), order(page, "table1", 0)) == ("none", "ascending")
    networks = page.execute_script(COLUMN, "table1", 0)
    assert networks == sorted(networks)
    assert set(zip(*(page.execute_script(COLUMN, "table1", n) for n in (0, 1, 8)), strict=True)) == pairs


def test_signs_sort_as_numbers_and_unknown_values_come_last(page):
    button(page, "table3-comparison", 3).click()
    shown = page.execute_script(COLUMN, "table3-comparison", 3)
    known = [float(re.match(r"[+−][\d.]+", text).group().replace("−", "-")) for text in shown if text != "–"]
    assert known == sorted(known)
    assert known[0] < 0 < known[-1]
    assert set(shown[len(known) :]) == {"–"}
    button(page, "table3-comparison", 3).click()
    assert page.execute_script(COLUMN, "table3-comparison", 3)[-1] == "–"


def test_the_row_that_sums_up_stays_below(page):
    button(page, "table3", 4).click()
    foot = page.execute_script(
        "return document.getElementById('caption-table3').closest('table').tFoot.innerText"
    )
    assert foot.startswith("mean of folds")


def test_what_was_sorted_is_announced(page):
    button(page, "table1", 0).click()
    told = page.execute_script("return document.getElementById('told').textContent")
    assert told.startswith("Table 1. ")
    assert told.endswith(": sorted by network, ascending")


def test_a_keyboard_reaches_everything_in_order_and_sees_where_it_is(page):
    wanted = focusable(page)
    assert len(wanted) > 100
    assert unmarked_in_order(page, wanted) == []


def test_a_keyboard_sorts_skips_and_unfolds(page):
    from selenium.webdriver import Keys

    press(page, Keys.TAB, Keys.ENTER)
    assert page.execute_script("return document.activeElement.id") == "main"
    page.execute_script("arguments[0].focus()", button(page, "table1", 0))
    press(page, Keys.SPACE)
    assert order(page, "table1", 0) == "ascending"
    press(page, Keys.ENTER)
    assert order(page, "table1", 0) == "descending"
    page.execute_script("document.querySelector('summary').focus()")
    press(page, Keys.ENTER)
    assert page.execute_script("return document.querySelector('details').open")


def test_a_region_that_is_too_wide_scrolls_by_arrow_keys(page):
    from selenium.webdriver import Keys

    resize(page, 400)
    region = page.execute_script(
        "const region = document.getElementById('caption-table3').closest('.scroll');"
        "region.focus(); return region"
    )
    press(page, *[Keys.ARROW_RIGHT] * 3)
    page.execute_async_script("setTimeout(arguments[0], 400)")
    assert page.execute_script("return arguments[0].scrollLeft", region) > 0


@pytest.mark.parametrize("width", [400, 700, 1119, 1120, 1400])
def test_no_width_needs_scrolling_sideways(page, width):
    resize(page, width)
    assert page.execute_script("return document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_letters_stand_out_from_their_ground(page, dark):
    resize(page, 1400, dark=dark)
    ground = page.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground))) < 200) is dark
    assert faint_texts(page) == []


@pytest.mark.parametrize(("tables", "millimetres"), [(":not(.wide)", 184), (".wide", 273)])
def test_on_paper_no_table_is_wider_than_its_page(page, tables, millimetres):
    width = round(millimetres / 25.4 * 96)
    print_media(page, width)
    wide = page.execute_script(
        "return Array.from(document.querySelectorAll(arguments[0] + '.scroll > table'))"
        ".filter(table => table.checkVisibility() && table.getBoundingClientRect().width > arguments[1] + 1)"
        ".map(table => table.caption.innerText)",
        tables,
        width,
    )
    assert wide == []


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="no pdftotext here (Debian: poppler-utils)")
def test_the_paper_holds_all_pages_in_a4_and_the_last_column(page, tmp_path):
    on_paper(page, tmp_path / "report.pdf")
    text = subprocess.run(
        ["pdftotext", "-layout", tmp_path / "report.pdf", "-"], capture_output=True, text=True, check=True
    ).stdout
    info = subprocess.run(
        ["pdfinfo", "-l", "99", tmp_path / "report.pdf"], capture_output=True, text=True, check=True
    ).stdout
    sizes = {
        tuple(sorted(round(float(side)) for side in found))
        for found in re.findall(r"size:\s+([\d.]+) x ([\d.]+)", info)
    }
    assert sizes <= {(595, 842), (596, 842), (595, 843)}
    rows = re.findall(r"^\s*ResNet50\s+freezeall\s.*0\.73\s±\s0\.08\s*$", text, re.MULTILINE)
    assert len(rows) == 1
    assert "Research use only" in text
    assert "https://arxiv.org/abs/2508.17275" in text


def test_without_its_script_no_button_pretends(driver, report):
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        driver.get(report.resolve().as_uri())
        found = driver.execute_cdp_cmd("DOM.getDocument", {"depth": -1})
    finally:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    names = str(found).count("'nodeName': 'BUTTON'")
    assert names > 50
    assert str(found).count("'disabled', ''") == names
