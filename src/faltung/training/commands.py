"""The command line of training: `faltung train`, `faltung predict` and `faltung export`."""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from faltung.errors import FaltungError

INTERRUPTED = 130


def train(
    data: Annotated[
        str | None,
        typer.Argument(
            help="fashion-mnist, mnist, cifar-10, cifar-100, or a folder of pictures by class.", metavar="DATA"
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The folder of the new run.")] = None,
    net: Annotated[
        str | None,
        typer.Option(help="lenet, vgg, quick-vgg, resnet, all-convolutional, or a model such as file.py:Class."),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Times through the data.")] = None,
    recipe: Annotated[str, typer.Option(help="default, best or tutorial.")] = "default",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="An entry of the recipe, such as label_smoothing=0.2; repeatable.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of all that is random.")] = 0,
    data_folder: Annotated[Path | None, typer.Option("--data", help="The folder that holds the data set.")] = None,
    fetch: Annotated[bool, typer.Option("--download", help="Download the official files if need be.")] = False,
    size: Annotated[int | None, typer.Option(help="Bring pictures of a folder to so many rows and columns.")] = None,
    first: Annotated[int | None, typer.Option(help="Train on so many pictures alone: a quick look.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, …; else a GPU where there is one.")] = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with the run of this folder.")] = None,
    pictures: Annotated[bool, typer.Option(help="Draw curves, confusion, mistakes and filters at the end.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Train a net on labelled pictures; go on with a run that was broken off."""
    begins = (data, out, net, epochs, settings, first, size)
    if resume is not None and any(given is not None for given in begins):
        raise FaltungError(
            f"--resume {resume} goes on with a run as it was begun; besides, it takes --data, --device, --pictures "
            "and --json alone"
        )
    if resume is None and (data is None or out is None):
        raise FaltungError("train needs a data set and --out FOLDER, or --resume FOLDER")
    chosen = None
    if resume is None:
        from faltung.training.recipe import recipe as recipe_named

        given = [f"net={net}"] if net is not None else []
        given += [f"epochs={epochs}"] if epochs is not None else []
        chosen = recipe_named(recipe).with_settings(given + (settings or []))

    # Read when PyTorch is loaded. Its threads spin while they wait for one another, and where others need a processor
    # too, they spin that time away: without this a step can take a hundred times as long.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    from faltung.training import loop
    from faltung.training.data import SETS
    from faltung.training.folder import RunFolder
    from faltung.training.pictures import write_pictures
    from faltung.training.progress import Bar

    folder = RunFolder(resume or out or "")
    said = _said()
    if resume is not None:
        old = folder.read_settings()
        chosen = old.recipe
        data, first, size = old.data, old.first, old.size
        data_folder = data_folder or (Path(old.data_folder) if old.data_folder else None)
    assert data is not None
    assert chosen is not None
    data = str(Path(data).resolve()) if Path(data).is_dir() and data not in SETS else data
    data_folder = data_folder and data_folder.resolve()  # a run may be gone on with from another folder
    held = _load(data, data_folder, fetch, size, said)
    if first is not None:
        held = held.subset(first)
    _tell_whose_code(chosen.net, said)
    said.print(str(held), markup=False, soft_wrap=True)
    try:
        with _asked_to_stop() as stop, Bar(said, chosen.epochs) as bar:
            if resume is not None:
                results = loop.resume(held, folder.path, device=device, watch=bar, stop=stop)
            else:
                results = loop.train(
                    held, folder.path, chosen, seed=seed, device=device, watch=bar, stop=stop, named=data,
                    data_folder=None if data_folder is None else str(data_folder), first=first, size=size,
                )  # fmt: skip
    except loop.Interrupted:
        said.print(f"saved; go on with: faltung train --resume {folder.path}", markup=False, soft_wrap=True)
        raise typer.Exit(INTERRUPTED) from None
    if int(os.environ.get("RANK", "0")):
        return
    if pictures:
        with said.status("drawing"):
            write_pictures(folder, held)
    if as_json:
        print(json.dumps(results))
    else:
        _out().print(
            f"{results['test_accuracy']:.2%} of {results['test_pictures']:,} test pictures; all of it in {folder.path}",
            markup=False, soft_wrap=True,
        )  # fmt: skip


def predict(
    run: Annotated[Path, typer.Argument(help="The folder of a run that is done.", metavar="RUN")],
    images: Annotated[list[Path], typer.Argument(help="Pictures.", metavar="IMAGE...")],
    top: Annotated[int, typer.Option(help="How many classes to name.", min=1)] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """Say what the net of a run takes pictures for."""
    from faltung.training.folder import RunFolder
    from faltung.training.predicting import Predictor

    _tell_whose_code(RunFolder(run).read_settings().recipe.net, _said())
    found = Predictor(run)([str(image) for image in images], top)
    if as_json:
        print(json.dumps([one.to_dict() for one in found], ensure_ascii=False))
    for one in () if as_json else found:
        _out().print(str(one), markup=False, soft_wrap=True)


def export(
    run: Annotated[Path, typer.Argument(help="The folder of a run that is done.", metavar="RUN")],
    path: Annotated[Path, typer.Argument(help="The ONNX file to write.", metavar="FILE")],
) -> None:
    """Write the net of a run as an ONNX file, and compare it with PyTorch."""
    from faltung.training.exchange import export_onnx
    from faltung.training.folder import RunFolder

    _tell_whose_code(RunFolder(run).read_settings().recipe.net, _said())
    found = export_onnx(run, path)
    _out().print(
        f"wrote {found.path}; on {found.pictures} random pictures its scores differ from PyTorch's by "
        f"{found.difference:.1g} of the largest",
        markup=False, soft_wrap=True,
    )  # fmt: skip


def _tell_whose_code(net: str, said: Console) -> None:
    if ":" in net:
        said.print(f"running the code of {net.rpartition(':')[0]}", markup=False, soft_wrap=True)


def _load(name: str, folder: Path | None, fetch: bool, size: int | None, said: Console) -> Any:
    from rich.progress import DownloadColumn, Progress, TaskID, TransferSpeedColumn

    from faltung.training.data import load

    tasks: dict[str, TaskID] = {}
    progress = Progress(*Progress.get_default_columns(), DownloadColumn(), TransferSpeedColumn(), console=said)

    def told(file: str, here: int, whole: int) -> None:
        if not tasks:
            progress.start()
        if file not in tasks:
            tasks[file] = progress.add_task(file, total=whole)
        progress.update(tasks[file], completed=here)

    try:
        return load(name, data=folder, fetch=fetch, size=size, progress=told)
    finally:
        if tasks:
            progress.stop()


@contextmanager
def _asked_to_stop() -> Iterator[Any]:
    """Turn the first Ctrl-C, or a request to end, into a wish that the loop asks for; a second Ctrl-C is at once."""
    asked: list[float] = []

    def ask(*_: object) -> None:
        # torchrun hands on to its processes what the terminal has told them already: that is no second wish.
        if asked and time.monotonic() - asked[0] > 1:
            raise KeyboardInterrupt
        asked.append(time.monotonic())

    kept = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def _out() -> Console:
    return Console(highlight=False)


def _said() -> Console:
    return Console(stderr=True, highlight=False, quiet=bool(int(os.environ.get("RANK", "0"))))
