"""The command line: parse, call one public function, print.

A user's mistake is one line on standard error and exit code 2; nothing half-written is left behind.
"""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from faltung import inputs
from faltung.errors import FaltungError

app = typer.Typer(
    help="Filters, what they do, and what a neuron can see.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

INTERRUPTED = 130
"""The exit code after Ctrl-C: 128 + SIGINT, as shells have it."""

Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]
Net = Annotated[str, typer.Argument(help="Layers as text, such as '10 x conv k=5 p=same'.", metavar="NET")]
Plot = Annotated[Path | None, typer.Option("--plot", help="Draw it into this file (png, svg, pdf).")]
Kernel = Annotated[
    str, typer.Argument(help="A name (sobel-x, gaussian:sigma=2), a file, or rows such as '[[1,0,-1]]'.")
]


@app.command()
def sheet(
    html: Annotated[Path | None, typer.Option(help="Write one self-contained page with pictures here.")] = None,
    as_json: Json = False,
) -> None:
    """Work the exercise sheet: apply filters, say what they do, and what a neuron can see."""
    from faltung.sheet import worked

    answers = worked()
    if html is not None:
        from faltung.pictures import atomic
        from faltung.sheet.page import page

        with _progress().status("drawing") as status:
            text = page(answers, lambda step: status.update(f"drawing {step}"))
        with atomic(html) as path:
            path.write_text(text, encoding="utf-8")
    if as_json:
        _print_json(answers.to_dict())
    elif html is None:
        from faltung.sheet.terminal import show

        show(answers, _out())
    if html is not None:
        _progress().print(f"wrote {html}")


@app.command(name="filter")
def filter_(
    image: Annotated[Path, typer.Argument(help="A picture (png, jpg, tif, …) or a .npy array.")],
    kernel: Annotated[str, typer.Option("--kernel", "-k", help="A name, a file, or rows of numbers as JSON.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Where to write: a picture to look at, or .npy exactly.")
    ],
    padding: Annotated[str, typer.Option(help="same, valid, full or a number of pixels.")] = "same",
    boundary: Annotated[
        str, typer.Option(help="What lies beyond the border: replicate, zero, reflect or circular.")
    ] = "replicate",
    stride: Annotated[int, typer.Option(help="Pixels between answers.")] = 1,
    dilation: Annotated[int, typer.Option(help="Pixels between taps.")] = 1,
    flip: Annotated[bool, typer.Option("--convolve", help="Convolve: flip the kernel.")] = False,
    show: Annotated[
        str, typer.Option(help="How answers become grey: auto, clip, signed (zero is mid-grey) or absolute.")
    ] = "auto",
) -> None:
    """Apply a filter to a picture (cross-correlation), each colour channel for itself."""
    import numpy as np

    import faltung
    from faltung.pictures import read, to_uint8, write

    weights = inputs.kernel(kernel)
    picture = read(image)
    channels = np.moveaxis(picture, -1, 0) if picture.ndim == 3 else picture
    apply: Callable[..., Any] = faltung.convolve if flip else faltung.correlate
    amount = int(padding) if re.fullmatch(r"-?\d{1,9}", padding) else padding
    answer = apply(channels, weights, padding=amount, stride=stride, dilation=dilation, boundary=boundary)
    answer = np.moveaxis(answer, 0, -1) if picture.ndim == 3 else answer
    size = "x".join(map(str, answer.shape))
    if output.suffix.lower() == ".npy":
        write(output, answer)
        said = f"exactly, as {answer.dtype}"
    else:
        shown, said = to_uint8(answer, show)
        write(output, shown)
    _progress().print(f"wrote {output}: {size}, {said}", soft_wrap=True)


@app.command()
def explain(kernel: Kernel, plot: Plot = None, as_json: Json = False) -> None:
    """Say what a filter does, from its numbers alone."""
    import faltung

    explained = faltung.explain(inputs.kernel(kernel))
    if plot is not None:
        from faltung import draw

        _save(lambda: draw.explanation(explained)[0], plot)
    if as_json:
        _print_json(explained.to_dict())
    else:
        _out().print(str(explained), markup=False, soft_wrap=True)


@app.command()
def sees(
    net: Net,
    size: Annotated[str, typer.Option("--input", help="Input size, HEIGHTxWIDTH, such as 428x640.")],
    unit: Annotated[str, typer.Option(help="The unit, such as y=0,x=639.")],
    pixel: Annotated[str, typer.Option(help="The pixel, such as y=210,x=255.")],
    layer: Annotated[str | None, typer.Option(help="The unit's layer, such as conv3; else the last.")] = None,
    plot: Plot = None,
    image: Annotated[Path | None, typer.Option(help="With --plot: the picture to draw on.")] = None,
    as_json: Json = False,
) -> None:
    """Say whether a unit can contain any information about a pixel: yes with a path, no with a proof."""
    import faltung

    network = faltung.parse(net).at(**inputs.size(size))
    verdict = network.sees(unit=inputs.unit(unit), pixel=inputs.unit(pixel), layer=layer)
    if image is not None and plot is None:
        raise FaltungError(f"--image {image} is drawn on by --plot FILE, which is missing")
    if plot is not None:
        from faltung import draw
        from faltung.pictures import read

        picture = None if image is None else read(image)
        title = f"{verdict.layer} of {net}"
        _save(lambda: draw.field(verdict.field, image=picture, pixel=verdict.pixel, title=title), plot)
    if as_json:
        _print_json(verdict.to_dict())
    else:
        _out().print(str(verdict), markup=False, soft_wrap=True)


@app.command()
def table(
    net: Net,
    size: Annotated[str | None, typer.Option("--input", help="Input size, HEIGHTxWIDTH.")] = None,
    as_json: Json = False,
) -> None:
    """List the layers with their output size, stride, receptive field and start."""
    import faltung

    network = faltung.parse(net)
    if size is not None:
        network = network.at(**inputs.size(size))
    if as_json:
        _print_json(network.table().to_dict())
    else:
        _out().print(network.table())


def _out() -> Console:
    return Console(highlight=False)


def _progress() -> Console:
    return Console(stderr=True, highlight=False)


def _print_json(answer: dict[str, Any]) -> None:
    print(json.dumps(answer, ensure_ascii=False))


def _save(draw: Callable[[], Any], path: Path) -> None:
    """Write what `draw` draws, in the format that the suffix names."""
    from matplotlib import pyplot

    from faltung.pictures import atomic

    formats = ("png", "svg", "pdf")
    if path.suffix.lower().lstrip(".") not in formats:
        raise FaltungError(f"{path}: pictures are drawn as .{', .'.join(formats)}, not as {path.suffix!r}")
    pyplot.switch_backend("agg")
    figure = draw().figure
    figure.draw_without_rendering()  # a first pass settles the layout
    with atomic(path) as temporary:
        figure.savefig(temporary, format=path.suffix.lower().lstrip("."), dpi=150)
    pyplot.close(figure)
    _progress().print(f"wrote {path}", soft_wrap=True)


def main() -> None:
    """Run the command line; leave with 0, with 2 after a user's mistake, with 130 after Ctrl-C."""
    try:
        code = app(sys.argv[1:] or ["--help"], standalone_mode=False)
        if code == INTERRUPTED:
            _refuse("interrupted")
    except FaltungError as error:
        code = _refuse(str(error))
    except Exception as error:
        if not hasattr(error, "format_message"):  # a defect of ours: its traceback is wanted
            raise
        code = _refuse(error.format_message())
    sys.exit(code)


def _refuse(message: str) -> int:
    print(f"faltung: {message}", file=sys.stderr)
    return 2
