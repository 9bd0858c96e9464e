"""Damaged files through every reader: `python -m Testing.fuzz` (docs/reliability.md)."""
