"""Names of numba that are not its public interface.

No other module of the package uses them.
"""

from __future__ import annotations

from numba.core import cgutils
from numba.core.options import DefaultOptions
from numba.core.typeconv import Conversion
from numba.np.arrayobj import populate_array

__all__ = ["OPTIONS", "Conversion", "cgutils", "populate_array"]
DefaultOptions.no_cfunc_wrapper, DefaultOptions._nrt  # noqa: B018 # there, or this import fails
# Of `njit`. Nobody calls kernels from C, and it takes time. Kernels allocate nothing, so nobody
# need count who refers to an array: that took half of the time of sampling.
OPTIONS = {"no_cfunc_wrapper": True, "_nrt": False}
