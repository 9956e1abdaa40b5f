"""Fourier transforms: of whole axes, and of windows in a row (spectrograms)."""

from collections.abc import Sequence

from faltung.errors import FaltungError
from faltung.reads import Reads
from faltung.relation import SAME, Along, AxisWise, Only, Relation, Whole, whole
from faltung.rules.reductions import reduced
from faltung.rules.table import Call, Readings, Tensor, axis, everything, rule
from faltung.rules.weights import nonzero

Name = str | tuple[str, int]

TRANSFORMS = ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")
"""Discrete Fourier transforms, each over one axis, two (fft2) or several (fftn)."""


@rule(*(f"fft_{name}{axes}" for name in TRANSFORMS for axes in ("", "2", "n")))
def fourier(call: Call) -> Readings:
    """Every output reads all of the transformed axes, as far as they are not cut to a length (torch.fft).

    Transforms to real numbers take half a spectrum along the last of the axes: n//2 + 1 for a length n.
    """
    shape = call.shape_of("self")
    call.skip("norm")
    lengths = call["n"] if call.has("n") else call["s"]
    lengths = [lengths] if isinstance(lengths, int) else lengths
    dim = call["dim"]
    if dim is None:
        dim = range(-len(lengths or shape), 0)
    axes = [axis(number, len(shape)) for number in ([dim] if isinstance(dim, int) else dim)]
    sources = list(reduced(shape, axes).sources)
    for number, length in zip(axes, lengths or (), strict=bool(lengths)):
        half = number == axes[-1] and call.operator.startswith(("fft_irfft", "fft_hfft"))
        taken = length // 2 + 1 if half else length
        if length > 0 and taken < shape[number]:
            sources[number] = Only(whole(taken))
    return {"self": AxisWise(tuple(sources))}


@rule("stft")
def spectrogram(call: Call) -> Readings:
    """Every frequency of frame t reads the n_fft samples from hop*t on, those under zeros of the window too.

    A window that is exactly zero somewhere leaves samples unread, if exact weights are asked for.
    """
    call.skip("normalized", "onesided", "return_complex", "pad_mode", "window", "win_length")
    if call.get("center", False) or call["align_to_window"]:
        raise FaltungError(
            "stft that pads or aligns its frames by itself: torch.stft pads before, and that is followed"
        )
    taps = _taps(call)
    frames = Reads(call["hop_length"] or call["n_fft"] // 4, [taps])
    batched = len(call.shape_of("self")) - 1
    found: dict[Name, Relation] = {"self": AxisWise((*(Along(0, SAME),) * batched, Along(batched + 1, frames)))}
    return found | _whole_window(call)


@rule("istft")
def signal(call: Call) -> Readings:
    """Every sample reads all frequencies of the frames that hold it: the spectrogram backwards (torch.istft).

    With `center` the first n_fft // 2 samples are cut off.
    """
    call.skip("normalized", "onesided", "return_complex", "length", "window", "win_length")
    cut = call["n_fft"] // 2 if call["center"] else 0
    taps = _taps(call)
    frames = Reads(call["hop_length"] or call["n_fft"] // 4, [[tap - cut for tap in taps]])
    batched = len(call.shape_of("self")) - 2
    along = Along(batched, frames.transpose())
    found: dict[Name, Relation] = {"self": AxisWise((*(Along(0, SAME),) * batched, Whole(), along))}
    return found | _whole_window(call)


def _taps(call: Call) -> Sequence[int]:
    """Return which samples of a frame are read."""
    frame, window = call["n_fft"], call["window"]
    if not call.exact_weights or not isinstance(window, Tensor) or window.source:
        return range(frame)
    start = (frame - window.shape[0]) // 2  # a shorter window is put into the middle
    return [start + int(place) for place in nonzero(window).nonzero()[0]]


def _whole_window(call: Call) -> dict[Name, Relation]:
    return {"window": everything(call.shape_of("window"))} if isinstance(call["window"], Tensor) else {}


@rule("_fft_r2c", "_fft_c2c", "_fft_c2r")
def fourier_step(call: Call) -> Readings:
    """The transforms that the others are made of."""
    shape = call.shape_of("self")
    call.skip("normalization", "onesided", "forward", "last_dim_size")
    return {"self": reduced(shape, {axis(number, len(shape)) for number in call["dim"]})}
