"""Fourier transforms: of whole axes, and of windows in a row (spectrograms)."""

from faltung.relation import AxisWise, Only, whole
from faltung.rules.reductions import reduced
from faltung.rules.table import Call, Readings, axis, rule

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


@rule("_fft_r2c", "_fft_c2c", "_fft_c2r")
def fourier_step(call: Call) -> Readings:
    """The transforms that the others are made of."""
    shape = call.shape_of("self")
    call.skip("normalization", "onesided", "forward", "last_dim_size")
    return {"self": reduced(shape, {axis(number, len(shape)) for number in call["dim"]})}
