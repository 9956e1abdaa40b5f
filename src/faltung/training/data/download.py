"""Files from the network: resumed where they were cut off, summed, and put in place whole or not at all."""

import hashlib
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path

from faltung.errors import FaltungError

BLOCK = 1 << 18
PATIENCE = 30
"""Seconds without a byte after which a connection counts as broken."""

Progress = Callable[[str, int, int], None]
"""Called with the file's name, the bytes that are here, and those of the whole."""


def download(address: str, path: Path, size: int, checksum: str, progress: Progress | None = None) -> None:
    """Fetch a file and put it at `path` once it is whole and its sum is right.

    What has come so far waits beside it as `<name>.part`; the next call goes on from there, by HTTP's Range. A server
    that does not know Range sends everything again.

    Parameters
    ----------
    address : str
        An http, https or file address.
    path : path
        Where the file shall be; its folder is made.
    size : int
        Bytes of the whole file. No more are ever taken.
    checksum : str
        `sha256:` or another algorithm of `hashlib`, and the hexadecimal sum.
    progress : callable, optional
        Told of every block.

    Raises
    ------
    FaltungError
        If the address does not answer, the connection breaks (what has come is kept), or the file is not the one that
        was expected (it is thrown away).
    """
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        here = part.stat().st_size if part.exists() else 0
        if here > size:
            part.unlink()
            here = 0
        if here < size:
            here = _fetch(address, part, here, size, lambda now: progress and progress(path.name, now, size))
    except OSError as problem:
        if isinstance(problem, urllib.error.HTTPError):
            reason = f"the server answers {problem.code} {problem.reason}"
        elif isinstance(problem, urllib.error.URLError):
            reason = str(problem.reason)
        else:
            reason = problem.strerror or str(problem) or type(problem).__name__
        raise FaltungError(f"cannot download {address}: {reason}") from None
    if here < size:
        raise FaltungError(f"{address}: the connection broke after {here} of {size} bytes; the next try goes on there")
    algorithm, _, expected = checksum.partition(":")
    with part.open("rb") as file:
        found = hashlib.file_digest(file, algorithm).hexdigest()
    if found != expected:
        part.unlink()
        raise FaltungError(f"{address} is not the file that was expected: its {algorithm} is {found}, not {expected}")
    os.replace(part, path)


def _fetch(address: str, part: Path, here: int, size: int, told: Callable[[int], object]) -> int:
    """Append what the server has beyond `here`; return how many bytes are there now."""
    request = urllib.request.Request(address, headers={"Range": f"bytes={here}-"} if here else {})
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        if here and answer.status != 206:
            here = 0
        with part.open("r+b" if here else "wb") as file:
            file.seek(here)
            try:
                while here < size and (block := answer.read(min(BLOCK, size - here))):
                    file.write(block)
                    here += len(block)
                    told(here)
            except (TimeoutError, ConnectionError, HTTPException):
                pass  # what has come is kept, and the caller says so
    return here
