"""How an answer is judged: the student's function is called, what it gives is compared, and what is wrong is said."""

import inspect
import linecache
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from faltung.errors import FaltungError


class NotYet(FaltungError):
    """An exercise is not solved yet; the text says what is wrong, and is all that a notebook shows: no traceback."""

    def _render_traceback_(self) -> list[str]:
        return [f"Not yet. {self}"]


def solved(name: str, said: str) -> None:
    """Say that an exercise is right."""
    print(f"✓ {name}: {said}")


def described(arguments: Mapping[str, object]) -> str:
    """Return arguments in words, tensors by their shapes.

    >>> described({"x": torch.zeros(2, 3), "stride": 2, "net": torch.nn.ReLU()})
    'x of shape (2, 3), stride=2, net of type ReLU'
    """

    def one(name: str, value: object) -> str:
        if isinstance(value, Tensor):
            return f"{name} of shape {tuple(value.shape)}"
        plain = isinstance(value, int | float | str | tuple)
        return f"{name}={value}" if plain else f"{name} of type {type(value).__name__}"

    return ", ".join(one(name, value) for name, value in arguments.items())


def filled(name: str, *given: object) -> None:
    """Refuse `...` and None, which stand where nothing was filled in.

    >>> filled("output_size", ...)
    Traceback (most recent call last):
    ...
    faltung.course.judging.NotYet: output_size: the blank is not filled in yet; your code goes where it says YOUR TURN.
    """
    if any(one is None or one is ... for one in given):
        raise NotYet(f"{name}: the blank is not filled in yet; your code goes where it says YOUR TURN.")


def ask(name: str, function: Callable[..., Any], arguments: Mapping[str, object]) -> Any:
    """Return what a student's function gives for arguments, in this order, tensors as copies.

    Raises
    ------
    NotYet
        If a blank is not filled in, or the function stops with an error: which, and at which of its lines.
    """
    copies = [value.clone() if isinstance(value, Tensor) else value for value in arguments.values()]
    try:
        given = function(*copies)
    except Exception as problem:
        if "ellipsis" in str(problem):
            filled(name, ...)
        reason = " ".join(str(problem).split())
        line = _line(problem, function)
        raise NotYet(
            f"{name} stops with {type(problem).__name__}{f': {reason}' if reason else ''}"
            f"{f', at the line `{line}`' if line else ''}. Tried with {described(arguments)}."
        ) from problem
    filled(name, given)
    return given


def judge(
    name: str,
    given: object,
    right: Tensor,
    arguments: Mapping[str, object],
    mistakes: Mapping[str, Tensor],
    shape: str = "the shape is {given}; it should be {right}",
) -> None:
    """Compare an answer with the right one, and with those that come of what is often got wrong.

    Parameters
    ----------
    name : str
        What the exercise is called.
    given : object
        The student's answer.
    right : Tensor
        The right one.
    arguments : mapping
        What the answer was given to.
    mistakes : mapping of str to Tensor
        Words for a mistake, and the answer that it leads to. The first that leads to what was given is told.
    shape : str
        Words for a wrong shape, with `{given}`, `{right}`, and arguments by their names.

    Raises
    ------
    NotYet
        If it is wrong.
    """
    tried = f"Tried with {described(arguments)}."
    if not isinstance(given, Tensor):
        raise NotYet(f"{name} gives {_kind(given)}; a torch.Tensor is wanted. {tried}")
    if _same(given, right):
        if given.dtype != right.dtype:
            raise NotYet(
                f"{name}: the numbers are right, but of {given.dtype}, and what they are made of is of {right.dtype}. "
                "Make new tensors by x.new_zeros(…)."
            )
        return
    known = next((words for words, wrong in mistakes.items() if _same(given, wrong)), "")
    if given.shape != right.shape:
        sizes = shape.format(given=tuple(given.shape), right=tuple(right.shape), **arguments)
        raise NotYet(f"{name}: {sizes}{f'. {known[0].upper()}{known[1:]}' if known else ''}. {tried}")
    if known:
        raise NotYet(f"{name}: {known}. {tried}")
    wrong = ~torch.isclose(given.to(right.dtype), right)
    first = tuple(wrong.nonzero()[0].tolist())
    raise NotYet(
        f"{name}: the shape is right, {int(wrong.sum())} of {wrong.numel()} numbers are not; at {list(first)} is "
        f"{float(given[first]):g}, it should be {float(right[first]):g}. {tried}"
    )


def judge_number(
    name: str, given: object, right: float, arguments: Mapping[str, object], mistakes: Mapping[str, float]
) -> None:
    """Compare one number with the right one, and with those that come of what is often got wrong.

    Raises
    ------
    NotYet
        If it is wrong.
    """
    if isinstance(given, Tensor) and given.numel() == 1:
        given = given.item()
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise NotYet(f"{name} gives {_kind(given)}; a number is wanted. Tried with {described(arguments)}.")
    if abs(given - right) > 1e-5 * max(1, abs(right)):
        known = next((f"{words}. " for words, wrong in mistakes.items() if abs(given - wrong) < 1e-5), "")
        raise NotYet(
            f"{name}: {known}{given:.5g} was given, it should be {right:.5g}. Tried with {described(arguments)}."
        )


def _same(given: Tensor, other: Tensor) -> bool:
    return given.shape == other.shape and bool(torch.allclose(given.to(other.dtype), other, rtol=1e-5, atol=1e-7))


def _kind(given: object) -> str:
    name = type(given).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _line(problem: Exception, function: Callable[..., Any]) -> str:
    """Return the last line at which an error passed through the file that a function or a module's class stands in."""
    places = (function, getattr(type(function), "forward", None), getattr(function, "__init__", None))
    files = {place.__code__.co_filename for place in places if inspect.isroutine(place) and hasattr(place, "__code__")}
    found, at = "", problem.__traceback__
    while at is not None:
        if at.tb_frame.f_code.co_filename in files:
            found = linecache.getline(at.tb_frame.f_code.co_filename, at.tb_lineno).strip() or found
        at = at.tb_next
    return found
