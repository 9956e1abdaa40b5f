"""Pictures of what Faltung says: of kernels and what they do, of fields and their growth, of what moves along.

Every function draws into the matplotlib axes it is given (or new ones) and returns them. Colours mean the
same everywhere: orange is the unit and what it reads, blue is the pixel asked about; in signed pictures red
is positive, blue negative and white zero.
"""

from faltung.draw._shared import PIXEL_COLOUR, SIGNED, UNIT_COLOUR
from faltung.draw.arrays import answer, explanation, frequency_response, grid, kernel, picture
from faltung.draw.fields import effective, field, outline
from faltung.draw.layers import growth
from faltung.draw.learning import confusion, curves, wall
from faltung.draw.motion import equivariance, error_map, lattice, shift_error

__all__ = [
    "PIXEL_COLOUR",
    "SIGNED",
    "UNIT_COLOUR",
    "answer",
    "confusion",
    "curves",
    "effective",
    "equivariance",
    "error_map",
    "explanation",
    "field",
    "frequency_response",
    "grid",
    "growth",
    "kernel",
    "lattice",
    "outline",
    "picture",
    "shift_error",
    "wall",
]
