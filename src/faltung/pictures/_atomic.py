"""Files that appear whole or not at all."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from faltung.errors import FaltungError

Pathlike = str | os.PathLike[str]


@contextmanager
def atomic(path: Pathlike) -> Iterator[Path]:
    """Give a temporary path beside `path`, and put the file there in one step when all went well.

    Whatever interrupts the block, Ctrl-C included, the temporary file is removed and `path` is as it was. The
    new file has the permissions of the old one, or of any new file.

    Raises
    ------
    FaltungError
        Where `path` cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with atomic(Path(folder) / "page.html") as temporary:
    ...         _ = temporary.write_text("<p>All of it.")
    ...     [file.name for file in Path(folder).iterdir()]
    ['page.html']
    """
    target = Path(os.path.realpath(path))  # a link stays a link, to the new file
    if not target.parent.is_dir():
        raise FaltungError(f"cannot write {path}: there is no folder {target.parent}")
    if target.exists() and not target.is_file():
        raise FaltungError(f"cannot write {path}: it is {'a folder' if target.is_dir() else 'not a file'}")
    temporary = target.with_name(f".faltung-{secrets.token_hex(8)}{target.suffix}")
    try:
        temporary.touch(exist_ok=False)
        yield temporary
        if target.exists():
            shutil.copymode(target, temporary)
        os.replace(temporary, target)
    except OSError as problem:
        if problem.filename is not None and str(problem.filename) != str(temporary):
            raise  # about some other file that the block used
        raise FaltungError(f"cannot write {path}: {problem.strerror or one_line(problem)}") from None
    finally:
        with suppress(OSError):
            temporary.unlink()


def one_line(problem: BaseException) -> str:
    """Return what an error says, in one line."""
    return " ".join(str(problem).split()) or type(problem).__name__
