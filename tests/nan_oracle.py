"""An oracle that knows no rules: NaN put into one input element spreads to the outputs that read it."""

from collections.abc import Callable, Iterable, Sequence
from itertools import product
from typing import Any

import numpy as np
import torch

import faltung
from faltung.intervals import IntervalSet
from faltung.region import Product


def poisoned_reads(function: Callable[..., Any], *inputs: torch.Tensor) -> list[np.ndarray]:
    """Return, for each input, a bool array [input element..., output element...]: which outputs turn NaN.

    The function gives one floating point tensor; the inputs must hold no NaN.
    """
    found = []
    with torch.no_grad():
        plain = function(*inputs)
        assert not plain.isnan().any(), "the function gives NaN of its own"
        for number, given in enumerate(inputs):
            reads = np.zeros((given.numel(), *plain.shape), dtype=bool)
            for place in range(given.numel()):
                poisoned = [entry.clone() for entry in inputs]
                poisoned[number].view(-1)[place] = float("nan")
                reads[place] = function(*poisoned).isnan().numpy()
            found.append(reads.reshape(*given.shape, *plain.shape))
    return found


def units(shape: Sequence[int]) -> Iterable[tuple[int, ...]]:
    """Yield the places of all units of a tensor."""
    return product(*(range(size) for size in shape))


def single(place: Sequence[int]) -> Product:
    """Return the product that holds one unit."""
    return tuple(IntervalSet.points([coordinate]) for coordinate in place)


def painted(products: Iterable[Product], shape: Sequence[int]) -> np.ndarray:
    """Return products as a bool array."""
    picture = np.zeros(tuple(shape), dtype=bool)
    for factors in products:
        picture[np.ix_(*(list(members) for members in factors))] = True
    return picture


def assert_reads_exactly(function: Callable[..., Any], *inputs: torch.Tensor) -> None:
    """Compare what a captured network says with what NaN says: unit by unit, in both directions.

    Inputs that nothing reads are compared too: nothing may turn NaN.
    """
    network = faltung.capture(function, *inputs)
    output = network.name(None)
    outputs = network.maps[output].shape
    for name, given, truth in zip(network.inputs, inputs, poisoned_reads(function, *inputs), strict=True):
        assert truth.shape == (*given.shape, *outputs)
        for place in units(outputs):
            told = painted(network.read_by([single(place)], None).get(name, ()), given.shape)
            assert (told == truth[(..., *place)]).all(), f"output {place} of {output} does not read {name} as told"
        for place in units(given.shape):
            told = painted(network.readers_of([single(place)], name, None).get(output, ()), outputs)
            assert (told == truth[place]).all(), f"{name} {place} is not read in {output} as told"
