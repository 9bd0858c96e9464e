"""A Slicer without our packages: the panel opens, a CT is chosen, and after the installation all is well."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

# Packages that Slicer does not bring are out of reach until `reach()`; the installation only lifts the ban.
FRESH = """
import importlib.abc, sys
from pathlib import Path

ABSENT = {"torch", "nibabel", "jsonschema", "safetensors", "reportlab"}

class Ban(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None

sys.meta_path.insert(0, ban := Ban())
root = Path(sys.argv[1])
from Testing.slicer.host.application import SlicerHost
from Testing.slicer.host.failures import FAILURES

host = SlicerHost(); sys.excepthook = sys.__excepthook__
widget = host.load(root / "SarcopeniaAssess" / "SarcopeniaAssess.py")
from SarcopeniaAssessLib.slicer_bridge import dependencies
from SarcopeniaAssessLib.worker_client import LocalWorker
from Testing.slicer import mrml_cases

lack = dependencies.Lacking((dependencies.Requirement("nibabel", "5.3"),))
dependencies.lacking = lambda *_: lack if ban in sys.meta_path else dependencies.Lacking()
dependencies.install = lambda wanted, wheels: sys.meta_path.remove(ban)
asked = []
widget.panel.dialogs.confirm = lambda question, title: asked.append(question) or True
widget.panel.run.worker = LocalWorker()
widget.enter()
volume = mrml_cases.load_volume(root / "SarcopeniaAssess" / "Resources" / "demo" / "ct.nii.gz")
widget.ui.ctSelector.setCurrentNode(volume)
widget.ui.sexComboBox.setCurrentIndex(0)
host.wait_until(lambda: not widget.logic.openCts._of(volume).thread.is_alive())
assert widget.ui.assessButton.enabled, widget.ui.messageLabel.text
widget.panel.level.go_to(float(widget.panel.level._levels.superior_mm[12]))
widget.ui.assessButton.click()
host.wait_until(lambda: not widget.panel.run.is_busy, 100)
record = widget.logic.record(widget.panel.result) if widget.panel.result is not None else None
told = FAILURES.messages + host.errors.messages
assert not told, "\\n".join(told)
assert len(asked) == 1
assert record["input"]["format"] == "nifti", record["input"]
assert record["muscle"]["sma_cm2"] > 50.0
sys.stdout.write("passed")
"""


def test_packages_come_after_the_ct_and_the_record_is_whole(tmp_path):
    script = tmp_path / "fresh.py"
    script.write_text(FRESH)
    done = subprocess.run(
        [sys.executable, str(script), str(ROOT)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "QT_QPA_PLATFORM": "offscreen"},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.stdout.endswith("passed"), done.stdout[-2000:] + done.stderr[-3000:]
