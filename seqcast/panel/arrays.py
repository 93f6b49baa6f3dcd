"""Array types shared by tables and tensors, and indices spread evenly over a length."""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


def evenly_spread(length: int, at_most: int) -> IntArray:
    """Returns at most `at_most` ascending indices below `length`, from the first to the last at equal distances."""
    return np.unique(np.linspace(0, length - 1, min(at_most, length)).round().astype(np.int64))
