"""Record of the events of which draws are counted."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


class Events(NamedTuple):
    """Events: at least `needed` [event] of some comparisons hold in a draw.

    Comparisons `first[event]` to `first[event + 1]` are those of an event. One holds where the
    value of its column is above (`strict`) or at least a constant, or the value of another column
    (-1 where it is a constant).
    """

    first: Integers
    needed: Integers
    columns: Integers
    others: Integers
    constants: Array
    strict: NDArray[np.bool_]
