"""Gradients of convolution layers: derived step by step, and computed as the convolutions that they are."""

from faltung.gradient.derivation import Derivation, derive

__all__ = ["Derivation", "derive"]
