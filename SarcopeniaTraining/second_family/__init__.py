"""The second family of phantoms: CTs of nobody from sculpted contours, held out from every training.

It shares no code with `SarcopeniaTraining.phantom`; docs/second-family.md says what is drawn, from which
publications, and which seeds serve what.
"""

from SarcopeniaTraining.second_family.scan import HeldOutScan, ScanFacts, draw_l3, draw_scan

__all__ = ["HeldOutScan", "ScanFacts", "draw_l3", "draw_scan"]
