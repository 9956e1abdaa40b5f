"""Runs the notebooks of this folder from clean kernels: `python notebooks/run.py [NAME.ipynb …]`.

Without names, all that can run: where there are solutions, those. What they gave is written to build/notebooks, each
notebook with its outputs, and its pictures in a folder of its name.
"""

import base64
import os
import sys
import tempfile
from pathlib import Path
from unittest import mock

import nbclient
import nbformat
from nbformat import NotebookNode
from traitlets.config import Config

FOLDER = Path(__file__).parent
OUT = FOLDER.parent / "build" / "notebooks"


def runnable(folder: Path = FOLDER) -> list[Path]:
    """Return the notebooks without blanks."""
    paths = sorted(folder.glob("*.ipynb"))
    return [path for path in paths if path.with_stem(f"{path.stem}_solutions") not in paths]


def run(path: Path, *, allow_errors: bool = False, **environment: str) -> NotebookNode:
    """Run a notebook from a clean kernel, which nobody's settings reach, and return it with its outputs.

    Parameters
    ----------
    path : path
        The notebook. It runs in an empty folder.
    allow_errors : bool
        Go on behind cells that fail; else the first one raises.
    environment : str
        Variables of the environment for the kernel, beside those that are set.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        If a cell fails.
    """
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        own = {name: str(Path(folder) / name) for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")}
        (work := Path(folder) / "work").mkdir()
        sockets = {"transport": "ipc", "ip": str(Path(folder) / "kernel")}  # no port that others could reach
        with mock.patch.dict(os.environ, own | environment):
            client = nbclient.NotebookClient(
                notebook, timeout=None, kernel_name="python3", allow_errors=allow_errors,
                resources={"metadata": {"path": str(work)}},
                config=Config({"KernelManager": sockets} if os.name == "posix" else {}),
            )  # fmt: skip
            client.execute()
    return notebook


def pictures(notebook: NotebookNode) -> list[bytes]:
    """Return the pictures that a notebook drew, as PNG, in their order."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return [base64.b64decode(output.data["image/png"]) for output in outputs if "image/png" in output.get("data", {})]


def main() -> None:
    """Run the named notebooks, or all, and write what they gave."""
    for path in [FOLDER / name for name in sys.argv[1:]] or runnable():
        notebook = run(path)
        folder = OUT / path.stem
        folder.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, OUT / path.name)
        for number, picture in enumerate(pictures(notebook)):
            (folder / f"{number:02}.png").write_bytes(picture)
        print(f"{OUT / path.name}: every cell ran")


if __name__ == "__main__":
    main()
