"""Kernels by name: a short text, with parameters where the kernel has them."""

import inspect
from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from faltung.errors import FaltungError, UnknownName
from faltung.kernels import derivatives, detail, laplacians, smoothing, waves

_Builder = Callable[..., NDArray[Any]]

_BUILDERS: dict[str, _Builder] = {
    name.replace("_", "-"): builder
    for family in (smoothing, derivatives, laplacians, detail, waves)
    for name, builder in vars(family).items()
    if inspect.isfunction(builder) and builder.__module__ == family.__name__ and not name.startswith("_")
}
"""Every public function of the families, in the order in which they stand there."""


def names() -> list[str]:
    """Names that `named` knows, in the order of the families above.

    >>> names()[:4]
    ['identity', 'box', 'binomial', 'gaussian']
    """
    return list(_BUILDERS)


def named(text: str) -> NDArray[Any]:
    """Kernel that a short text names: `"sobel-x"`, or with parameters `"gaussian:sigma=2,size=11"`.

    Parameters
    ----------
    text : str
        A name from `names`, then optionally a colon and ``parameter=value`` pairs with commas between. The
        parameters are those of the function of that name.

    Returns
    -------
    ndarray of int64 or float64, shape (height, width)

    Raises
    ------
    UnknownName
        No kernel or no parameter has that name; the text offers the nearest.
    FaltungError
        A pair is malformed, or a value is out of the parameter's range.

    Examples
    --------
    >>> named("box:size=3,normalised=false")
    array([[1, 1, 1],
           [1, 1, 1],
           [1, 1, 1]])
    >>> named("sobelx")
    Traceback (most recent call last):
    faltung.errors.UnknownName: unknown kernel 'sobelx'; did you mean sobel-x or sobel-y?
    """
    name, colon, rest = text.strip().partition(":")
    name = name.strip()
    if name not in _BUILDERS:
        raise UnknownName("kernel", name, _BUILDERS)
    builder = _BUILDERS[name]
    known = inspect.signature(builder).parameters
    arguments: dict[str, Any] = {}
    for pair in rest.split(",") if colon else []:
        parameter, equals, value = (part.strip() for part in pair.partition("="))
        if not (parameter and equals and value):
            raise FaltungError(f"{name}: expected parameter=value after the colon, got {pair.strip()!r}")
        if parameter not in known:
            if not known:
                raise FaltungError(f"{name} takes no parameters, got {pair.strip()!r}")
            raise UnknownName(f"parameter of {name}", parameter, known)
        if parameter in arguments:
            raise FaltungError(f"{name}: {parameter} is given twice")
        arguments[parameter] = _parsed(name, parameter, value, known[parameter].annotation)
    return builder(**arguments)


def _parsed(name: str, parameter: str, value: str, wanted: Any) -> int | float | bool:
    """Read `value` as the function's annotation has it."""
    if wanted is bool:
        if value.lower() not in ("true", "false"):
            raise FaltungError(f"{name}: {parameter} must be true or false, got {value!r}")
        return value.lower() == "true"
    whole = wanted in (int, int | None)
    try:
        return int(value) if whole else float(value)
    except ValueError:
        kind = "a whole number" if whole else "a number"
        raise FaltungError(f"{name}: {parameter} must be {kind}, got {value!r}") from None
