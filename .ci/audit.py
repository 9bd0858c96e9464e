"""Known vulnerabilities of what is installed in .venv, told by pip-audit from PyPI's advisory data.

`python .ci/audit.py`: exit status 1 where a package has one, 0 otherwise. A machine or mirror that does not
give advisory data is no reason to fail, and no reason to call anything sound: it is said that nothing was
audited, and how many packages were not. pip-audit lives in an environment of its own (.venv/audit).
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
HOME = ROOT / ".venv" / "audit"
PIP_AUDIT = "pip-audit==2.10.1"
PATIENCE_S = 600
ACCEPTED: dict[str, str] = {}
"""Advisory → why it does not concern this program; looked at anew with every release."""


def judged(report: dict[str, Any]) -> tuple[list[str], int]:
    """Lines to say of a report of pip-audit, and the exit status."""
    audited = [each for each in report["dependencies"] if "skip_reason" not in each]
    unknown = len(report["dependencies"]) - len(audited)
    found = [
        f"{each['name']} {each['version']}: {fault['id']}"
        f" ({', '.join(fault.get('aliases') or []) or 'no other name'}),"
        f" repaired in {', '.join(fault.get('fix_versions') or []) or 'no version yet'}"
        for each in audited
        for fault in each["vulns"]
        if not {fault["id"], *(fault.get("aliases") or [])} & ACCEPTED.keys()
    ]
    if not audited:
        return [f"Nothing was audited: no advisory data could be had here for {unknown} packages"], 0
    left = f"; of {unknown} no advisory data could be had" if unknown else ""
    return [*found, f"{len(audited)} packages audited, {len(found)} advisories{left}"], int(bool(found))


def packages() -> Path:
    """Where .venv keeps what is installed."""
    return next((ROOT / ".venv" / "lib").glob("python3.*/site-packages"))


def run_pip_audit() -> dict[str, Any] | None:
    """The report on the packages of .venv; none where pip-audit cannot be had or cannot ask."""
    python = HOME / "bin" / "python"
    try:
        if not (HOME / "bin" / "pip-audit").exists():
            subprocess.run([sys.executable, "-m", "venv", str(HOME)], check=True, capture_output=True)
            install = [str(python), "-m", "pip", "install", "-q", "--no-input", PIP_AUDIT]
            subprocess.run(install, check=True, capture_output=True, timeout=PATIENCE_S)
        asked = [
            str(python),
            "-m",
            "pip_audit",
            "--path",
            str(packages()),
            "-f",
            "json",
            "--progress-spinner",
            "off",
        ]
        done = subprocess.run(asked, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        report: dict[str, Any] = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, StopIteration, ValueError):
        return None
    return report


def main() -> int:
    """Audit, and say what came of it."""
    report = run_pip_audit()
    if report is None:
        sys.stdout.write("Nothing was audited: pip-audit cannot be had here, or cannot ask\n")
        return 0
    lines, status = judged(report)
    sys.stdout.write("\n".join(lines) + "\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
