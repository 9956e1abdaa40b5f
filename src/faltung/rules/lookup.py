"""Finding the rule of an operator of a traced model, and saying in a few words which operator it is."""

import re
from typing import Any

from faltung.rules.pointwise import pointwise
from faltung.rules.table import RULES, Call, Rule, Tensor

TAKE_NUMBERS = ("item", "_local_scalar_dense", "nonzero", "unique")
"""Operators that take numbers or sizes out of the data: nothing that depends on them can be followed."""

ADDS_UP = re.compile(
    r"(adaptive_)?(avg|max)_pool\dd(_with_indices)?|conv(_transpose)?\dd|linear|mean|sum|sum_to_size|amax|amin|max|min"
    r"|add(bmm|mm|mv)|baddbmm|bmm|mm|mv|dot|inner|matmul|einsum|tensordot"
)
"""Operators that add up what they read, with weights of their own or alike (a maximum counts as such a sum)."""


def base_name(target: Any) -> str:
    """Return an operator's name without overload, and without the underscore of its form in place."""
    schema = getattr(target, "_schema", None)
    name: str = getattr(target, "__name__", str(target)) if schema is None else schema.name.removeprefix("aten::")
    return name if name.endswith("__") else name.removesuffix("_")


def is_random(target: Any) -> bool:
    """Say whether an operator draws its numbers anew in every run."""
    import torch

    return torch.Tag.nondeterministic_seeded in getattr(target, "tags", ())


def rule_of(target: Any, operator: str) -> Rule | None:
    """Return the rule of an operator; that of pointwise operators where PyTorch tags it as one, else None."""
    if operator in RULES:
        return RULES[operator]
    import torch

    return pointwise if any(torch.Tag.pointwise in one.tags for one in [target, *overloads(operator)]) else None


def overloads(operator: str) -> list[Any]:
    """Return the overloads of one of PyTorch's operators; none for others."""
    import torch

    functional = getattr(torch.ops.aten, operator, None)
    return [getattr(functional, name) for name in functional.overloads()] if functional else []


def described(call: Call) -> str:
    """Return the operator with the numbers of its window, those of no effect left out: `conv2d k=3 p=1`."""
    given = call.arguments
    weight = given.get("weight")
    kernel = weight.shape[2:] if isinstance(weight, Tensor) and "stride" in given else given.get("kernel_size")
    if kernel is None:
        return call.operator
    words = [call.operator]
    for letter, value, usual in (
        ("k", kernel, None),
        ("s", given.get("stride"), 1),
        ("p", given.get("padding"), 0),
        ("d", given.get("dilation"), 1),
        ("g", given.get("groups"), 1),
    ):
        entries = list(value) if isinstance(value, list | tuple) else [value]
        if value is not None and any(entry != usual for entry in entries):
            words.append(f"{letter}={entries[0] if len(set(entries)) == 1 else 'x'.join(map(str, entries))}")
    return " ".join(words)
