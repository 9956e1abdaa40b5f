"""Convolution as a rule for which inputs each output reads, and everything that follows from it.

The public names load on first use, so that `import faltung` stays light.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faltung import draw, gradient, kernels, training
    from faltung.chain import parse
    from faltung.effective import effective_receptive_field
    from faltung.equivariance import Equivariance, check
    from faltung.errors import FaltungError
    from faltung.explanation import Explanation, explain
    from faltung.filters import convolve, correlate
    from faltung.gradient import Derivation, derive, explain_gradient
    from faltung.network import Network
    from faltung.reads import Reads
    from faltung.region import Region
    from faltung.rules.table import UnknownOperator, register_rule
    from faltung.tracing import capture
    from faltung.verdict import Verdict

_HOMES = {
    "Derivation": "faltung.gradient",
    "Equivariance": "faltung.equivariance",
    "Explanation": "faltung.explanation",
    "FaltungError": "faltung.errors",
    "Network": "faltung.network",
    "Reads": "faltung.reads",
    "Region": "faltung.region",
    "Verdict": "faltung.verdict",
    "UnknownOperator": "faltung.rules.table",
    "capture": "faltung.tracing",
    "check": "faltung.equivariance",
    "convolve": "faltung.filters",
    "correlate": "faltung.filters",
    "derive": "faltung.gradient",
    "effective_receptive_field": "faltung.effective",
    "explain": "faltung.explanation",
    "explain_gradient": "faltung.gradient",
    "parse": "faltung.chain",
    "register_rule": "faltung.rules.table",
}
_MODULES = ("draw", "gradient", "kernels", "training")

__version__ = "0.1.0"
__all__ = [
    "Derivation",
    "Equivariance",
    "Explanation",
    "FaltungError",
    "Network",
    "Reads",
    "Region",
    "UnknownOperator",
    "Verdict",
    "capture",
    "check",
    "convolve",
    "correlate",
    "derive",
    "draw",
    "effective_receptive_field",
    "explain",
    "explain_gradient",
    "gradient",
    "kernels",
    "parse",
    "register_rule",
    "training",
]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        value: object = getattr(import_module(_HOMES[name]), name)
    elif name in _MODULES:
        value = import_module(f"faltung.{name}")
    else:
        raise AttributeError(f"module 'faltung' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
