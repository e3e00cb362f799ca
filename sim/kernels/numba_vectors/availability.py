"""Whether numba's vectors can be built, and how many draws kernels are compiled for."""

from __future__ import annotations

from typing import Any

from sim.model.blocks import GROUP

LANES = GROUP
UNAVAILABLE = ""  # why there are no vectors, if there are none
OPTIONS: dict[str, Any] = {}  # of the compiler, beyond those that numba publishes

try:
    from sim.kernels.numba_vectors import intrinsics  # noqa: F401
    from sim.kernels.numba_vectors.internals import OPTIONS as OPTIONS
except Exception as error:  # any, of a release of numba with other names
    LANES = 1
    UNAVAILABLE = f"{type(error).__name__}: {error}"
