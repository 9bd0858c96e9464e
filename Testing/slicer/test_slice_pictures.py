"""Pictures drawn by Slicer's own managers, in a process of their own.

Mesa's software renderer and TensorFlow each bring an LLVM: both in one process end it, in either order.
"""

import subprocess
import sys

from Testing.slicer.panel_clicks import ROOT

TESTS = "Testing/slicer/pictures_of_slices.py"


def test_outlines_are_drawn_where_the_muscle_is_and_nowhere_else():
    words = ["-m", "pytest", "-v", "-p", "no:cacheprovider", TESTS]
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout
