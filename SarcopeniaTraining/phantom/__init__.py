"""Procedural CT of the trunk between T11 and L5, with exact truth and without any patient.

`generate.phantom` draws a training slab, `volume.phantom_volume` a whole CT on any grid. What is drawn:
`shapes` (depth functions), `anatomy` (one random person), `painting` (compositing with partial volume),
`trunk`, `back`, `viscera`, `scanner` (what a CT does to it). Files: `patients` (a person with the wanted
muscle area), `cohort`, `nifti_files`, `dicom_files`, `command` (`sarcopenia phantom`), `demo` and
`picture`. docs/phantoms.md has the ranges and what is missing.
"""
