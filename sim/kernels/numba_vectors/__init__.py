"""Vectors of eight floats as a type of numba.

Kernels compute eight draws at a time: to numba a number of the model is a vector of the processor
with the arithmetic of a float, the same operation, rounded in the same way, in every lane. That
needs names which numba does not publish (`internals`). Where another release has moved them,
kernels compute one draw at a time, to the same bits and slower; `LANES` is what kernels are
compiled for, and decides.
"""

from __future__ import annotations

from typing import Any

GROUP = 8  # draws whose values stand side by side in memory, and numbers of a vector
LANES = GROUP
UNAVAILABLE = ""  # why there are no vectors, if there are none
OPTIONS: dict[str, Any] = {}  # of the compiler, beyond those that numba publishes

try:
    from sim.kernels.numba_vectors import intrinsics  # noqa: F401
    from sim.kernels.numba_vectors.internals import OPTIONS as OPTIONS
except Exception as error:  # any, of a release of numba with other names
    LANES = 1
    UNAVAILABLE = f"{type(error).__name__}: {error}"
