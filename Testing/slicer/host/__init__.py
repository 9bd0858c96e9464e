"""Slicer without the application: its real MRML libraries (slicer-core) and what the application adds."""
