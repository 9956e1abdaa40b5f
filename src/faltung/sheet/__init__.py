"""The worked sheet: an exercise sheet on convolutional networks, answered by the public functions.

It holds the questions and their data, no mathematics: `worked()` asks the library, `terminal` and `page` show
the answers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import faltung
from faltung import equivariance
from faltung.equivariance import Equivariance, Proof
from faltung.explanation import Explanation
from faltung.gradient import Derivation, GradientExplanation
from faltung.network import Network
from faltung.region import Region, name_unit
from faltung.verdict import Verdict

PICTURE = np.array(
    [
        [5, 5, 2, 5, 5],
        [5, 5, 2, 5, 5],
        [7, 7, 5, 7, 7],
        [5, 5, 2, 5, 5],
        [5, 5, 2, 5, 5],
    ]
)
"""X of question 1a."""

FILTERS = {
    "A": np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]]),
    "B": np.array([[1, 2, 1], [0, 0, 0], [-1, -2, -1]]),
    "C": np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]]),
}
"""The filters of questions 1a and 1b."""

DERIVED: dict[str, dict[str, Any]] = {
    "dY/dW": {},
    "dL/dW": {"stride": "s", "dilation": "d", "padding": "p"},
    "dL/dX": {"stride": "s", "dilation": "d", "padding": "p"},
}
"""Question 2a: the derivative asked for, of the layer of 1a; and those that training needs, of a layer with stride s,
dilation d and padding p."""

COMPARED = 100
"""Random layers on which each derivative is compared with PyTorch's."""

NETWORK = "10 x conv k=5 p=same"
SIZE = {"y": 428, "x": 640}
UNIT = {"y": 0, "x": 639}
EYE = {"y": 210, "x": 255}
"""Question 2b: the network, the picture's size, the top right neuron and the cat's eye."""


PROVED = (("cross-correlation", 1), ("convolution", 1), ("cross-correlation", 2))
"""Question 3: what is proved, and at which stride."""

NETWORKS = {
    "one convolution, padding same": "conv k=3 p=same",
    "with stride and pooling": "conv k=3 s=2 p=1, relu, maxpool k=2 s=2, conv k=3 p=1",
    "with a linear layer on the flattened map": "conv k=3 s=2 p=1, relu, maxpool k=2 s=2, flatten, linear",
}
"""Question 3: what is left of equivariance on a finite picture with a border, with stride, with pooling, in a whole
network; the layers of each are made in `_model`."""

SIDE = 48
"""The height and width of the picture that they are looked at with."""


@dataclass(frozen=True)
class FilterAnswer:
    """Questions 1a and 1b for one filter.

    `correlated` is the answer; `convolved` is what a function that flips the filter gives instead;
    `first_sum` spells out the first entry.
    """

    name: str
    kernel: NDArray[Any]
    correlated: NDArray[Any]
    convolved: NDArray[Any]
    first_sum: str
    explanation: Explanation


@dataclass(frozen=True)
class Sheet:
    """All answers of the sheet."""

    filters: tuple[FilterAnswer, ...]
    derivations: tuple[Derivation, ...]
    compared: tuple[str, ...]
    """For each derivation, how it compares with PyTorch's automatic differentiation."""
    worked: GradientExplanation
    """The backward pass of filter A on the picture X, in numbers."""
    network: Network
    verdict: Verdict
    interior: Region
    """What a unit far from every border reads."""
    proofs: tuple[Proof, ...]
    """That convolution and cross-correlation commute with translation; and with which ones at stride 2."""
    checked: dict[str, Equivariance]
    """What is left of it in networks, proved and measured."""

    @property
    def flip(self) -> str:
        """What a function that flips the filter, such as scipy.signal.convolve2d, does to the answers."""
        turned = [a.name for a in self.filters if np.array_equal(a.convolved, -a.correlated)]
        equal = [a.name for a in self.filters if np.array_equal(a.convolved, a.correlated)]
        return (
            f"scipy.signal.convolve2d convolves, it flips the filter: with {' and '.join(turned)} every "
            f"answer gets the wrong sign; {' and '.join(equal)} is the same flipped."
        )

    @property
    def question_2b(self) -> str:
        """Question 2b in words."""
        return (
            f"A {SIZE['x']}x{SIZE['y']} picture goes through {NETWORK}. Does the neuron {name_unit(UNIT)} of "
            f"the last layer contain any information about the cat's eye at {name_unit(EYE)}?"
        )

    @property
    def window_2b(self) -> str:
        """What the network's last layer sees away from borders, and what is left of it in the corner."""
        interior = self.interior.box
        return (
            f"Away from the borders a neuron of the last layer reads "
            f"{len(interior['y'])}x{len(interior['x'])} pixels; in this corner "
            f"{self.verdict.field.size} of them lie in the picture, and padding "
            "carries no information."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the answers as plain numbers, lists and strings, ready for JSON."""
        return {
            "1a": {
                answer.name: {
                    "kernel": answer.kernel.tolist(),
                    "correlated": answer.correlated.tolist(),
                    "convolved": answer.convolved.tolist(),
                }
                for answer in self.filters
            },
            "1b": {answer.name: answer.explanation.to_dict() for answer in self.filters},
            "2a": [
                derivation.to_dict() | {"compared": compared}
                for derivation, compared in zip(self.derivations, self.compared, strict=True)
            ],
            "2b": self.verdict.to_dict() | {"network": NETWORK, "input": SIZE},
            "3": {
                "proofs": [proof.to_dict() for proof in self.proofs],
                "networks": {name: report.to_dict() for name, report in self.checked.items()},
            },
        }


def worked() -> Sheet:
    """Work the sheet and return its answers.

    >>> worked().filters[0].correlated.tolist()
    [[11, 0, -11], [10, 0, -10], [11, 0, -11]]
    """
    network = faltung.parse(NETWORK).at(**SIZE)
    derivations = tuple(faltung.derive(what, "conv", **layer) for what, layer in DERIVED.items())
    return Sheet(
        tuple(_filter_answer(name, kernel) for name, kernel in FILTERS.items()),
        derivations,
        tuple(str(derivation.check(COMPARED)) for derivation in derivations),
        faltung.explain_gradient(PICTURE, FILTERS["A"]),
        network,
        network.sees(unit=UNIT, pixel=EYE),
        network.receptive_field(unit={axis: size // 2 for axis, size in SIZE.items()}),
        tuple(equivariance.proof(kind, stride=stride) for kind, stride in PROVED),
        {name: _checked(name) for name in NETWORKS},
    )


def _checked(name: str) -> Equivariance:
    """Look at one of the NETWORKS, with random weights."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return faltung.check(_model(NETWORKS[name]), torch.zeros(1, 1, SIDE, SIDE))


def _model(layers: str) -> Any:
    """Return a network of the layers that NETWORKS names, as a PyTorch model in evaluation mode."""
    from torch import nn

    makers: dict[str, Callable[[], nn.Module]] = {
        "conv k=3 p=same": lambda: nn.Conv2d(1, 1, 3, padding="same"),
        "conv k=3 s=2 p=1": lambda: nn.Conv2d(1, 4, 3, stride=2, padding=1),
        "relu": nn.ReLU,
        "maxpool k=2 s=2": lambda: nn.MaxPool2d(2),
        "conv k=3 p=1": lambda: nn.Conv2d(4, 1, 3, padding=1),
        "flatten": nn.Flatten,
        "linear": lambda: nn.Linear(4 * (SIDE // 4) ** 2, 10),
    }
    return nn.Sequential(*(makers[layer]() for layer in layers.split(", "))).eval()


def cat() -> NDArray[np.uint8]:
    """Return the picture of question 2b, shape (428, 640, 3): the eye of scikit-image's cat lies at the EYE.

    Chelsea (300 x 451 pixels, photographed by Stéfan van der Walt, CC0) is doubled in size and cut so that
    her right eye comes to lie there.
    """
    from skimage.data import chelsea
    from skimage.transform import resize

    picture = chelsea()  # type: ignore[no-untyped-call]
    doubled = resize(picture, (600, 902, 3), order=3, preserve_range=True)  # type: ignore[no-untyped-call]
    cut: NDArray[np.uint8] = np.clip(np.rint(doubled[10:438, 91:731]), 0, 255).astype(np.uint8)
    return cut


def grey(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the luma of a colour picture (ITU-R BT.601: 0.299 R + 0.587 G + 0.114 B), rounded."""
    weighted = picture.astype(np.float64) @ np.array([0.299, 0.587, 0.114])
    luma: NDArray[np.uint8] = np.rint(weighted).astype(np.uint8)
    return luma


def _filter_answer(name: str, kernel: NDArray[Any]) -> FilterAnswer:
    correlated = faltung.correlate(PICTURE, kernel)
    window = PICTURE[: kernel.shape[0], : kernel.shape[1]]
    pairs = zip(kernel.flat, window.flat, strict=True)
    terms = " ".join(f"{'-' if weight < 0 else '+'} {abs(weight)}·{value}" for weight, value in pairs if weight)
    return FilterAnswer(
        name,
        kernel,
        correlated,
        faltung.convolve(PICTURE, kernel),
        f"Y[0,0] = {terms.removeprefix('+ ')} = {correlated[0, 0]}",
        faltung.explain(kernel),
    )
