"""The command line: parse, call one public function, print.

A user's mistake is one line on standard error and exit code 2; nothing half-written is left behind.
"""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from faltung import inputs
from faltung.errors import FaltungError
from faltung.training import commands
from faltung.words import count

if TYPE_CHECKING:
    from faltung.effective import EffectiveField
    from faltung.network import Network
    from faltung.region import Region
    from faltung.verdict import Verdict

app = typer.Typer(
    help="Filters, what they do, what a neuron can see, and whether a network moves with its input.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

INTERRUPTED = 130
"""The exit code after Ctrl-C: 128 + SIGINT, as shells have it."""

Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]
Net = Annotated[
    str,
    typer.Argument(
        help="Layers as text ('10 x conv k=5 p=same'), or a model: package.module:name, file.py:name (its code is "
        "run), file.pt2.",
        metavar="NET",
    ),
]
Input = Annotated[
    str | None,
    typer.Option("--input", help="Input size: 428x640 for layers as text, 1x3x224x224 for a model."),
]
Weights = Annotated[Path | None, typer.Option(help="The model's weights, a safetensors file; never unpickled.")]
Unknown = Annotated[str, typer.Option(help="An operator without a rule: refuse, or take it as reads-all.")]
Exact = Annotated[bool, typer.Option("--exact-weights", help="Weights that are exactly zero do not read.")]
Unit = Annotated[str, typer.Option(help="The unit, such as y=0,x=639.")]
LayerName = Annotated[str | None, typer.Option("--layer", help="The unit's layer, such as conv3; else the last.")]
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
def derive(
    what: Annotated[str, typer.Argument(help="dY/dW, dY/dX, dY/db, dL/dW, dL/dX or dL/db.", metavar="WHAT")],
    layer: Annotated[
        str,
        typer.Argument(
            help="One layer, with numbers or names: 'conv k=3 s=2 p=p'; g=g brings channels, boundary=reflect a border",
            metavar="LAYER",
        ),
    ] = "conv k=k s=s d=d p=p g=g",
    axes: Annotated[int | None, typer.Option(help="How many axes; 2 if the layer does not say.")] = None,
    latex: Annotated[bool, typer.Option("--latex", help="Print LaTeX.")] = False,
    mathml: Annotated[bool, typer.Option("--mathml", help="Print MathML.")] = False,
    check: Annotated[int, typer.Option(help="Compare with autograd on so many random layers.")] = 0,
    as_json: Json = False,
) -> None:
    """Derive a gradient of a layer step by step, and check it."""
    import faltung

    if latex + mathml + as_json > 1:
        raise FaltungError("--latex, --mathml and --json exclude each other")
    derivation = faltung.derive(what, layer, axes=axes)
    checked = derivation.check(check) if check else None
    if as_json:
        _print_json(derivation.to_dict() | ({} if checked is None else {"autograd": checked.to_dict()}))
    elif latex or mathml:
        print(derivation.latex() if latex else derivation.mathml())
    else:
        _out().print(derivation)
    if checked is not None:
        (_progress() if latex or mathml or as_json else _out()).print(str(checked), markup=False, soft_wrap=True)
        if checked.different:
            raise typer.Exit(1)


@app.command()
def sees(
    net: Net,
    unit: Unit,
    pixel: Annotated[str, typer.Option(help="The pixel, such as y=210,x=255.")],
    size: Input = None,
    layer: LayerName = None,
    weights: Weights = None,
    unknown: Unknown = "refuse",
    exact: Exact = False,
    plot: Plot = None,
    image: Annotated[Path | None, typer.Option(help="With --plot: the picture to draw on.")] = None,
    as_json: Json = False,
) -> None:
    """Say whether a unit can contain any information about a pixel: yes with a path, no with a proof."""
    network = _network(net, size, weights, unknown, exact)
    verdict = network.sees(unit=inputs.unit(unit), pixel=inputs.unit(pixel), layer=layer)
    _plot_field(verdict.field, plot, image, f"{verdict.layer} of {net}", pixel=verdict.pixel)
    _answer(verdict, as_json)


@app.command()
def field(
    net: Net,
    unit: Unit,
    size: Input = None,
    layer: LayerName = None,
    weights: Weights = None,
    unknown: Unknown = "refuse",
    exact: Exact = False,
    plot: Plot = None,
    image: Annotated[Path | None, typer.Option(help="With --plot: the picture to draw on.")] = None,
    as_json: Json = False,
) -> None:
    """Tell the receptive field of a unit: all pixels that it can contain information about."""
    network = _network(net, size, weights, unknown, exact)
    region = network.receptive_field(unit=inputs.unit(unit), layer=layer)
    _plot_field(region, plot, image, f"{network.name(layer)} of {net}")
    if as_json:
        _print_json(region.to_dict())
    else:
        reads = f"{network.name(layer)} ({unit}) reads {count(region.size, 'pixel')}: {region.describe()}."
        _out().print(reads, markup=False, soft_wrap=True)


@app.command()
def erf(
    net: Net,
    unit: Unit,
    size: Input = None,
    layer: LayerName = None,
    weights: Weights = None,
    samples: Annotated[int, typer.Option("--n", help="Random inputs to average over; 0 predicts.")] = 16,
    seed: Annotated[int, typer.Option(help="Seed of the random inputs.")] = 0,
    batch: Annotated[
        Path | None, typer.Option(help="Inputs of your own to average over, in place of random ones: .npy, N x C x …")
    ] = None,
    by: Annotated[str, typer.Option(help="By which of several inputs: its number or name.")] = "0",
    unknown: Unknown = "refuse",
    plot: Plot = None,
    as_json: Json = False,
) -> None:
    """Measure the effective receptive field of a unit: how strongly it depends on each pixel."""
    from faltung import models
    from faltung.effective import effective_receptive_field, predicted_receptive_field

    asked, source = inputs.unit(unit), int(by) if by.isdecimal() else by
    if samples == 0 or not models.is_reference(net):
        network = _network(net, size, weights, unknown, exact=False)
        with _progress().status("counting paths"):
            found = predicted_receptive_field(network, unit=asked, layer=layer, input=source)
    else:
        import torch

        model, given = _model(net, size, weights), None
        example = None if size is None else tuple(torch.zeros(shape) for shape in inputs.shapes(size))
        if batch is not None:
            from faltung.pictures import read

            example, given = None, torch.from_numpy(read(batch)).float()
        with _progress().status(f"averaging over {samples if given is None else len(given)} inputs"):
            found = effective_receptive_field(
                model, unit=asked, layer=layer, inputs=given, example=example, input=source, n=samples, seed=seed,
                unknown=unknown,
            )  # fmt: skip
    if plot is not None:
        from faltung import draw

        _save(lambda: draw.effective(found, title=f"{found.layer} of {net}"), plot)
    _answer(found, as_json)


@app.command()
def table(
    net: Net,
    size: Input = None,
    weights: Weights = None,
    unknown: Unknown = "refuse",
    exact: Exact = False,
    plot: Plot = None,
    as_json: Json = False,
) -> None:
    """List the layers with their output size, stride, receptive field and start."""
    made = _network(net, size, weights, unknown, exact).table()
    if plot is not None:
        from faltung import draw

        _save(lambda: draw.growth(made, title=net), plot)
    if as_json:
        _print_json(made.to_dict())
    else:
        _out().print(made)


@app.command()
def check(
    net: Net,
    size: Input = None,
    require: Annotated[
        str, typer.Option(help="What must hold, else the exit code is 1: interior, lattice=S or none.")
    ] = "none",
    shift: Annotated[str, typer.Option(help="How the input moves: crop (a camera) or roll (round a circle).")] = "crop",
    axes: Annotated[str | None, typer.Option(help="Axes to shift along, such as yx; else all spatial ones.")] = None,
    layer: Annotated[str | None, typer.Option("--layer", help="Asks about an inner layer; else the outputs.")] = None,
    weights: Weights = None,
    unknown: Unknown = "refuse",
    measure: Annotated[bool, typer.Option(help="Run a model on crops of a larger picture as well.")] = True,
    plot: Plot = None,
    as_json: Json = False,
) -> None:
    """Say how a network moves with its input: by which lattice, on which units, and who stands in the way."""
    import faltung
    from faltung import models
    from faltung.equivariance import Requirement

    along = None if axes is None else [axis for axis in re.split(r"[\s,]*", axes) if axis]
    if not models.is_reference(net):
        network = _network(net, size, weights, unknown, exact=False)
        report = faltung.check(network, axes=along, layer=layer, shift=shift)
    else:
        model = _model(net, size, weights)
        import torch

        examples = [] if size is None else [torch.zeros(shape) for shape in inputs.shapes(size)]
        with _progress().status("following shifts, mirrorings and turns"):
            report = faltung.check(
                model, *examples, axes=along, layer=layer, shift=shift, measure=measure, unknown=unknown
            )
    required: Requirement = report.holds(require)
    if plot is not None:
        from faltung import draw

        _save(lambda: draw.equivariance(report)[0], plot)
    if as_json:
        _print_json({**report.to_dict(), "requirement": required.to_dict()})
    else:
        _out().print(str(report), markup=False, soft_wrap=True)
        if required.require != "none":
            _out().print(str(required), markup=False, soft_wrap=True)
    if not required:
        raise typer.Exit(1)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Tell what filters are computed with here: the core, vector instructions, threads, versions."""
    from faltung.filters.doctor import examine

    report = examine()
    if as_json:
        _print_json(report.to_dict())
    else:
        _out().print(str(report), markup=False, soft_wrap=True)


app.command()(commands.train)
app.command()(commands.predict)
app.command()(commands.export)


def _network(net: str, size: str | None, weights: Path | None, unknown: str, exact: bool) -> "Network":
    """Return the network that a text describes or a reference names."""
    import faltung
    from faltung import models

    if not models.is_reference(net):
        if weights is not None or exact:
            option = "--exact-weights" if weights is None else f"--weights {weights}"
            raise FaltungError(f"{option} is for models, and {net!r} describes layers without weights")
        network = faltung.parse(net)
        return network if size is None else network.at(**inputs.size(size))
    model = _model(net, size, weights)
    import torch

    examples = [] if size is None else [torch.zeros(shape) for shape in inputs.shapes(size)]
    return faltung.capture(model, *examples, unknown=unknown, exact_weights=exact)


def _model(net: str, size: str | None, weights: Path | None) -> Any:
    """Return the model that a reference names, and say whose code is run."""
    from faltung import models

    if net.endswith(".pt2") and size is not None:
        raise FaltungError(f"{net} is an exported program and has its input's shape; leave out --input {size}")
    if not net.endswith(".pt2"):
        if size is None:
            raise FaltungError(f"{net} is a model and needs the shape of its input, such as --input 1x3x224x224")
        _progress().print(f"running the code of {net.rpartition(':')[0]}", soft_wrap=True)
    return models.load(net, weights)


def _plot_field(region: "Region", plot: Path | None, image: Path | None, title: str, pixel: Any = None) -> None:
    if image is not None and plot is None:
        raise FaltungError(f"--image {image} is drawn on by --plot FILE, which is missing")
    if plot is not None:
        from faltung import draw
        from faltung.pictures import read

        picture = None if image is None else read(image)
        _save(lambda: draw.field(region, image=picture, pixel=pixel, title=title), plot)


def _answer(answer: "Verdict | EffectiveField", as_json: bool) -> None:
    if as_json:
        _print_json(answer.to_dict())
    else:
        _out().print(str(answer), markup=False, soft_wrap=True)


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
