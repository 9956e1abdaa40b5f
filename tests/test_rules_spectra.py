"""Spectrograms and their inverse, against NaN and derivatives."""

from typing import Any

import pytest
import torch

import faltung
from faltung.errors import FaltungError
from faltung.rules import spectra
from tests.test_rules_reductions import assert_same, drawn, poisoned, stated
from tests.test_rules_weights import assert_exact, positive

ONES = torch.ones(6, dtype=torch.float64)
HANN = torch.hann_window(6, dtype=torch.float64)  # its first tap is exactly 0


@pytest.mark.parametrize("how", [{}, {"hop_length": 3}, {"win_length": 4}, {"center": False}, {"onesided": False}])
@pytest.mark.parametrize("shape", [(14,), (2, 13)])
def test_a_frame_reads_its_samples(shape: tuple[int, ...], how: Any) -> None:
    """Every frequency of a frame of torch.stft reads the samples of its window, reflected at the ends, and no others."""
    window = ONES[: how.get("win_length", 6)]

    def function(x: Any) -> Any:
        return torch.stft(x, 6, window=window, return_complex=True, **{"hop_length": 2, **how})

    inputs = drawn(shape)
    assert_same(stated(function, inputs), poisoned(function, inputs))


@pytest.mark.parametrize("how", [{}, {"hop_length": 3}, {"win_length": 4}, {"center": False}, {"length": 7}])
@pytest.mark.parametrize("shape", [(4, 5), (2, 4, 4)])
def test_a_sample_reads_the_frames_that_hold_it(shape: tuple[int, ...], how: Any) -> None:
    """Every sample of torch.istft reads all frequencies of the frames whose windows hold it."""
    window = ONES[: how.get("win_length", 6)]

    def function(x: Any) -> Any:
        return torch.istft(torch.complex(x, x), 6, window=window, **{"hop_length": 2, **how})

    inputs = drawn(shape)
    assert_same(stated(function, inputs), poisoned(function, inputs))


def test_zeros_of_a_window_do_not_read() -> None:
    """With exact weights the zeros of a window, and around it, leave samples unread."""

    def function(x: Any) -> Any:
        return torch.stft(x, 6, 3, window=HANN[:5], win_length=5, center=False, return_complex=True).abs().sum(0)

    assert_exact(function, positive(15))
    net = faltung.capture(function, positive(15), exact_weights=True)
    assert [place["x"] for place in net.receptive_field(unit={"x": 1})] == [4, 5, 6, 7]


def test_frames_are_causal_if_they_are_padded_on_the_left() -> None:
    """A spectrogram of frames that end at their own time does not look forward."""
    net = faltung.capture(
        lambda x: (
            torch.stft(torch.nn.functional.pad(x, (5, 0)), 6, 1, window=ONES, center=False, return_complex=True)
            .abs()
            .sum(0)
        ),
        torch.zeros(20),
    )
    assert net.is_causal("x")


def test_a_frame_that_forgets_its_hop_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule with a window that is too short differs from NaN."""
    monkeypatch.setattr(spectra, "_taps", lambda call: range(call["n_fft"] - 1))
    with pytest.raises(AssertionError):
        test_a_frame_reads_its_samples((14,), {})
    with pytest.raises(AssertionError):
        test_a_sample_reads_the_frames_that_hold_it((4, 5), {})


def test_alignment_by_the_window_is_refused() -> None:
    """What is not followed is refused by name."""
    with pytest.raises(FaltungError, match="stft that pads or aligns its frames by itself"):
        faltung.capture(
            lambda x: torch.ops.aten.stft.center(x, 6, window=ONES, return_complex=True), torch.zeros(1, 20)
        )
