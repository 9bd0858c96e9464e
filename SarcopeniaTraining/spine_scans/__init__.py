"""Coarse phantoms of the trunk with its skeleton, from which a network learns to find L3.

A training family of its own: the skeleton from T5 to the upper femora with every voxel's class, in a
body of any build, filled with organs, contrast, gas, metal and noise, on a grid of 4 mm. Its classes are
those of `SarcopeniaAssessLib.spine_unet.SpineClass`.
"""
