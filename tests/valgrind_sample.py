"""Some filters of every kind, for `make valgrind`: small, so that they end, and on memory that just holds them."""

import itertools

import numpy as np

from faltung.filters import _native, correlate

core = _native.core
assert core is not None, _native.missing
random = np.random.default_rng(0)
SHAPES = [((1, 1), (1, 1)), ((3, 5), (3, 2)), ((9, 40), (3, 3)), ((37, 70), (7, 5))]
calls = 0
for level in core.levels():
    core.use_level(level)
    for (shape, kernel), pixel, method in itertools.product(
        SHAPES, ("uint8", "int16", "int32", "float16", "float32", ">f8"), ("direct", "sparse", "separable", "fft")
    ):
        taps = np.outer(np.arange(kernel[0]) + 1, np.arange(kernel[1]) - 2)
        image = (random.random((2, *shape)) * 99).astype(pixel)
        for how in (
            {},
            {"padding": "same", "boundary": "circular"},
            {"padding": "same", "stride": 2},
            {"padding": "full", "dilation": (2, 1), "boundary": "replicate"},
        ):
            answer = correlate(image[..., ::-1], taps, method=method, threads=2, **how)
            assert np.isfinite(answer).all()
            calls += 1
print(calls, "calls at", *core.levels())
