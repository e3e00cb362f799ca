"""Everything that is compiled: formulas, sampling, and the loop over draws.

Formulas are scalar functions: named floats in, a float or a small tuple out, one file for each
section of the model; `formulas.world` calls them in order. They know no files and no arrays of
draws, and also run uncompiled with `NUMBA_DISABLE_JIT=1`.
"""

from __future__ import annotations

import os

from sim.common.errors import Fault, InputError, Location
from sim.common.text import shown

# numba would end its import with a traceback, or warn with one.
_THREADS = os.environ.get("NUMBA_NUM_THREADS", "1")
if not (_THREADS.isdecimal() and len(_THREADS) < 10 and int(_THREADS) > 0):
    _message = f"expected a number of threads, 1 or more; got {shown(_THREADS)}"
    raise InputError([Fault(Location("NUMBA_NUM_THREADS"), "", _message)])
