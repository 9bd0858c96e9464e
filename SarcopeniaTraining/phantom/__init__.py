"""Procedural CT of the trunk between T11 and L5, with exact truth and without any patient.

`generate.phantom(seed, grid)` draws one; the rooms are `shapes` (depth functions), `anatomy` (one
random person), `painting` (compositing with partial volume), `trunk`, `back`, `viscera` (what is
drawn), `scanner` (what a CT does to it), `cohort` (files), `command` (`sarcopenia phantom`).
"""
