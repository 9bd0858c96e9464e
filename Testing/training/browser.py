"""A real browser without a screen, for the tests of pages: Debian's Chromium, driven by selenium."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
DRIVER = "chromedriver"


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
