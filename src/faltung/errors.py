"""What can go wrong, and its words: one line that names the offender, the numbers and the rule."""

from collections.abc import Iterable
from difflib import get_close_matches


class FaltungError(ValueError):
    """A request that cannot be answered; its text is one line for the person who asked.

    Everything Faltung refuses on purpose is of this type, so `except FaltungError` tells a user's mistake
    from a defect. The command line prints the text and leaves with exit code 2.

    >>> from faltung.errors import FaltungError
    >>> issubclass(FaltungError, ValueError)
    True
    """


class UnknownName(FaltungError):
    """A name that stands for nothing here; the text offers the nearest ones that do."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        super().__init__(f"unknown {kind} {name!r}; {suggestion(name, known)}")


def suggestion(name: str, known: Iterable[str]) -> str:
    """Say which known names lie nearest to `name`, or list them all where none is near.

    >>> suggestion("sobelx", ["sobel_x", "sobel_y", "box"])
    'did you mean sobel_x or sobel_y?'
    >>> suggestion("qqq", ["conv", "box"])
    'known: box, conv'
    """
    names = sorted(known)
    near = get_close_matches(name, names, n=2, cutoff=0.6)
    return f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names)}"
