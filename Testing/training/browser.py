"""A real browser without a screen, for the tests of pages: Debian's Chromium, driven by selenium."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
DRIVER = "chromedriver"
_FOCUSABLE = """
return Array.from(document.querySelectorAll('a[href], button, summary, input, select, [tabindex="0"]'))
  .filter(element => element.checkVisibility() && !element.disabled);
"""
_FAINT = """
function channels(text) { return text.match(/[\\d.]+/g).map(Number); }
function linear(value) {
  const share = value / 255;
  return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
}
function light(colour) {
  const [x, y, z] = colour.map(linear);
  return 0.2126 * x + 0.7152 * y + 0.0722 * z;
}
function ground(element) {
  for (let each = element; each; each = each.parentElement) {
    const colour = channels(getComputedStyle(each).backgroundColor);
    if (colour.length < 4 || colour[3] === 1) return colour;
  }
  return [255, 255, 255];
}
const found = [];
for (const element of document.body.querySelectorAll('*')) {
  const own = Array.from(element.childNodes).some(n => n.nodeType === 3 && n.data.trim());
  if (!own || !element.checkVisibility() || element.closest('script, .unseen')) continue;
  const style = getComputedStyle(element);
  const ink = element instanceof SVGElement ? style.fill : style.color;
  const [a, b] = [light(channels(ink)), light(ground(element))];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < 4.5) found.push([element.outerHTML.slice(0, 90), ratio]);
}
return found;
"""


@contextmanager
def browser(width: int = 1400, height: int = 1000) -> Iterator[Any]:
    """A browser with a window of so many pixels; the test is skipped where there is none."""
    program = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    driver_program = shutil.which(DRIVER)
    if program is None or driver_program is None:
        pytest.skip("no Chromium with its driver here (Debian: chromium, chromium-driver)")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with TemporaryDirectory(ignore_cleanup_errors=True) as place:  # what Chromium leaves behind goes with it
        service = webdriver.ChromeService(driver_program, env={**os.environ, "TMPDIR": place})
        driver = webdriver.Chrome(options, service)
        try:
            resize(driver, width, height)
            yield driver
        finally:
            driver.quit()


def resize(driver: Any, width: int, height: int = 1000, *, dark: bool = False) -> None:
    """Give the page so many pixels, however narrow a window may be, and light or dark colours."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    driver.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": [scheme]})


def print_media(driver: Any, width: int) -> None:
    """Lay the page out as on paper of so many pixels."""
    resize(driver, width)
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})


def open_page(driver: Any, path: Path) -> None:
    """Open a file, all of whose pictures have been decoded when this returns."""
    driver.get(path.resolve().as_uri())
    driver.execute_async_script(
        "const done = arguments[0];"
        "Promise.allSettled(Array.from(document.images, image => image.decode())).then(() => done());"
    )


def complaints(driver: Any) -> list[str]:
    """What the console has said since it was last asked."""
    return [entry["message"] for entry in driver.get_log("browser")]


def picture(driver: Any, path: Path, height: int | None = None) -> None:
    """The whole page, or its upper part, as a PNG."""
    width = driver.execute_script("return document.documentElement.clientWidth")
    whole = driver.execute_script("return document.documentElement.scrollHeight")
    clip = {"x": 0, "y": 0, "width": width, "height": height or whole, "scale": 1}
    given = {"format": "png", "captureBeyondViewport": True, "clip": clip}
    shot = driver.execute_cdp_cmd("Page.captureScreenshot", given)
    path.write_bytes(base64.b64decode(shot["data"]))


def on_paper(driver: Any, path: Path) -> None:
    """The page as a PDF, on the paper that its own style asks for."""
    given = {"preferCSSPageSize": True, "printBackground": False}
    path.write_bytes(base64.b64decode(driver.execute_cdp_cmd("Page.printToPDF", given)["data"]))


def focusable(driver: Any) -> list[Any]:
    """What a keyboard is to reach, in the order of the page."""
    return list(driver.execute_script(_FOCUSABLE))


def unmarked_in_order(driver: Any, wanted: Sequence[Any]) -> list[str]:
    """Press Tab for each wanted element, which must have the focus then; those that do not show it."""
    from selenium.webdriver import ActionChains, Keys

    found = []
    for element in wanted:
        ActionChains(driver).send_keys(Keys.TAB).perform()
        assert driver.switch_to.active_element == element
        if driver.execute_script("return getComputedStyle(arguments[0]).outlineStyle", element) == "none":
            found.append(element.get_attribute("outerHTML")[:80])
    return found


def faint_texts(driver: Any) -> list[Any]:
    """Texts whose contrast with their ground is below 4.5 (WCAG 2.2, 1.4.3), and that contrast."""
    return list(driver.execute_script(_FAINT))
