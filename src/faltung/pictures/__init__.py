"""Pictures in files: read them, write them whole or not at all, and make answers of filters viewable.

Every failure is one line that names the file: a `FaltungError`.
"""

from faltung.pictures._atomic import atomic
from faltung.pictures._greys import to_uint8
from faltung.pictures._reading import LARGEST_PICTURE, read
from faltung.pictures._writing import write

__all__ = ["LARGEST_PICTURE", "atomic", "read", "to_uint8", "write"]
