"""Arrays from whatever device they live on."""

from typing import Any

import numpy as np
from thinc.backends import get_array_ops


def to_numpy(array: Any) -> np.ndarray:
    """A numpy array of a numpy or cupy one; numpy ones are not copied."""
    return get_array_ops(array).to_numpy(array)
