"""Running a model on crops of a larger picture, and comparing where the proof says.

Rolling a picture with zeros coming in at its end would measure the zeros. Here the picture is larger than the crop, and
what comes in was there before. (With `shift='roll'` the world is a circle, and rolling is the truth.)
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import ceil, floor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils._pytree import tree_leaves

from faltung.equivariance.constants import followed, led
from faltung.equivariance.measured import ROUNDING, Measured, Mirrored, Shift
from faltung.equivariance.report import Equivariance, Movement, Output, Symmetry
from faltung.equivariance.ways import Way
from faltung.equivariance.whole import LEVELS, copied, in_whole_numbers, watched
from faltung.errors import FaltungError
from faltung.graph import Graph
from faltung.region import Region

MOST_SHIFTS = 2
"""How many shifts off the lattice are measured along an axis, if nothing else is asked for."""

Run = Callable[[Sequence[torch.Tensor]], dict[str, torch.Tensor]]
"""Gives the outputs of a model by name."""


def measure(
    model: Any,
    examples: Sequence[torch.Tensor],
    report: Equivariance,
    graph: Graph,
    *,
    shifts: Sequence[int] | None = None,
    seed: int = 0,
) -> Measured | None:
    """Measure how far a model's outputs are from moving with its input; None if its outputs cannot be told apart.

    Parameters
    ----------
    model : torch.nn.Module, function or torch.export.ExportedProgram
        It is copied and not changed.
    examples : sequence of torch.Tensor
        Inputs; those that move are replaced by crops of random pictures, in float64.
    report : Equivariance
        What is proved about it.
    graph : Graph
        The network that it is.
    shifts : sequence of int, optional
        How far to shift; one step of the lattice and up to `MOST_SHIFTS` shifts off it where left out.
    seed : int
        Of the random pictures.
    """
    module = model.module() if isinstance(model, torch.export.ExportedProgram) else model
    names = tuple(graph.inputs)
    if len(examples) != len(names):
        examples = [torch.zeros(graph.maps[name].shape) for name in names]
    run = _runner(module, report, graph)
    if run is None:
        return None
    found: list[Shift] = []
    for axis in dict.fromkeys(m.axis for output in report.outputs for m in output.movements):
        moving = [(output, output.movement(axis)) for output in report.outputs]
        moving = [(o, m) for o, m in moving if m.step and _comparable(o, m)]
        wanted = _wanted(moving, shifts)
        if not wanted:
            continue
        world = _World(names, examples, report, axis, max(wanted), seed)
        found += _compared(run(copied(module), False), world, moving, wanted, whole=False)
        if isinstance(module, torch.nn.Module):
            on = [by for by in wanted if any(by % movement.step == 0 for _, movement in moving)]
            found += _in_whole_numbers(module, run, world, moving, on)
    proved = {(o.layer, m.axis) for o in report.outputs for m in o.movements if m.exact}
    proved |= {(o.layer, symmetry.name) for o in report.outputs for symmetry in o.symmetries if symmetry.holds}
    world = _World(names, examples, report, "", 0, seed)
    return Measured(tuple(found), tuple(_mirrored(run(copied(module), False), world, report)), frozenset(proved))


def _mirrored(run: Run, world: "_World", report: Equivariance) -> Iterator[Mirrored]:
    """Yield what mirrorings and turns do: those that are granted everywhere, and those that hold though refused."""
    asked = [(o, one) for o in report.outputs for one in o.symmetries if _can_be_measured(o, one)]
    still = run(world.crop(0)) if asked else {}
    done: dict[tuple[str, ...], dict[str, torch.Tensor]] = {}
    for output, symmetry in asked:
        if output.layer not in still:
            continue
        if symmetry.axes not in done:
            places = [report.moved[axis] for axis in symmetry.axes]
            done[symmetry.axes] = run(
                [
                    picture if name not in places[0] else _turned(picture, [place[name] for place in places])
                    for name, picture in zip(world.names, world.crop(0), strict=True)
                ]
            )
        before, after = still[output.layer], done[symmetry.axes][output.layer]
        region = next(m.untouched for m in output.movements if m.axis in symmetry.axes)
        error = _error(output, region, True, before, after, dict(symmetry.ways))
        if error is not None and (symmetry.holds or error[1] <= ROUNDING):
            yield Mirrored(output.layer, symmetry.name, *error[:3], whole=False)


def _can_be_measured(output: Output, symmetry: Symmetry) -> bool:
    """Say whether it is known which of an output's units to compare, all of them."""
    turns = all(culprit.kind != "picture" for culprit in symmetry.culprits)
    follows = symmetry.ways or not set(symmetry.axes) & set(output.axes)
    return turns and (symmetry.everywhere if symmetry.holds else bool(follows))


def _turned(picture: torch.Tensor, places: Sequence[int]) -> torch.Tensor:
    return picture.flip(places[0]) if len(places) == 1 else torch.rot90(picture, 1, (places[0], places[1]))


def _in_whole_numbers(
    module: torch.nn.Module,
    run: "Callable[[Any, bool], Run]",
    world: "_World",
    moving: Sequence[tuple[Output, Movement]],
    wanted: Sequence[int],
) -> list[Shift]:
    """Return the same of the model in whole numbers; nothing if some of its results are not whole."""
    for largest, kept in LEVELS:
        twin = in_whole_numbers(module, largest, kept)
        with watched() as watch:
            still = run(twin, True)(world.crop(0))
        if watch.whole and all(bool((one != one.reshape(-1)[0]).any()) for one in still.values()):
            return _compared(run(twin, True), world, moving, wanted, whole=True)
    return []


class _World:
    """Pictures larger than the inputs, of which crops are shown; or circles, that are turned."""

    def __init__(
        self,
        names: Sequence[str],
        examples: Sequence[torch.Tensor],
        report: Equivariance,
        axis: str,
        reach: int,
        seed: int,
    ) -> None:
        random = torch.Generator().manual_seed(seed)
        self.names, self.rolls = names, report.shift == "roll"
        self.pictures: list[tuple[torch.Tensor, int | None, int]] = []
        for name, example in zip(names, examples, strict=True):
            place = report.moved.get(axis, {}).get(name)
            shape = list(example.shape)
            size = 0 if place is None else shape[place]
            if place is not None and not self.rolls:
                shape[place] += reach
            if not example.is_floating_point():
                choice = torch.randint(0, example.numel(), shape, generator=random)
                picture = example.detach().cpu().reshape(-1)[choice]
            elif place is None and axis:
                picture = example.detach().double()
            else:
                picture = torch.randint(-8, 9, shape, generator=random).double()
            self.pictures.append((picture.to(example.device), place, size))

    def crop(self, by: int) -> list[torch.Tensor]:
        """Return the inputs as the camera sees them after a shift."""
        return [
            picture.clone()
            if place is None
            else picture.roll(-by, place)
            if self.rolls
            else picture.narrow(place, by, size).clone()
            for picture, place, size in self.pictures
        ]


def _runner(module: Any, report: Equivariance, graph: Graph) -> "Callable[[Any, bool], Run] | None":
    """Return what runs a model and gives the outputs that the report is about, in its order."""
    asked = [output.layer for output in report.outputs]
    outputs = list(graph.outputs) or [graph.name(None)]
    inner = asked[0] if asked[0] not in outputs else ""
    if inner and not (isinstance(module, torch.nn.Module) and inner in dict(module.named_modules())):
        return None

    def prepared(model: Any, ready: bool) -> Run:
        if isinstance(model, torch.nn.Module) and not ready:
            model = model.double()

        def run(inputs: Sequence[torch.Tensor]) -> dict[str, torch.Tensor]:
            held: list[torch.Tensor] = []
            hook = None
            if inner:
                hook = model.get_submodule(inner).register_forward_hook(lambda *told: held.append(told[2]))
            try:
                with torch.no_grad():
                    given = model(*inputs)
            except RuntimeError as error:
                first = str(error).strip().splitlines()[0]
                raise FaltungError(f"the model does not run in float64 ({first}); leave the measurement out") from error
            finally:
                if hook is not None:
                    hook.remove()
            leaves = held or [one for one in tree_leaves(given) if isinstance(one, torch.Tensor)]
            names = [inner] if inner else outputs
            return dict(zip(names, leaves, strict=True)) if len(names) == len(leaves) else {}

        return run

    return prepared


def _wanted(moving: Sequence[tuple[Output, Movement]], shifts: Sequence[int] | None) -> list[int]:
    if not moving:
        return []
    if shifts is not None:
        return sorted({abs(by) for by in shifts if by})
    steps = {movement.step for _, movement in moving}
    longest = max(steps)
    between = [by for by in range(1, longest) if any(by % step for step in steps)]
    every = max(1, -(-len(between) // MOST_SHIFTS))
    return sorted({*steps, longest, *between[::every]})


def _comparable(output: Output, movement: Movement) -> bool:
    """Say whether any unit that counts is compared with one that counts when the input is shifted by one step."""
    if movement.kind in ("pooled", "invariant"):
        return True
    return bool(movement.ways) and bool(_both(output, movement.untouched, False, dict(movement.ways)).any())


def _both(output: Output, untouched: Region, everywhere: bool, ways: Mapping[int, Way]) -> NDArray[np.bool_]:
    """Return which of the units that ways lead anywhere count, and lead to one that counts."""
    shape = [size if axis in untouched.axes else 1 for axis, size in zip(output.axes, output.shape, strict=True)]
    clean = torch.tensor(untouched.mask() | everywhere).reshape(shape)
    here, there = followed(clean, clean, ways)
    return np.asarray((here & there).numpy())


def _compared(
    run: Run, world: _World, moving: Sequence[tuple[Output, Movement]], wanted: Sequence[int], *, whole: bool
) -> list[Shift]:
    still = run(world.crop(0))
    found = []
    for by in wanted:
        shifted = run(world.crop(by))
        for output, movement in moving:
            if output.layer in still:
                shift = difference(output, movement, still[output.layer], shifted[output.layer], by, whole=whole)
                if shift is not None and (shift.on_lattice or not whole):
                    found.append(shift)
    return found


def difference(
    output: Output, movement: Movement, before: torch.Tensor, after: torch.Tensor, by: int, *, whole: bool
) -> Shift | None:
    """Return how far an output after a shift of the input is from the one before, moved; None if no unit counts."""
    best: Shift | None = None
    for rounded in (floor, ceil):
        ways = {place: replace(way, offset=rounded(way.offset * by / movement.step)) for place, way in movement.ways}
        error = _error(output, movement.untouched, movement.kind == "pooled", before, after, ways)
        if error is None:
            continue
        largest, relative, compared, gaps = error
        on_lattice = by % movement.step == 0
        one = Shift(output.layer, movement.axis, by, on_lattice, largest, relative, compared, whole, gaps)
        if best is None or one.largest < best.largest:
            best = one
    return best


def _error(
    output: Output,
    untouched: Region,
    everywhere: bool,
    before: torch.Tensor,
    after: torch.Tensor,
    ways: Mapping[int, Way],
) -> tuple[float, float, int, NDArray[np.float64]] | None:
    """Return the largest difference of two outputs where ways lead, absolute and relative, on how many, and where."""
    both = _both(output, untouched, everywhere, ways)
    shape = [size if axis in untouched.axes else 1 for axis, size in zip(output.axes, before.shape, strict=True)]
    if not both.any():
        return None
    moved, still = (one.detach().double().cpu().numpy() for one in followed(after, before, ways))
    others = tuple(place for place, size in enumerate(output.axes) if size not in untouched.axes)
    gaps = np.abs(moved - still).max(axis=others, initial=0, keepdims=True)
    sizes = np.maximum(np.abs(moved), np.abs(still)).max(axis=others, initial=0, keepdims=True)
    largest, scale = float(gaps[both].max()), float(sizes[both].max())
    compared = int(both.sum()) * int(np.prod([before.shape[place] for place in others]))
    error = np.full(shape, np.nan)
    places = [
        list(led(ways[place], size, before.shape[ways[place].to])) if place in ways else range(size)
        for place, size in enumerate(shape)
    ]
    error[np.ix_(*places)] = np.where(both, gaps, np.nan)
    return largest, largest / scale if scale else 0.0, compared, error.squeeze(others)
