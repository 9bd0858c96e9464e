"""The overview of 5,000 cases: made, opened and filtered in a real browser."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from Testing.benchmarks.children import NotMeasuredError, run_python
from Testing.benchmarks.tables import Row
from Testing.library.overview.made_cohort import write_cohort
from Testing.training.browser import browser, complaints, resize

TITLE = "Overview: 5,000 cases, each with a picture, in headless Chromium (1400 × 1000)"
CASES = 5000
REPEATS = 7
_PAINT = "return performance.getEntriesByName('first-contentful-paint')[0].startTime"
_LOADED = "return performance.getEntriesByType('navigation')[0].loadEventEnd"
_FILTER = """
const [name, value, done] = arguments, field = document.getElementById(name), began = performance.now();
if (field.type === 'checkbox') field.checked = value; else field.value = value;
field.dispatchEvent(new Event(field.type === 'search' ? 'input' : 'change'));
requestAnimationFrame(() => setTimeout(() => done(performance.now() - began)));
"""
_NEXT = """
const done = arguments[0], began = performance.now();
document.getElementById('next').click();
requestAnimationFrame(() => setTimeout(() => done(performance.now() - began)));
"""
_STEPS = (("find", "0042"), ("find", ""), ("sex", "1"), ("status", "0"), ("sex", "-1"), ("status", "-1"),
          ("borderline", True), ("borderline", False), ("order", "name"), ("order", "urgency"))  # fmt: skip


def rows() -> list[Row]:
    """Seconds to make the page, to its first paint, to filter and to turn a page."""
    with TemporaryDirectory() as place:
        folder = write_cohort(Path(place) / "out", CASES)
        picture = _picture()
        for case in folder.iterdir():
            (case / "overlay.png").symlink_to(picture)
        first, again = _made(folder), _made(folder)
        size = (folder / "overview.html").stat().st_size / 1e6
        opened = _in_browser(folder / "overview.html")
    return [
        Row("page made, every picture new", first, "s"),
        Row("page made again, pictures known", again, "s"),
        Row("size of the page", size, "MB"),
        Row("first paint, median", statistics.median(opened["paint"]), "s", 1.0),
        Row("first paint, slowest", max(opened["paint"]), "s", 1.0),
        Row("page loaded with all pictures' data, slowest", max(opened["loaded"]), "s"),
        Row("filter or order → drawn, median", statistics.median(opened["filter"]), "s", 0.1),
        Row("filter or order → drawn, slowest", max(opened["filter"]), "s", 0.1),
        Row("next page → drawn, slowest", max(opened["next"]), "s", 0.1),
    ]


def _picture() -> Path:
    """The overlay of the sample CT, as the readme shows it."""
    picture = Path(__file__).parents[2] / "docs" / "images" / "overlay.png"
    if not picture.is_file():
        raise NotMeasuredError("docs/images/overlay.png is missing")
    return picture


def _made(folder: Path) -> float:
    began = time.perf_counter()
    ran = run_python("-m", "SarcopeniaAssessLib", "overview", str(folder))
    if ran.status != 0:
        raise NotMeasuredError(ran.err.strip().splitlines()[-1])
    return time.perf_counter() - began


def _in_browser(page: Path) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {"paint": [], "loaded": [], "filter": [], "next": []}
    try:
        with browser() as driver:
            for _ in range(REPEATS):
                resize(driver, 1400)
                driver.get(page.resolve().as_uri())
                found["paint"].append(driver.execute_script(_PAINT) / 1000)
                found["loaded"].append(driver.execute_script(_LOADED) / 1000)
            for _ in range(REPEATS):
                found["filter"] += [_seconds(driver, _FILTER, *step) for step in _STEPS]
                found["next"].append(_seconds(driver, _NEXT))
            if told := complaints(driver):
                raise NotMeasuredError(f"the browser complains: {told[0][:200]}")
    except pytest.skip.Exception as error:
        raise NotMeasuredError(str(error)) from None
    return found


def _seconds(driver: Any, script: str, *arguments: object) -> float:
    return float(driver.execute_async_script(script, *arguments)) / 1000
