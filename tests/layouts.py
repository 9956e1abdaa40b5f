"""Arrays of any layout inside a larger piece of memory, whose other bytes are watched."""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st


@dataclass(frozen=True)
class Laid:
    """An array of some shape and dtype that lies in memory with steps of its own."""

    array: np.ndarray
    memory: np.ndarray
    """All bytes, those around the array's included."""
    outside: np.ndarray
    """Of the bytes, whether the array does not hold them."""

    def around(self) -> bytes:
        """Return the bytes that are not the array's."""
        return self.memory[self.outside].tobytes()


@dataclass(frozen=True)
class Layout:
    """How axes follow one another in memory, how far apart, in which directions, and where the first byte lies."""

    seed: int
    gaps: bool = True
    turned: bool = True
    odd: bool = True

    def lay(self, shape: tuple[int, ...], dtype: str | np.dtype, fill: int) -> Laid:
        """Return memory full of a byte, and an array of that shape and dtype within it."""
        random, dtype = np.random.default_rng(self.seed), np.dtype(dtype)
        order = random.permutation(len(shape)) if self.turned else np.arange(len(shape))[::-1]
        strides, step = [0] * len(shape), dtype.itemsize
        for axis in order:
            step *= int(random.integers(1, 4)) if self.gaps else 1
            strides[axis] = step
            step *= max(1, shape[axis])
        start, span = 64 + (int(random.integers(dtype.itemsize)) if self.odd else 0), 0
        for axis, size in enumerate(shape):
            reach = strides[axis] * max(0, size - 1)
            span += reach
            if self.turned and random.integers(2):
                start, strides[axis] = start + reach, -strides[axis]
        length = start + span + dtype.itemsize + 128
        memory, outside = np.full(length, fill, np.uint8), np.ones(length, bool)
        np.ndarray((*shape, dtype.itemsize), bool, outside, start, (*strides, 1))[...] = False
        return Laid(np.ndarray(shape, dtype, memory, start, strides), memory, outside)


def layouts() -> st.SearchStrategy[Layout]:
    """Draw how an array lies; plainly, too."""
    return st.builds(Layout, st.integers(0, 2**32 - 1), st.booleans(), st.booleans(), st.booleans())
