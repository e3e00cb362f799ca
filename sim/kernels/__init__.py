"""Everything that is compiled: formulas, sampling, and the loop over draws.

Formulas are scalar functions: named floats in, a float or a small tuple out, one file for each
section of the model; `formulas.world` calls them in order. They know no files and no arrays of
draws, and also run uncompiled with `NUMBA_DISABLE_JIT=1`.
"""
