"""The inputs that a gradient is averaged over: given ones, or random ones like an example."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from faltung.errors import FaltungError

if TYPE_CHECKING:
    import torch

OTHERS = ("random", "fixed")

_NO_NUMBERS = "inputs must be a tensor of floating-point numbers, not {}: others have no gradient"


@dataclass(frozen=True)
class Samples:
    """Arguments for a model, one picture at a time.

    Parameters
    ----------
    arguments : list of tuples
        For every sample the model's arguments, with a batch of one.
    chosen : int
        Which of the tensors among the arguments the gradient is taken by.
    """

    arguments: list[tuple[Any, ...]]
    chosen: int

    def __len__(self) -> int:
        return len(self.arguments)

    def with_leaf(self, number: int) -> "tuple[tuple[Any, ...], torch.Tensor]":
        """Return the arguments of a sample, and the tensor among them that the gradient is taken by."""
        from torch.utils._pytree import tree_unflatten

        flat, spec, places = _taken_apart(self.arguments[number])
        for place in places:
            flat[place] = flat[place].clone()  # a model may overwrite its inputs
        leaf = flat[places[self.chosen]].requires_grad_()
        flat[places[self.chosen]] = leaf.clone()
        return tree_unflatten(flat, spec), leaf


def tensors_of(arguments: Any) -> "list[torch.Tensor]":
    """Return the tensors among arguments, in the order in which a traced model has them."""
    flat, _, places = _taken_apart(arguments)
    return [flat[place] for place in places]


def samples(inputs: Any, example: Any, chosen: int, others: str, n: int, generator: "torch.Generator") -> Samples:
    """Return what to average over: the given inputs, picture by picture, or n random ones like the example.

    A tensor whose first axis is as long as that of the chosen one has a batch, of which every sample takes one; any
    other serves every sample whole.
    """
    import torch
    from torch.utils._pytree import tree_unflatten

    if others not in OTHERS:
        raise FaltungError(f"others={others!r} must be 'random' or 'fixed'")
    arguments = as_arguments(inputs, example)
    flat, spec, places = _taken_apart(arguments)
    if not 0 <= chosen < len(places):
        raise FaltungError(f"there is no input {chosen} among the {len(places)} tensors that are given")
    picture = flat[places[chosen]]
    _check(picture)
    batched = [place for place in places if flat[place].ndim and len(flat[place]) == len(picture)]
    numbers = range(len(picture) if inputs is not None else n)
    drawn: dict[int, torch.Tensor] = {}
    if inputs is None:
        if n < 1:
            raise FaltungError(f"n={n} random inputs; at least 1 is needed")
        for place in [places[chosen], *places]:
            if (
                place not in drawn
                and (place == places[chosen] or others == "random")
                and flat[place].is_floating_point()
            ):
                shape = flat[place].shape[1:] if place in batched else flat[place].shape
                numbered = torch.randn((n, *shape), generator=generator, dtype=torch.float64)
                drawn[place] = numbered.to(flat[place].device, flat[place].dtype)

    def one(place: int, number: int) -> Any:
        given = flat[place]
        if place in drawn:
            return drawn[place][number : number + 1] if place in batched else drawn[place][number]
        if place in batched:
            return given[number : number + 1] if inputs is not None else given[:1]
        return given

    made = [tree_unflatten([one(place, number) for place in range(len(flat))], spec) for number in numbers]
    return Samples(made, chosen)


def as_arguments(inputs: Any, example: Any) -> tuple[Any, ...]:
    """Return a model's arguments: a tensor stands for the only one."""
    given = example if inputs is None else inputs
    if given is None or (inputs is not None and example is not None):
        raise FaltungError("give either inputs, or an example such as torch.zeros(1, 3, 64, 64) for random ones")
    arguments = tuple(given) if isinstance(given, tuple | list) else (given,)
    if not tensors_of(arguments):
        raise FaltungError(_NO_NUMBERS.format(type(given).__name__))
    return arguments


def _taken_apart(arguments: Any) -> tuple[list[Any], Any, list[int]]:
    """Return the parts of arguments, how they were put together, and which of them are tensors."""
    import torch
    from torch.utils._pytree import tree_flatten

    flat, spec = tree_flatten(arguments)
    flat = [entry.detach() if isinstance(entry, torch.Tensor) else entry for entry in flat]
    return flat, spec, [place for place, entry in enumerate(flat) if isinstance(entry, torch.Tensor)]


def _check(picture: "torch.Tensor") -> None:
    if not picture.is_floating_point():
        raise FaltungError(_NO_NUMBERS.format(picture.dtype))
    if picture.ndim < 3 or not picture.numel():
        raise FaltungError(
            f"inputs of shape {tuple(picture.shape)}: they need a batch, a channel and at least one further axis, "
            "none of them empty"
        )
