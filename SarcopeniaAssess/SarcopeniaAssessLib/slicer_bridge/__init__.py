"""What the library is to 3D Slicer: nodes, worker, panel. Nothing else of it imports Slicer."""
