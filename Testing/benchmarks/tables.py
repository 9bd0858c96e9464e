"""A figure, its aim, and the table it is printed in."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from importlib.metadata import version


@dataclass(frozen=True)
class Row:
    """One measured figure; `aim` is the most it may be, where something was promised."""

    what: str
    value: float
    unit: str
    aim: float | None = None

    @property
    def texts(self) -> tuple[str, str, str]:
        """What, value, and the aim with whether it is met."""
        if self.aim is None:
            return self.what, self._number(self.value), ""
        verdict = "met" if self.value <= self.aim else "MISSED"
        return self.what, self._number(self.value), f"≤ {self._number(self.aim)}  {verdict}"

    def _number(self, value: float) -> str:
        if not self.unit:
            return f"{value:.3f}"
        return f"{value:.0f} {self.unit}" if self.unit == "frames" else f"{value:.2f} {self.unit}"


def machine() -> str:
    """The machine in a line, without its name."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy"))
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, {versions}"
    )


def show(title: str, rows: list[Row]) -> None:
    """Print a table."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("")
    table.add_column("measured", justify="right")
    table.add_column("aim")
    for row in rows:
        table.add_row(*row.texts)
    Console().print(table)
