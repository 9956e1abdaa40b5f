"""What was found about a network: its lattice, its borders, its mirror images, and who stands in the way."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from math import prod
from typing import TYPE_CHECKING, Any

from faltung.equivariance.requirement import Requirement, required
from faltung.equivariance.walk import ALL, Culprit, only_unproved
from faltung.equivariance.ways import Way
from faltung.errors import UnknownName
from faltung.graph import ANY
from faltung.region import Region

if TYPE_CHECKING:
    from rich.table import Table

    from faltung.equivariance.measured import Measured

SHIFTS = {"crop": "a camera moves over a larger picture", "roll": "the picture is rolled round"}
"""The two ways to shift a picture, in words."""


@dataclass(frozen=True)
class Movement:
    """How one output answers to a shift of the input along one axis.

    Parameters
    ----------
    axis : str
        The axis of the input.
    kind : {'lattice', 'invariant', 'pooled', 'none'}
        ``'lattice'``: shift the input by `step`, the output moves by `moves`. ``'invariant'``: shift it by `step`,
        the output stays. ``'pooled'``: the output has no such axis any more, because it was pooled over as far as
        the picture goes; it changes with what comes in and goes out at the border. ``'none'``: there is none.
    step : int
        S, in pixels; every whole multiple of it moves the output as well. Without a lattice, what it would be but
        for the culprits; 0 where that cannot be said.
    moves : dict of str to int
        P, in units, by axis of the output; negative where the output moves the other way.
    culprits : tuple of Culprit
        What stands in the way.
    untouched : Region
        The places of the output at which no border along this axis has touched any channel.
    closed : bool
        The output is a circle of its own, so that nothing is lost at its ends (`shift='roll'` alone).
    ways : tuple of (int, Way)
        The same by the number of the output's axis, with the stretches within which it moves.
    """

    axis: str
    kind: str
    step: int
    moves: dict[str, int]
    culprits: tuple[Culprit, ...]
    untouched: Region
    closed: bool = False
    ways: tuple[tuple[int, Way], ...] = ()

    @property
    def exact(self) -> bool:
        """Whether a shift by `step` moves the output exactly, borders aside."""
        return self.kind in ("lattice", "invariant")

    def sentence(self) -> str:
        """Return it in words."""
        along = " and ".join(f"{by} along {axis}" for axis, by in self.moves.items())
        along = str(self.moves[self.axis]) if list(self.moves) == [self.axis] else along
        if self.kind == "lattice":
            return f"shift the input by {self.step}, the output moves by {along}"
        if self.kind == "invariant":
            return (
                f"shift the input by {self.step}, the output stays" if self.step else "the output does not depend on it"
            )
        if self.kind == "pooled":
            which, more = (f" by {self.step}", "; others by more") if self.step > 1 else ("", "")
            return f"none: it is pooled, and shifts{which} change it by what enters and leaves the picture alone{more}"
        known = "not proved" if only_unproved(self.culprits) else "none"
        return f"{known}; it would be {self.step} to {along} but for what stands in the way" if along else known

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "axis": self.axis,
            "kind": self.kind,
            "shift": self.step if self.exact and self.step else None,
            "moves": self.moves if self.exact else {},
            "but_for_culprits": {"shift": self.step or None, "moves": self.moves},
            "closed": self.closed,
            "culprits": [culprit.to_dict() for culprit in self.culprits],
            "untouched": self.untouched.to_dict(),
        }


@dataclass(frozen=True)
class Symmetry:
    """Whether one output answers to a mirroring or a turn of the input by the same of its own.

    Parameters
    ----------
    name : str
        ``'flip y'``, ``'flip x'``, ``'quarter turn'``, …
    culprits : tuple of Culprit
        What stands in the way; empty where nothing does.
    everywhere : bool
        It holds for all units; else for those that no border has touched, and the output is shifted as well.
    unweighed : tuple of str
        It holds if the kernels of these layers are symmetric: their numbers are not known.
    axes : tuple of str
        The axis of the input that is mirrored, or the two between which it is turned.
    ways : tuple of (int, Way)
        Where the units of the output go, by the number of its axis.
    by_branches : bool
        It holds because branches that read the picture and its mirror image change places.
    measured : bool
        It is refused, and yet the model was measured to do it, on a random picture.
    """

    name: str
    culprits: tuple[Culprit, ...] = ()
    everywhere: bool = True
    unweighed: tuple[str, ...] = ()
    axes: tuple[str, ...] = ()
    ways: tuple[tuple[int, Way], ...] = ()
    by_branches: bool = False
    measured: bool = False

    @property
    def holds(self) -> bool:
        """Whether it is granted; False also where it depends on numbers that are not known."""
        return not self.culprits and not self.unweighed

    def sentence(self) -> str:
        """Return it in words."""
        where = "" if self.everywhere else " away from the borders, and moved"
        if self.culprits:
            known = "not proved" if only_unproved(self.culprits) else "no"
            known = "measured to, but not proved" if self.measured else known
            return f"{known}: {_listed(self.culprits)}"
        if self.unweighed:
            return f"yes{where}, if the kernels of {', '.join(self.unweighed)} are symmetric"
        return "yes: the branches of both images change places" if self.by_branches else f"yes{where}"

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "name": self.name,
            "holds": self.holds,
            "everywhere": self.everywhere,
            "by_branches": self.by_branches,
            "measured_though_refused": self.measured,
            "if_kernels_are_symmetric": list(self.unweighed),
            "culprits": [culprit.to_dict() for culprit in self.culprits],
        }


@dataclass(frozen=True)
class Output:
    """What was found about one output.

    Parameters
    ----------
    layer : str
        The layer that gives it.
    axes, shape : tuple
        Its axes and their sizes, batch and channel included.
    movements : tuple of Movement
        One for each axis of the input along which it is shifted.
    symmetries : tuple of Symmetry
        Mirrorings of each of these axes, and quarter turns of each two.
    untouched : Region
        All its units, batch and channel included, that no border along any of these axes has touched.
    borders : tuple of str
        The layers at which a border comes in: padding, windows that hang over.
    """

    layer: str
    axes: tuple[str, ...]
    shape: tuple[int, ...]
    movements: tuple[Movement, ...]
    symmetries: tuple[Symmetry, ...]
    untouched: Region
    borders: tuple[str, ...]

    def movement(self, axis: str) -> Movement:
        """Return how it answers to a shift along an axis of the input."""
        found = next((movement for movement in self.movements if movement.axis == axis), None)
        if found is None:
            raise UnknownName("axis", axis, [movement.axis for movement in self.movements])
        return found

    @property
    def share(self) -> float:
        """The share of its units that no border has touched."""
        return self.untouched.size / (prod(self.shape) or 1)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "layer": self.layer,
            "axes": list(self.axes),
            "shape": list(self.shape),
            "movements": [movement.to_dict() for movement in self.movements],
            "symmetries": [symmetry.to_dict() for symmetry in self.symmetries],
            "untouched": self.untouched.to_dict(),
            "borders": list(self.borders),
        }


@dataclass(frozen=True)
class Equivariance:
    """How a network answers to shifts, mirrorings and turns of its input: proved, and measured beside it.

    It is true if it holds what `holds("interior")` asks. It prints in terminals and notebooks.

    Parameters
    ----------
    shift : {'crop', 'roll'}
        How the input is shifted: a camera moves over a larger picture, or the picture is rolled round.
    moved : dict of str to dict of str to int
        For each axis, the inputs that are shifted along it, with its place among their axes.
    outputs : tuple of Output
        One for each output of the network.
    measured : Measured, optional
        What the model really did; None where no model was run.
    """

    shift: str
    moved: dict[str, dict[str, int]]
    outputs: tuple[Output, ...]
    measured: "Measured | None" = None

    def __bool__(self) -> bool:
        return bool(self.holds("interior"))

    def output(self, layer: str | None = None) -> Output:
        """Return what was found about an output; the first one where `layer` is None."""
        found = next((output for output in self.outputs if layer in (None, output.layer)), None)
        if found is None:
            raise UnknownName("output", str(layer), [output.layer for output in self.outputs])
        return found

    @property
    def culprits(self) -> tuple[Culprit, ...]:
        """All that stands in the way of a shift, of any output and along any axis, each layer and reason once."""
        found = (c for output in self.outputs for movement in output.movements for c in movement.culprits)
        return tuple(dict.fromkeys(found))

    @property
    def guilty(self) -> tuple[str, ...]:
        """The names of the layers that stand in the way of a shift."""
        return tuple(dict.fromkeys(culprit.layer for culprit in self.culprits))

    def holds(self, require: str) -> Requirement:
        """Say whether a requirement holds, and if not, whose fault it is.

        Parameters
        ----------
        require : str
            ``'interior'``: along every axis every output has a lattice, and some of its units are untouched by any
            border. ``'lattice=S'``: a shift by S along any axis moves every output by whole units, on whatever units
            are untouched. ``'none'``: nothing.

        Raises
        ------
        FaltungError
            If it is none of these.

        Examples
        --------
        >>> import faltung
        >>> report = faltung.check(faltung.parse("conv k=3 s=2, conv k=3 s=2").at(y=64, x=64))
        >>> bool(report.holds("lattice=8")), bool(report.holds("lattice=2"))
        (True, False)
        """
        return required(self, require)

    def with_measured(self, measured: "Measured | None") -> "Equivariance":
        """Return the same with what was measured."""
        done = {(one.layer, one.name) for one in measured.mirrored} if measured is not None else set()
        outputs = tuple(
            replace(
                output,
                symmetries=tuple(
                    replace(one, measured=not one.holds and (output.layer, one.name) in done)
                    for one in output.symmetries
                ),
            )
            for output in self.outputs
        )
        return replace(self, measured=measured, outputs=outputs)

    def __str__(self) -> str:
        lines = []
        for output in self.outputs:
            size = "x".join(map(str, output.shape))
            lines.append(f"output {output.layer} ({size}), when {SHIFTS[self.shift]}:")
            width = max((len(name) for name, _ in _facts(output, self.shift)), default=0)
            lines += [f"  {name.ljust(width)}  {text}" for name, text in _facts(output, self.shift)]
        if self.measured is not None:
            lines.append(str(self.measured))
        return "\n".join(lines)

    def __rich__(self) -> "Table":
        from rich import box
        from rich.table import Table as RichTable

        table = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, show_header=False)
        table.add_column(overflow="fold")
        table.add_column(overflow="fold")
        table.add_column(overflow="fold")
        for output in self.outputs:
            for number, (name, text) in enumerate(_facts(output, self.shift)):
                table.add_row("" if number else output.layer, name, text)
        if self.measured is not None:
            table.add_row("measured", "", str(self.measured))
        return table

    def _repr_html_(self) -> str:
        rows = [
            f"<tr><td>{'' if number else escape(output.layer)}</td><th>{escape(name)}</th><td>{escape(text)}</td></tr>"
            for output in self.outputs
            for number, (name, text) in enumerate(_facts(output, self.shift))
        ]
        if self.measured is not None:
            rows.append(f"<tr><td>measured</td><th></th><td>{escape(str(self.measured))}</td></tr>")
        return f"<table><tbody>{''.join(rows)}</tbody></table>"

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain numbers, lists and strings, ready for JSON."""
        return {
            "shift": self.shift,
            "inputs": {axis: list(places) for axis, places in self.moved.items()},
            "interior": bool(self),
            "guilty": list(self.guilty),
            "outputs": [output.to_dict() for output in self.outputs],
            "measured": None if self.measured is None else self.measured.to_dict(),
        }


def _facts(output: Output, shift: str) -> list[tuple[str, str]]:
    """Return what there is to say about an output, as pairs of a heading and a text."""
    found = []
    for movement in output.movements:
        found.append((movement.axis, movement.sentence()))
        if movement.culprits:
            found.append(("", _listed(movement.culprits)))
    found.append(("border", _border(output, shift)))
    found += [(symmetry.name, symmetry.sentence()) for symmetry in output.symmetries]
    return found


def _border(output: Output, shift: str) -> str:
    total = prod(output.shape)
    if not output.borders:
        return f"none: all {total:,} units are untouched"
    layers = ", ".join(output.borders[:4]) + (f" and {len(output.borders) - 4} more" if len(output.borders) > 4 else "")
    if not output.untouched:
        return f"touches all {total:,} units; it comes in at {layers}"
    places = _spatial(output.untouched).describe()
    return f"leaves {output.untouched.size:,} of {total:,} units untouched ({places}); it comes in at {layers}"


def _spatial(region: Region) -> Region:
    """Return the places of a region, over the axes that are not batch or channel."""
    chosen = [place for place, axis in enumerate(region.axes) if axis not in ANY]
    return Region.of(
        tuple(region.axes[place] for place in chosen),
        tuple(region.shape[place] for place in chosen),
        [tuple(factors[place] for place in chosen) for factors in region.products],
    )


def _listed(culprits: Sequence[Culprit]) -> str:
    return "; ".join(map(str, culprits))


def kind_of(moves: bool, culprits: Sequence[Culprit]) -> str:
    """Return the kind of a movement whose layers are all followed."""
    if not culprits:
        return "lattice" if moves else "invariant"
    return "pooled" if not moves and all(culprit.kind == ALL for culprit in culprits) else "none"
