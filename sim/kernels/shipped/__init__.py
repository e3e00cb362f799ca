"""Kernels as they are shipped: compiled once to portable LLVM bitcode.

`entries` are the compiled functions that Python calls, `load` makes machine code of the bitcode,
and `python -m sim.kernels.shipped build` makes the bitcode anew from the source, by numba.
"""
