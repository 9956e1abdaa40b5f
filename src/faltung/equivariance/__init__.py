"""Whether the output moves when the picture does: by which steps, on which units, and if not, whose fault it is.

A layer commutes with a shift of its input if its relation does, if it does the same at every place, and if the
numbers that it takes do. The first is the relation's stride and period, the second is stated by operator
(`faltung.rules.behaviour`), the third is looked at. Mirrorings and turns go the same way.
"""

from faltung.equivariance.checking import check, prove
from faltung.equivariance.consistency import Consistency, shift_consistency
from faltung.equivariance.report import Equivariance, Movement, Output, Symmetry
from faltung.equivariance.requirement import Requirement
from faltung.equivariance.subpixel import SubPixel, sub_pixel
from faltung.equivariance.theorem import Counterexample, Proof, proof
from faltung.equivariance.walk import Culprit

__all__ = [
    "Consistency",
    "Counterexample",
    "Culprit",
    "Equivariance",
    "Movement",
    "Output",
    "Proof",
    "Requirement",
    "SubPixel",
    "Symmetry",
    "check",
    "proof",
    "prove",
    "shift_consistency",
    "sub_pixel",
]
