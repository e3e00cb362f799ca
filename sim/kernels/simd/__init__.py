"""Choices, loads, stores and functions of numbers by lane.

Kernels are written for one draw and compiled for `LANES` of them side by side (`numba_vectors`): a
formula reads as for one draw, gives the bits of one draw, and costs about as much for all lanes as
for one. What depends on a number of a draw is a `where` in place of `if`.
"""
