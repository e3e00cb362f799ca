"""Vectors of eight floats as a type of numba.

Kernels compute eight draws at a time: to numba a number of the model is a vector of the processor
with the arithmetic of a float, the same operation, rounded in the same way, in every lane. That
needs names which numba does not publish (`internals`). Where another release has moved them,
kernels compute one draw at a time, to the same bits and slower; `LANES` is what kernels are
compiled for, and decides.
"""
