"""Random networks whose input is shifted, and what PyTorch says of them: oracles that know no rule of ours.

A network is drawn as in `tests.networks`, on pictures large enough to have an interior, with small whole numbers
for weights, so that float64 is exact. It can be run with NaN in the place of every padding: the units that turn NaN
are those that a border touches.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import Any

import torch
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

import faltung
from faltung.equivariance import Movement, Output
from tests.networks import OPERATORS, Apply, Drawn, fitted

NAN = float("nan")

WINDOWS = ("conv", "conv", "conv_same", "conv_transposed", "max_pool", "avg_pool")
MOVING = ("pad", "pad_from_itself", "pixel_shuffle", "pixel_unshuffle", "sliced", "focus", "nearest")
BRANCHES = ("add", "cat", "skip")
CIRCLES = ("conv", "conv_same", "max_pool", "avg_pool")

MOST = 40_000
"""The most units of a map."""

Draw = Callable[[st.SearchStrategy[Any]], Any]


def numbered(module: nn.Module, number: int) -> nn.Module:
    """Return a module in float64 with small whole numbers that are not zero for weights."""
    module.eval().double()
    random = torch.Generator().manual_seed(number)
    with torch.no_grad():
        for weights in module.parameters():
            signs = torch.randint(0, 2, weights.shape, generator=random) * 2 - 1
            weights.copy_(torch.randint(1, 4, weights.shape, generator=random) * signs)
    return module


def picture(shape: Sequence[int], seed: int = 0) -> torch.Tensor:
    """Return a random picture of whole numbers."""
    return torch.randint(-9, 10, tuple(shape), generator=torch.Generator().manual_seed(seed)).double()


@st.composite
def movable(draw: Draw, operators: Sequence[str] | None = None, longest: int = 5) -> Drawn:
    """Draw a network of one picture, of one axis or two; operators that do not fit are left out."""
    axes = draw(st.sampled_from([1, 1, 2]))
    shape = (
        1,
        draw(st.integers(1, 3)),
        *(draw(st.integers(20, 40) if axes == 1 else st.integers(16, 24)) for _ in range(axes)),
    )
    return draw(grown(shape, operators, longest))


@st.composite
def grown(draw: Draw, shape: tuple[int, ...], operators: Sequence[str] | None = None, longest: int = 5) -> Drawn:
    """Draw a network for a picture of a given shape."""
    maps = [picture(shape)]
    steps: list[tuple[nn.Module, tuple[int, ...]]] = []
    for _ in range(3 * longest):
        if len(steps) >= longest or (len(steps) > 1 and draw(st.integers(0, 5)) == 0):
            break
        family = operators or draw(st.sampled_from([WINDOWS, WINDOWS, MOVING, BRANCHES, ("relu",)]))
        told = OPERATORS[draw(st.sampled_from(family))]
        last = len(maps) - 1
        sources = [last, *(draw(st.integers(0, last)) for _ in range(told.maps - 1))]
        taken = [maps[source] for source in sources]
        try:
            module = numbered(told.draw(draw, *taken), draw(st.integers(0, 99)))
            if isinstance(module, nn.GELU | nn.SiLU | nn.Sigmoid | nn.Tanh | nn.Hardswish):
                module = nn.ReLU()
            if type(module).__name__[-2:] in {"1d", "2d", "3d"} - {f"{len(shape) - 2}d"}:
                continue  # windows over the channels as well
            if isinstance(module, nn.AvgPool1d | nn.AvgPool2d) and any(size == 3 for size in module.kernel_size):
                continue  # a third is not exact in binary
            made = module(*taken)
        except (RuntimeError, ValueError, TypeError, IndexError, KeyError, NotImplementedError):
            continue
        if not 0 < made.numel() <= MOST or made.dim() != len(shape) or min(made.shape[2:]) < 2:
            continue
        if bool((made == made.reshape(-1)[0]).all()):
            continue  # all that is left is padding: it moves as one likes
        steps.append((module, tuple(sources)))
        maps.append(made)
    return Drawn([shape], steps or [(nn.ReLU(), (0,))])


# NaN beyond every border


def beyond(module: nn.Module, *maps: torch.Tensor) -> torch.Tensor:
    """Return what a module gives if everything beyond the borders of its map is NaN."""
    (x, *_) = maps
    made = module(*maps)
    if isinstance(module, nn.Conv1d | nn.Conv2d):
        convolve = functional.conv1d if isinstance(module, nn.Conv1d) else functional.conv2d
        sides = list(module._reversed_padding_repeated_twice)
        if module.padding == "valid":
            sides = [0] * len(sides)
        wide = functional.pad(x, sides, value=NAN)
        return convolve(wide, module.weight, module.bias, module.stride, 0, module.dilation, module.groups)
    if isinstance(module, nn.ConvTranspose1d | nn.ConvTranspose2d):
        return _transposed(module, x, made)
    if isinstance(module, nn.MaxPool1d | nn.MaxPool2d | nn.AvgPool1d | nn.AvgPool2d):
        return _pooled(module, x, made)
    if isinstance(module, Apply) and module.function is functional.pad:
        sides = list(module.args[0])
        spatial = min(len(sides), 2 * (x.dim() - 2))
        wide = functional.pad(x, sides[:spatial], value=NAN)
        # channels and batch have no border
        return functional.pad(wide, [0] * spatial + sides[spatial:], **module.settings) if sides[spatial:] else wide
    if isinstance(module, Apply) and module.function is fitted:
        return _fitted(*maps, *module.args)
    return made


def _transposed(module: Any, x: torch.Tensor, made: torch.Tensor) -> torch.Tensor:
    axes = x.dim() - 2
    wide = functional.pad(x, [8] * 2 * axes, value=NAN)
    transpose = functional.conv_transpose1d if axes == 1 else functional.conv_transpose2d
    y = transpose(wide, module.weight, module.bias, module.stride, 0, 0, module.groups, module.dilation)
    for axis in range(axes):
        start = 8 * module.stride[axis] + module.padding[axis]
        y = y.narrow(2 + axis, start, made.shape[2 + axis])
    return y


def _pooled(module: Any, x: torch.Tensor, made: torch.Tensor) -> torch.Tensor:
    axes = x.dim() - 2

    def each(value: Any) -> tuple[int, ...]:
        return tuple(value) if isinstance(value, tuple | list) else (value,) * axes

    kernel, stride, padding = each(module.kernel_size), each(module.stride), each(module.padding)
    dilation = each(getattr(module, "dilation", 1))
    sides = [side for axis in reversed(range(axes)) for side in (padding[axis], padding[axis] + 16)]
    y = functional.pad(x, sides, value=NAN)
    for axis in range(axes):  # one axis after the other: the largest of largest, the mean of means
        windows = y.unfold(2 + axis, dilation[axis] * (kernel[axis] - 1) + 1, stride[axis])[..., :: dilation[axis]]
        y = windows.narrow(2 + axis, 0, made.shape[2 + axis])
        y = y.mean(-1) if isinstance(module, nn.AvgPool1d | nn.AvgPool2d) else y.amax(-1)
    return y


def _fitted(x: torch.Tensor, y: torch.Tensor, before: int, concatenated: bool) -> torch.Tensor:
    """Fit y to x as it is done, and put NaN where y has no place; where it has no channel there is no border."""
    there = fitted(torch.zeros_like(x[:1, :1]), torch.ones_like(y[:1, :1]), before, True)[:, 1:]
    channels = y.new_ones(*y.shape[:2], *x.shape[2:])
    if concatenated:
        beside = (there == 0).expand_as(channels)
        outside = torch.cat([torch.zeros_like(x, dtype=torch.bool), beside], 1)
    else:
        outside = (there == 0) & (fitted(torch.zeros_like(x), channels, before, False) != 0)
    return torch.where(outside, NAN, fitted(x, y, before, concatenated))


def turned_nan(model: Drawn) -> torch.Tensor:
    """Return a bool tensor over the output: the units that some border touches."""
    maps = [picture(model.shapes[0])]
    for module, sources in zip(model.steps, model.sources, strict=True):
        maps.append(beyond(module, *(maps[source] for source in sources)))
    return maps[-1].isnan()


# Shifts


@dataclass
class World:
    """A picture larger than the input along one axis, and the outputs for crops of it."""

    model: Callable[[torch.Tensor], torch.Tensor]
    axis: int
    size: int
    whole: torch.Tensor

    @classmethod
    def of(
        cls, model: Callable[[torch.Tensor], torch.Tensor], shape: Sequence[int], axis: int, reach: int, seed: int = 0
    ) -> "World":
        wide = [size + reach if place == axis else size for place, size in enumerate(shape)]
        return cls(model, axis, shape[axis], picture(wide, seed))

    def at(self, by: int) -> torch.Tensor:
        """Return the output when the camera has moved."""
        with torch.no_grad():
            return self.model(self.whole.narrow(self.axis, by, self.size).clone())


def gap(before: torch.Tensor, after: torch.Tensor, clean: torch.Tensor, axis: int, by: int) -> float | None:
    """Return the largest |after[o] - before[o + by]| over units o where both are clean; None where there are none."""
    size = before.shape[axis]
    count = size - abs(by)
    if count < 1:
        return None
    here, there = (max(0, by), max(0, -by))
    both = clean.narrow(axis, here, count) & clean.narrow(axis, there, count)
    if not both.any():
        return None
    return float((before.narrow(axis, here, count) - after.narrow(axis, there, count)).abs()[both].max())


MOST_SHIFT = 24
"""The longest shift that is tried."""


def contradiction(model: Drawn) -> tuple[str, list[str]]:
    """Hold what is proved of a network against what PyTorch does; return what differs, and what was compared.

    The map of untouched units against NaN, every one. The lattice against crops of a larger picture: at one and at two
    steps the output is the output moved, to the bit; at shifts between, by no whole move near it.
    """
    report = faltung.check(model, *model.inputs(), measure=False)
    output = report.output()
    told: list[str] = []
    nan, mask = turned_nan(model), torch.tensor(output.untouched.mask())
    if nan.shape != mask.shape or bool((nan == mask).any()):
        return f"the map of untouched units differs from NaN at {int((nan == mask).sum())} of {nan.numel()}", told
    told.append("map")
    for number, movement in enumerate(output.movements):
        axis = 2 + number
        worlds = [World.of(model, model.shapes[0], axis, MOST_SHIFT, seed) for seed in range(16)]
        clean = torch.tensor(movement.untouched.mask()).expand(output.shape)
        if torch.equal(worlds[0].at(0)[clean], worlds[1].at(0)[clean]):
            continue  # it does not depend on its input there: nothing but padding and rectified negatives
        found = _on_and_off(model, movement, output, worlds, clean, told)
        if found:
            return f"along {movement.axis}: {found}", told
    return "", told


def _on_and_off(
    model: Drawn, movement: Movement, output: Output, worlds: list[World], clean: torch.Tensor, told: list[str]
) -> str:
    if movement.kind != "lattice":
        return _nowhere(model, movement, output, worlds, clean, told) if movement.step and movement.ways else ""
    ((axis, way),) = movement.ways
    before = worlds[0].at(0)
    for by in range(movement.step, MOST_SHIFT + 1, movement.step):
        found = gap(before, worlds[0].at(by), clean, axis, by // movement.step * way.offset)
        if found is not None:
            told.append("on")
            if found:
                return f"shifted by {by}, on the lattice {movement.step} to {way.offset}, it is {found} off"
    if sum("interpolate" in repr(step) for step in model.steps) > 1:
        return ""  # copies may be taken back by leaving them out again: the lattice is then finer than that of each
    alive = clean & torch.stack([before != world.at(0) for world in worlds[1:4]]).any(0)  # it depends on the input
    places = sum(bool(alive.select(axis, place).any()) for place in range(clean.shape[axis]))
    for by in range(1, min(movement.step, MOST_SHIFT + 1)):
        near = by * way.offset / movement.step
        if places - abs(near) - 2 < 2 * abs(way.offset):
            continue  # less than two periods are left to compare
        moves = [m for m in range(floor(near) - 1, ceil(near) + 2) if gap(before, before, alive, axis, m) is not None]
        moves = _that_fit(worlds, by, clean, axis, moves)
        told.append("off")
        if moves:
            return f"shifted by {by}, off the lattice {movement.step} to {way.offset}, it moves by {moves}"
    return ""


def _nowhere(
    model: Drawn, movement: Movement, output: Output, worlds: list[World], clean: torch.Tensor, told: list[str]
) -> str:
    """Where a lattice is denied, and not for want of knowledge, no step of it fits."""
    if any(culprit.kind == "unproved" for culprit in movement.culprits) or len(movement.ways) > 1:
        return ""
    if any("pieces" in culprit.reason for culprit in movement.culprits) and "__getitem__" in repr(model):
        return ""  # a slice may leave one piece alone, and who put it among others is blamed all the same
    ((axis, way),) = movement.ways
    everywhere, before = torch.ones_like(clean), worlds[0].at(0)
    alive = torch.stack([before != world.at(0) for world in worlds[1:4]]).any(0)
    for by in range(movement.step, MOST_SHIFT + 1, movement.step):
        near = by // movement.step * way.offset
        if abs(near) + 2 > clean.shape[axis] // 2:
            break
        told.append("none")
        moves = [m for m in range(near - 1, near + 2) if gap(before, before, alive, axis, m) is not None]
        if _that_fit(worlds, by, everywhere, axis, moves):
            return f"shifted by {by}, where no lattice is granted, it moves by {near}"
    return ""


def _that_fit(worlds: list[World], by: int, clean: torch.Tensor, axis: int, moves: Iterable[int]) -> list[int]:
    """Return the moves that fit in every world, as far as they can be compared."""
    left = list(moves)
    for world in worlds:
        before, after = world.at(0), world.at(by)
        left = [move for move in left if gap(before, after, clean, axis, move) == 0]
        if not left:
            break
    return left


# Mirrorings and turns


def symmetrised(model: Drawn) -> Drawn:
    """Give every convolution a kernel that is its own mirror image along all axes, and turned where it is square."""
    for module in model.modules():
        if isinstance(module, nn.modules.conv._ConvNd):
            with torch.no_grad():
                weight = module.weight
                for axis in range(2, weight.dim()):
                    weight.copy_(weight + weight.flip(axis))
                if weight.dim() == 4 and weight.shape[2] == weight.shape[3]:
                    weight.copy_(weight + weight.mT)
    return model


@st.composite
def squares(draw: Draw) -> Drawn:
    """Draw a network with symmetric kernels for a picture that is as high as it is wide."""
    size = draw(st.integers(15, 20))
    shape = (1, draw(st.integers(1, 2)), *([size] * draw(st.integers(1, 2))))
    return symmetrised(draw(grown(shape)))


def mirror_contradiction(model: Drawn) -> tuple[str, list[str]]:
    """Hold what is proved of mirrorings and turns against what PyTorch does, on one picture, to the bit."""
    report = faltung.check(model, *model.inputs(), measure=False)
    output = report.output()
    told = []
    x = picture(model.shapes[0], 1)
    with torch.no_grad():
        still = model(x)
        for symmetry in output.symmetries:
            places = [2 + "yx"[4 - x.dim() :].index(axis) for axis in symmetry.axes]
            if len(places) == 2 and x.shape[2] != x.shape[3]:
                continue
            moved = model(x.flip(places) if len(places) == 1 else torch.rot90(x, 1, places))
            ways = dict(symmetry.ways)
            if symmetry.holds:
                clean = torch.ones_like(still, dtype=torch.bool)
                if not symmetry.everywhere:
                    clean = torch.tensor(output.untouched.mask())
                told.append("everywhere" if symmetry.everywhere else "inside")
                after, before = pulled(moved, still, ways)
                both = torch.logical_and(*pulled(clean, clean, ways))
                if symmetry.everywhere and both.numel() != still.numel():
                    return f"{symmetry.name} is granted everywhere and leaves units out", told
                if not torch.equal(after[both], before[both]):
                    return f"{symmetry.name} is granted and does not hold", told
            elif any(c.kind != "unproved" for c in symmetry.culprits) and "PixelShuffle" not in repr(model):
                # shuffled pixels are not mirrored, and all may be left out again but those of one phase
                told.append("denied")
                itself = still.flip(places) if len(places) == 1 else torch.rot90(still, 1, places)
                if itself.shape == moved.shape and torch.equal(itself, moved) and not bool((still == still[:1]).all()):
                    return f"{symmetry.name} is denied ({symmetry.sentence()}) and holds", told
    return "", told


def pulled(after: torch.Tensor, before: torch.Tensor, ways: dict[int, Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the units of `after` whose places i lead to a unit of `before`, sign*i + offset, and those units."""
    order = list(range(before.dim()))
    for axis, way in ways.items():
        places = torch.arange(after.shape[axis])
        goals = way.sign * places + way.offset
        inside = (goals >= 0) & (goals < before.shape[way.to])
        after, before = after.index_select(axis, places[inside]), before.index_select(way.to, goals[inside])
        order[axis] = way.to
    return after, before.permute(order)
