"""The overview in a real browser: filters, order, keyboard, widths, colours, paper, hostile texts."""

import json
import re

import pytest
from PIL import Image

from SarcopeniaAssessLib.__main__ import cli, run_group
from Testing.library.overview.made_cohort import write_cohort
from Testing.library.overview.made_decisions import decided, write
from Testing.training.browser import (
    browser,
    complaints,
    faint_texts,
    focusable,
    on_paper,
    open_page,
    picture,
    resize,
    unmarked_in_order,
)

COUNT = 130
HOSTILE = "<img src=x onerror=window.broken=1>"
NAMES = "return Array.from(document.querySelectorAll('#rows th button'), b => b.textContent)"
TOLD = "return document.getElementById('told').textContent"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A cohort with pictures, one hostile case, one decision brought back."""
    place = tmp_path_factory.mktemp("browser")
    overlay = place / "overlay.png"
    Image.new("RGB", (1000, 900), (40, 60, 90)).save(overlay)
    out = write_cohort(place / "a cohort", COUNT, overlay.read_bytes())
    first = out / "study-00000" / "assessment.json"
    record = json.loads(first.read_text())
    record["quality"] = [{"code": "hostile", "severity": "warning", "message": HOSTILE}]
    record["l3"]["reason"] = record["status"]["reason"] = None
    first.write_text(json.dumps(record))
    (out / "study-00000").rename(out / "ta#g%20é <b>")
    write(place / "exported.json", decided(input={"sha256": f"{1:064x}"}))
    assert run_group(cli, ["overview", str(out), "--reviews", str(place / "exported.json")]) == 0
    return out


@pytest.fixture(scope="module")
def driver():
    with browser() as opened:
        yield opened


@pytest.fixture
def page(driver, folder):
    resize(driver, 1400)
    open_page(driver, folder / "overview.html")
    return driver


@pytest.fixture(scope="module")
def cases(folder):
    """What the page knows, for expectations that are counted here."""
    data = json.loads((folder / "overview.html").read_text().split('id="data">')[1].split("</script>")[0])
    return [dict(zip(data["fields"], case, strict=True)) for case in data["cases"]]


def choose(driver, name, value):
    driver.execute_script(
        "const f = document.getElementById(arguments[0]);"
        "if (f.type === 'checkbox') f.click(); else { f.value = arguments[1];"
        "f.dispatchEvent(new Event(f.type === 'search' ? 'input' : 'change')); }",
        name,
        value,
    )


def names(driver):
    return driver.execute_script(NAMES)


def test_the_console_stays_silent_and_the_first_page_is_there(page, cases):
    assert complaints(page) == []
    assert names(page) == [case["name"] for case in cases[:50]]
    assert page.execute_script(TOLD) == f"All {COUNT} cases"
    assert len(page.execute_script("return Array.from(document.images).filter(i => i.naturalWidth)")) == 50


@pytest.mark.parametrize(
    ("field", "value", "keeps"),
    [
        ("sex", "1", lambda case: case["sex"] == 1),
        ("sex", "2", lambda case: case["sex"] == 2),
        ("status", "0", lambda case: case["status"] == 0),
        ("review", "2", lambda case: case["review"] == 2),
        ("review", "3", lambda case: case["review"] > 0),
        ("borderline", True, lambda case: case["borderline"] == 1),
        ("warned", True, lambda case: case["findings"] != []),
        ("find", "STUDY-0001", lambda case: "study-0001" in case["name"]),
    ],
)
def test_a_filter_keeps_what_it_says(page, cases, field, value, keeps):
    choose(page, field, value)
    wanted = [case["name"] for case in cases if keeps(case)]
    assert 0 < len(wanted) < COUNT
    assert page.execute_script(TOLD) == f"{len(wanted)} of {COUNT} cases"
    assert names(page) == wanted[:50]
    page.execute_script("document.getElementById('clear').click()")
    assert page.execute_script(TOLD) == f"All {COUNT} cases"


def test_filters_join_and_the_bars_show_what_they_keep(page, cases):
    choose(page, "sex", "0")
    choose(page, "status", "0")
    wanted = [case for case in cases if case["sex"] == 0 and case["status"] == 0]
    assert page.execute_script(TOLD) == f"{len(wanted)} of {COUNT} cases"
    shown = page.execute_script(
        "return Array.from(document.querySelectorAll('rect.shown'), bar => {"
        "const plot = bar.closest('[data-sex]').dataset;"
        "return [plot.sex, bar.getAttribute('height') * bar.dataset.most / plot.height]; })"
    )
    assert sum(count for sex, count in shown if sex == "male") == pytest.approx(
        sum(c["bin"] is not None for c in wanted)
    )
    assert sum(count for sex, count in shown if sex != "male") == 0


def test_the_first_bars_are_all_cases_that_count(page, cases):
    heights = page.execute_script(
        "return ['all', 'shown'].map(name => Array.from(document.querySelectorAll('rect.' + name),"
        " bar => Number(bar.getAttribute('height')).toFixed(1)))"
    )
    assert heights[0] == heights[1]
    assert len(heights[0]) > 10


def test_headings_sort_up_and_down_with_unknown_ones_last(page, cases):
    button = "document.querySelector('[data-order=smi]')"
    known = sorted(case["smi"] for case in cases if case["smi"] is not None)
    for wanted, state in ((known, "ascending"), (known[::-1], "descending")):
        page.execute_script(f"{button}.click()")
        assert page.execute_script(f"return {button}.closest('th').ariaSort") == state
        shown = [next(case["smi"] for case in cases if case["name"] == name) for name in names(page)]
        assert shown == wanted[:50]
    page.execute_script("document.getElementById('last').click()")
    assert any(text == "–" for text in cells(page, "SMI"))


def cells(driver, label):
    return driver.execute_script(
        f"return Array.from(document.querySelectorAll('#rows td[data-label={label}]'), c => c.textContent)"
    )


def test_pages_turn_and_end(page, cases):
    for step, place in (("next", "51–100 of 130"), ("next", "101–130 of 130"), ("before", "51–100 of 130")):
        page.execute_script(f"document.getElementById('{step}').click()")
        assert page.execute_script("return document.getElementById('place').textContent") == place
    assert names(page) == [case["name"] for case in cases[50:100]]
    page.execute_script("document.getElementById('last').click()")
    assert page.execute_script("return document.getElementById('next').disabled")


def test_a_tile_shows_its_cases(page, cases):
    page.execute_script("document.querySelector('[data-shows=borderline]').click()")
    assert names(page) == [case["name"] for case in cases if case["borderline"]][:50]
    pressed = "return Array.from(document.querySelectorAll('[aria-pressed=true]'), t => t.dataset.shows)"
    assert page.execute_script(pressed) == ["borderline"]


def test_a_case_unfolds_by_keyboard_and_arrows_walk(page, cases):
    from selenium.webdriver import ActionChains, Keys

    page.execute_script("document.querySelector('#rows th button').focus()")
    ActionChains(page).send_keys(Keys.ENTER).perform()
    told = page.execute_script("return document.querySelector('tr.more').innerText")
    assert "L3 at slice 3 from the feet" in told
    ActionChains(page).send_keys(Keys.ARROW_DOWN).perform()
    assert page.execute_script("return document.activeElement.textContent") == cases[1]["name"]
    ActionChains(page).send_keys(Keys.ARROW_UP, Keys.SPACE).perform()
    assert page.execute_script("return document.querySelectorAll('tr.more').length") == 0


def test_texts_stay_texts_and_links_lead_to_their_files(page, folder):
    choose(page, "find", "ta#g")
    page.execute_script("document.querySelector('#rows th button').click()")
    assert HOSTILE in page.execute_script("return document.querySelector('tr.more').innerText")
    assert page.execute_script("return window.broken") is None
    link = page.execute_script("return document.querySelector('td.slice a').href")
    assert link.endswith("/a%20cohort/ta%23g%2520%C3%A9%20%3Cb%3E/overlay.png")
    page.get(link)
    assert page.execute_script("return document.images[0].naturalWidth") == 1000


def test_a_decision_shows_its_numbers_and_what_was_said_before(page):
    choose(page, "review", "2")
    assert names(page) == ["study-00001"]
    page.execute_script("document.querySelector('#rows th button').click()")
    told = page.execute_script("return document.querySelector('#rows').innerText")
    assert "136.0 cm²" in told
    assert "before the decision: SMA" in told


def test_no_case_is_told(page):
    choose(page, "find", "nobody")
    assert names(page) == []
    assert page.execute_script(TOLD) == f"0 of {COUNT} cases"


def test_a_keyboard_reaches_everything_in_order_and_sees_where_it_is(page):
    choose(page, "find", "study-0001")
    page.execute_script("document.activeElement.blur(); window.getSelection().removeAllRanges()")
    wanted = focusable(page)
    assert len(wanted) > 40
    page.execute_script("document.querySelector('.skip').focus()")
    assert unmarked_in_order(page, wanted[1:]) == []


@pytest.mark.parametrize("width", [400, 543, 545, 700, 1119, 1121, 1400])
def test_no_width_needs_scrolling_sideways(page, width):
    resize(page, width)
    page.execute_script("document.querySelector('#rows th button').click()")
    assert page.execute_script("return document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_letters_stand_out_from_their_ground(page, dark):
    resize(page, 1400, dark=dark)
    page.execute_script("document.querySelector('#rows th button').click()")
    ground = page.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground))) < 200) is dark
    assert faint_texts(page) == []


def test_it_prints_and_is_seen(page, tmp_path):
    on_paper(page, tmp_path / "overview.pdf")
    assert (tmp_path / "overview.pdf").read_bytes().startswith(b"%PDF")
    picture(page, tmp_path / "overview.png")
    with Image.open(tmp_path / "overview.png") as seen:
        assert len(seen.convert("RGB").resize((140, 100)).getcolors(20_000)) > 50
