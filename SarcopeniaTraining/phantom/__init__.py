"""Procedural CT of the trunk from about T9 to the upper sacrum, with exact truth and without any patient.

`slabs.scanned_slab` draws a training slab, `generate.phantom` a thin one with its truth,
`volume.phantom_volume` a whole CT on any grid. What is drawn: `shapes` (depth functions), `anatomy` (one
random person), `painting` (compositing with partial volume), `trunk`, `back`, `viscera`, `cage` with
`chest` and `lungs`, `pelvis`, `surroundings`, `scanner` (what a CT does to it). Files: `patients` (a
person with the wanted muscle area), `cohort`, `nifti_files`, `dicom_files`, `command`
(`sarcopenia phantom`), `demo` and `picture`. docs/phantoms.md has the ranges and what is missing.
"""
