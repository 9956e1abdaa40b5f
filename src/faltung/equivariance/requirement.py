"""What a project may require of its network, and whether it holds: `interior`, `lattice=S` or `none`."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from faltung.errors import FaltungError

if TYPE_CHECKING:
    from faltung.equivariance.report import Equivariance, Movement, Output


@dataclass(frozen=True)
class Requirement:
    """What was required and whether it holds; true if it does.

    Parameters
    ----------
    require : str
        ``'interior'``, ``'lattice=S'`` or ``'none'``.
    reasons : tuple of str
        Why it does not hold, each with the layers that are to blame; empty where it holds.
    """

    require: str
    reasons: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return not self.reasons

    def __str__(self) -> str:
        return (
            f"{self.require} holds" if self else "\n".join(f"{self.require} does not hold: {r}" for r in self.reasons)
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {"require": self.require, "holds": bool(self), "reasons": list(self.reasons)}


def required(report: "Equivariance", require: str) -> Requirement:
    """Return whether a requirement holds of what was found about a network."""
    match = re.fullmatch(r"(none|interior)|lattice=([1-9]\d{0,8})", require.strip())
    if match is None:
        raise FaltungError(f"require={require!r} must be 'interior', 'lattice=S' with a whole number S, or 'none'")
    if match[1] == "none":
        return Requirement("none")
    step = int(match[2]) if match[2] else None
    reasons = []
    for output in report.outputs:
        for movement in output.movements:
            reasons += _against(output, movement, step)
        if step is None and not output.untouched and all(movement.exact for movement in output.movements):
            borders = ", ".join(output.borders)
            reasons.append(f"no unit of {output.layer} is untouched by a border; it comes in at {borders}")
    if not reasons and report.measured is not None:
        reasons += report.measured.against()
    return Requirement(require.strip(), tuple(dict.fromkeys(reasons)))


def _against(output: "Output", movement: "Movement", step: int | None) -> list[str]:
    if not movement.exact:
        return [f"along {movement.axis}, {culprit}" for culprit in movement.culprits] or [
            f"{output.layer} has no lattice along {movement.axis}"
        ]
    if step is not None and movement.step and step % movement.step:
        return [
            f"{output.layer} moves by whole units when {movement.axis} is shifted by {movement.step}, not by {step}"
        ]
    return []
