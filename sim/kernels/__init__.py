"""Everything that is compiled. One file per section of the model; `world.py` is the contents.

Formulas are scalar functions: named floats in, a float or a small tuple out. They know no files
and no arrays of draws, and also run uncompiled with `NUMBA_DISABLE_JIT=1`.
"""
