"""The worked sheet as one self-contained HTML page with pictures."""

from base64 import b64encode
from collections.abc import Callable
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

import faltung
from faltung import draw
from faltung.equivariance import Equivariance, Proof
from faltung.gradient import Derivation
from faltung.sheet import EYE, NETWORK, NETWORKS, PICTURE, SIDE, SIZE, UNIT, FilterAnswer, Sheet, cat, grey

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: 62rem;
       margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.9rem; margin-bottom: .2rem; } h2 { margin-top: 3rem; border-bottom: 2px solid #e4572e; }
img { max-width: 100%; height: auto; display: block; margin: .5rem auto; }
figure { margin: 1.5rem 0; } figcaption { color: #555; font-size: .92rem; text-align: center; }
code { background: #f4f2ef; padding: .1em .3em; border-radius: 3px; }
pre { background: #f4f2ef; padding: .8rem 1rem; border-radius: 4px; overflow-x: auto; white-space: pre-wrap; }
.answer { border-left: 4px solid #e4572e; padding: .3rem 1rem; background: #fdf6f3; }
table { border-collapse: collapse; margin: 1rem auto; } td, th { padding: .15rem .8rem; text-align: right; }
th { border-bottom: 1px solid #999; } td:first-child, td:nth-child(2), th:first-child, th:nth-child(2) {
text-align: left; } .scroll { overflow-x: auto; }
.words td { text-align: left; vertical-align: top; }
"""


def page(sheet: Sheet, progress: Callable[[str], None] = lambda step: None) -> str:
    """Return the page as HTML; `progress` is told of each step."""
    progress("the cat")
    picture = cat()
    parts = [
        "<h1>Convolutional networks: the worked sheet</h1>",
        "<p>Every answer is computed by <code>faltung sheet</code>, and so is every picture.</p>",
        "<h2>1a&ensp;Apply filters</h2>",
        "<p>Cross-correlate the 5×5 picture X with each filter, padding valid, stride 1: "
        "<code>Y[i,j] = Σ K[m,n] · X[i+m, j+n]</code>. The framed answer reads the framed window.</p>",
    ]
    for answer in sheet.filters:
        progress(f"filter {answer.name}")
        parts.append(_figure(_applied(answer), escape(answer.first_sum)))
    parts += [f'<p class="answer">{escape(sheet.flip)}</p>', _figure(on_cat(sheet, picture), CAT_CAPTION)]
    parts.append("<h2>1b&ensp;What does each filter do?</h2>")
    for answer in sheet.filters:
        progress(f"explanation of {answer.name}")
        parts += [
            f"<h3>{answer.name}</h3>",
            f'<p class="answer">{escape(answer.explanation.sentence)}</p>',
            _figure(_explained(answer), f"{answer.name} and how strongly it answers to waves of each frequency"),
            f"<details><summary>All that was found out about {answer.name}</summary>"
            f"<pre>{escape(str(answer.explanation))}</pre></details>",
        ]
    progress("the derivations")
    parts.append("<h2>2a&ensp;Derive</h2>")
    for derivation, compared in zip(sheet.derivations, sheet.compared, strict=True):
        parts += _chain(derivation)
        if derivation.words:
            parts.append(f"<p>{escape(derivation.what.replace('d', '∂'))} is {escape(derivation.words)}.</p>")
        parts.append(f'<p class="answer">{escape(compared)}</p>')
    parts += [
        "<h3>Worked by hand</h3>",
        "<p>The backward pass of filter A on the picture X, where dL/dY is 1 everywhere:</p>",
        "<details><summary>Every entry as its sum</summary>",
        f'<div class="scroll">{sheet.worked._repr_html_()}</div></details>',
    ]
    progress("the receptive field")
    parts += [
        "<h2>2b&ensp;What can a neuron see?</h2>",
        f"<p>{escape(sheet.question_2b)}</p>",
        f'<p class="answer">{escape(str(sheet.verdict))}</p>',
        _figure(
            seen(sheet, picture),
            "All that the neuron reads, on the picture and enlarged; what it would read after more layers.",
        ),
        f"<p>{escape(sheet.window_2b)}</p>",
        f'<div class="scroll">{sheet.network.table()._repr_html_()}</div>',
        "<h2>3&ensp;Equivariance</h2>",
        *(part for proof in sheet.proofs for part in _proved(proof)),
        "<h3>What is left of it on a finite picture</h3>",
    ]
    for name, report in sheet.checked.items():
        progress(name)
        parts += [
            f"<h4>{escape(name[0].upper() + name[1:])}</h4>",
            f"<p><code>{escape(NETWORKS[name])}</code> on a picture of {SIDE}×{SIDE}</p>",
            f'<div class="scroll words">{report._repr_html_()}</div>',
        ]
        if any(movement.exact and movement.step > 1 for movement in report.outputs[0].movements):
            parts.append(_figure(_moved(report), MOVED_CAPTION))
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>The worked sheet</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head>\n'
        f"<body>\n{body}\n</body></html>\n"
    )


MOVED_CAPTION = (
    "Left: which units of the output no padding has touched. Right: the error against the shift, zero where it is "
    "proved."
)

CAT_CAPTION = (
    "The filters on a real picture: red where the answer is positive, blue where it is negative, white where "
    "it is zero."
)


def _subplots(columns: int, width: float, height: float, **options: Any) -> "tuple[Figure, Any]":
    """Return a figure of one row that no pyplot state holds on to."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    figure.get_layout_engine().set(wspace=0.12)  # type: ignore[union-attr, call-arg]
    return figure, figure.subplots(1, columns, **options)


def _applied(answer: FilterAnswer) -> "Figure":
    figure, axes = _subplots(4, 12, 3.3, width_ratios=[5, 3, 3, 3])
    height, width = answer.kernel.shape
    draw.grid(PICTURE, highlight=[(0, 0, height, width)], title="X", ax=axes[0])
    draw.grid(answer.kernel, signed=True, title=f"filter {answer.name}", ax=axes[1])
    draw.grid(answer.correlated, highlight=[(0, 0, 1, 1)], signed=True, title="correlate: Y", ax=axes[2])
    draw.grid(answer.convolved, signed=True, title="convolve (flipped)", ax=axes[3])
    return figure


def on_cat(sheet: Sheet, picture: np.ndarray[Any, Any]) -> "Figure":
    """Draw the answers of the filters on a picture, shape (H, W, 3)."""
    light = grey(picture)
    figure, axes = _subplots(1 + len(sheet.filters), 13, 2.7)
    draw.picture(light, title="the cat, 640x428", ax=axes[0])
    for ax, answer in zip(axes[1:], sheet.filters, strict=True):
        filtered = faltung.correlate(light, answer.kernel, padding="same", boundary="replicate")
        draw.answer(filtered, title=f"filter {answer.name}", ax=ax)
    return figure


def _explained(answer: FilterAnswer) -> "Figure":
    figure, axes = _subplots(2, 8.5, 3.6)
    draw.explanation(answer.explanation, axes=axes)
    return figure


def seen(sheet: Sheet, picture: np.ndarray[Any, Any]) -> "Figure":
    """Draw the receptive field of question 2b on its picture, and those of deeper networks."""
    figure, (whole, corner) = _subplots(2, 13, 5.4, width_ratios=[3, 1])
    field = sheet.verdict.field
    draw.field(
        field,
        image=picture,
        unit=UNIT,
        pixel=EYE,
        title=f"{NETWORK}: what {sheet.verdict.layer} reads",
        ax=whole,
    )
    for depth in (50, 100, sheet.verdict.depth or 0):
        deeper = faltung.parse(NETWORK.replace("10 x", f"{depth} x")).at(**SIZE)
        draw.outline(deeper.receptive_field(unit=UNIT), label=f"{depth} layers", ax=whole)
    draw.field(field, image=picture, unit=UNIT, title="the corner, enlarged", ax=corner)
    y, x = field.box["y"], field.box["x"]
    corner.set_xlim(x.start - 20, x.stop + 1)
    corner.set_ylim(y.stop + 20, y.start - 2)
    corner.get_legend().remove()
    return figure


def _chain(chain: Derivation | Proof) -> list[str]:
    """Return a chain of equalities with its title and how its steps were checked."""
    return [
        f"<h3>{escape(chain.title)}</h3>",
        f'<div class="scroll">{chain.mathml()}</div>',
        f"<p>{escape(chain.verdict)}</p>",
    ]


def _proved(proof: Proof) -> list[str]:
    found = [f'<p class="answer">Not for others: {escape(str(example))}.</p>' for example in proof.counterexamples]
    return [*_chain(proof), *found]


def _moved(report: Equivariance) -> "Figure":
    figure, axes = _subplots(2, 10, 3.6)
    draw.lattice(report, ax=axes[0])
    if report.measured is not None:
        draw.shift_error(report.measured, ax=axes[1])
    return figure


def _figure(figure: "Figure", caption: str) -> str:
    stream = BytesIO()
    figure.draw_without_rendering()  # a first pass settles the layout
    figure.savefig(stream, format="png", dpi=110)
    data = b64encode(stream.getvalue()).decode()
    return (
        f'<figure><img alt="{caption}" src="data:image/png;base64,{data}"><figcaption>{caption}</figcaption></figure>'
    )
