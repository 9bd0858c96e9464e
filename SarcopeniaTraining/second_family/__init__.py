"""The second family of phantoms: CTs of nobody from sculpted contours, held out from every training.

It shares no code with `SarcopeniaTraining.phantom`; docs/second-family.md says what is drawn and from which
publications. Seeds: evaluation from 5 000 000, check of intervals from 5 100 000, whole scans from 5 200 000.
"""

from SarcopeniaTraining.second_family.scan import HeldOutScan, ScanFacts, draw_l3, draw_scan

__all__ = ["HeldOutScan", "ScanFacts", "draw_l3", "draw_scan"]
