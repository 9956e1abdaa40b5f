"""Pictures of what Faltung says: grids, kernels, filtered pictures, frequency responses, fields and their growth.

Every function draws into the matplotlib axes it is given (or new ones) and returns them. Colours mean the
same everywhere: orange is the unit and what it reads, blue is the pixel asked about; in signed pictures red
is positive, blue negative and white zero.
"""

from faltung.draw._shared import PIXEL_COLOUR, SIGNED, UNIT_COLOUR
from faltung.draw.arrays import answer, explanation, frequency_response, grid, kernel, picture
from faltung.draw.fields import effective, field, outline
from faltung.draw.layers import growth

__all__ = [
    "PIXEL_COLOUR",
    "SIGNED",
    "UNIT_COLOUR",
    "answer",
    "effective",
    "explanation",
    "field",
    "frequency_response",
    "grid",
    "growth",
    "kernel",
    "outline",
    "picture",
]
