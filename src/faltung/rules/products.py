"""Sums of products, stated by labelled axes as in an einsum, and other operators that couple several axes.

An axis whose label stands in the output follows it; a label that does not is summed over and read whole. Where
exact weights are asked for, factors that are constants read nothing where they are exactly zero.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from string import ascii_letters
from typing import TYPE_CHECKING

from faltung.listed import Listed
from faltung.reads import Reads
from faltung.relation import SAME, Along, AxisReads, AxisWise, InTurn, Moved, Only, Relation, Shape, Whole, whole
from faltung.rules.axes import along
from faltung.rules.pointwise import multiplied
from faltung.rules.table import Call, Reading, Readings, Tensor, axis, broadcast, rule
from faltung.rules.weights import kept, linked, nonzero

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Name = str | tuple[str, int]
Source = Along | Only | Whole

FACTORS = {
    "mm": "ik,kj->ij",
    "bmm": "bik,bkj->bij",
    "mv": "ik,k->i",
    "dot": "k,k->",
    "vdot": "k,k->",
    "outer": "i,j->ij",
    "ger": "i,j->ij",
}
"""Two factors each."""

ADDED = {
    "addmm": "ik,kj->ij",
    "addmv": "ik,k->i",
    "addr": "i,j->ij",
    "addbmm": "bik,bkj->ij",
    "baddbmm": "bik,bkj->bij",
}
"""A summand `self` and two factors each."""


def labels(term: str, rank: int) -> tuple[str, ...]:
    """Return one label for each axis; those of an ellipsis are numbered from its end, as they are broadcast.

    >>> labels("...ij", 4)
    ('...2', '...1', 'i', 'j')
    """
    before, _, after = term.partition("...")
    middle = rank - len(before) - len(after)
    return (*before, *(f"...{number}" for number in range(middle, 0, -1)), *after)


def contraction(
    equation: str,
    factors: Sequence[tuple[Name, Tensor]],
    output: Shape,
    read: Mapping[str, Source] | None = None,
    exact: bool = False,
) -> dict[Name, Reading]:
    """Return what is read of each factor of a sum of products.

    Parameters
    ----------
    equation : str
        Terms of labels as in torch.einsum, with an output.
    factors : sequence of names with tensors
        One for each term.
    output : tuple of int
        Shape of the output.
    read : mapping
        Where labels are read, for those that neither follow the output nor are read whole.
    exact : bool
        Constant factors that are exactly zero leave what they are multiplied with unread.
    """
    terms, _, result = equation.partition("->")
    named_factors = [
        (name, labels(term, len(tensor.shape)), tensor)
        for term, (name, tensor) in zip(terms.split(","), factors, strict=True)
    ]
    constants = [(named, tensor) for _, named, tensor in named_factors if not tensor.source] if exact else []
    places = {label: place for place, label in enumerate(labels(result, len(output)))}

    def source(label: str, size: int) -> Source:
        if read and label in read:
            return read[label]
        if label not in places:
            return Whole()
        if size == 1 and output[places[label]] != 1:
            return Only(whole(1))
        return Along(places[label], SAME)

    found: dict[Name, Reading] = {}
    for name, named, tensor in named_factors:
        sizes = {
            label: min(n for other, n in zip(named, tensor.shape, strict=True) if other == label) for label in named
        }
        relation = AxisWise(tuple(source(label, size) for label, size in sizes.items()))
        relations: tuple[Relation, ...] = (relation,)
        if constants and tensor.source:
            follows = {label: axis for axis, (label, size) in enumerate(sizes.items()) if size != 1}
            varied = {label: place for label, place in places.items() if output[place] != 1}
            mask, over = _where_not_zero(constants, {*follows, *varied})
            pairs = [(follows.get(label), varied.get(label)) for label in over]
            relations = linked(relation, mask, pairs, output)
        if len(sizes) < len(named):
            relations = tuple(_on_diagonal(step, named, sizes, tensor.shape) for step in relations)
        found[name] = relations[0] if len(relations) == 1 else relations
    return found


def _where_not_zero(
    constants: Sequence[tuple[Sequence[str], Tensor]], told: set[str]
) -> "tuple[NDArray[np.bool_], list[str]]":
    """Return where the product of constants is not 0 for some places of the labels left out, and over which labels.

    Axes of size 1 are stretched, and vary with nothing.
    """
    import numpy as np

    numbers: dict[str, int] = {}
    operands: list[object] = []
    for named, tensor in constants:
        long = [(label, number) for label, number in zip(named, tensor.shape, strict=True) if number != 1]
        operands.append(nonzero(tensor).reshape([number for _, number in long]).astype(np.float32))
        operands.append([numbers.setdefault(label, len(numbers)) for label, _ in long])
    over = [label for label in numbers if label in told]
    counted = np.einsum(*operands, [numbers[label] for label in over])  # type: ignore[call-overload]
    return np.asarray(counted > 0), over


def _on_diagonal(relation: Relation, named: Sequence[str], sizes: Mapping[str, int], shape: Shape) -> Relation:
    """Return the relation to a factor with a label that stands twice: only the diagonal is read."""
    import numpy as np

    diagonal = tuple(sizes.values())
    places = dict(zip(sizes, np.indices(diagonal), strict=True))
    table = np.ravel_multi_index([places[label] for label in named], shape)
    return InTurn((relation, Moved(np.asarray(table))), (diagonal,))


@rule(*FACTORS)
def product(call: Call) -> Readings:
    """Two factors, by their equation."""
    call.skip("out_dtype")
    return contraction(FACTORS[call.operator], list(call.tensors()), call.shape, exact=call.exact_weights)


@rule("pdist")
def distances_of_pairs(call: Call) -> Readings:
    """Every pair of different rows is compared over all columns, the first with all later ones first."""
    call.skip("p")
    rows = call.shape_of("self")[0]
    return {"self": AxisWise((Along(0, Listed.of(combinations(range(rows), 2))), Whole()))}


@rule("cdist", "_cdist_forward")
def distances(call: Call) -> Readings:
    """Every row of one matrix is compared with every row of the other, over all columns."""
    call.skip("p", "compute_mode")
    return contraction("...im,...jm->...ij", list(call.tensors()), call.shape)


@rule(*ADDED)
def added_product(call: Call) -> Readings:
    """Two factors by their equation and a summand, which is ignored where beta is 0 (torch.addmm)."""
    call.skip("out_dtype", "alpha", "self")
    (_, summand), *factors = call.tensors()
    found = contraction(ADDED[call.operator], factors, call.shape, exact=call.exact_weights)
    return found if call["beta"] == 0 else {"self": broadcast(summand.shape, call.shape), **found}


@rule("matmul", "linalg_matmul")
def matmul(call: Call) -> Readings:
    """Vectors, matrices or batches of them (torch.matmul)."""
    first, second = call.tensors()
    row, column = (len(tensor.shape) > 1 for _, tensor in (first, second))
    terms = f"{'...ik' if row else 'k'},{'...kj' if column else 'k'}"
    equation = f"{terms}->...{'i' * row}{'j' * column}"
    return contraction(equation, [first, second], call.shape, exact=call.exact_weights)


@rule("linear")
def linear(call: Call) -> Readings:
    """Every output channel reads all input channels."""
    weight = call.shape_of("weight")
    call.skip("bias")
    (data, matrix, *bias) = call.tensors()
    equation = "...i,oi->...o" if len(weight) == 2 else "...i,i->..."
    found = contraction(equation, [data, matrix], call.shape, exact=call.exact_weights)
    return {**found, **{name: broadcast(tensor.shape, call.shape) for name, tensor in bias}}


@rule("kron")
def kronecker(call: Call) -> Readings:
    """Unit o of an axis is the product of unit o // n of the first factor and o mod n of the second, which has n."""
    import numpy as np

    (first, one), (second, two) = call.tensors()
    rank = len(call.shape)
    units, repeats = ((1,) * (rank - len(tensor.shape)) + tensor.shape for tensor in (two, one))
    ways: list[tuple[Name, Tensor, list[AxisReads]]] = [
        (first, one, [Reads(1, [[0]] * n) for n in units]),
        (second, two, [Listed.of([o % n] for o in range(n * times)) for n, times in zip(units, repeats, strict=True)]),
    ]
    found: dict[Name, Reading] = {}
    for name, tensor, reads in ways:
        own = range(rank - len(tensor.shape), rank)
        found[name] = relation = AxisWise(tuple(Along(number, reads[number]) for number in own))
        other = two if tensor is one else one
        if call.exact_weights and tensor.source and not other.source:
            factors = np.ones(one.shape, dtype=bool), np.ones(two.shape, dtype=bool)
            mask = np.kron(factors[0], nonzero(two)) if tensor is one else np.kron(nonzero(one), factors[1])
            found[name] = kept(relation, mask, call.shape)
    return found


@rule("bilinear")
def bilinear(call: Call) -> Readings:
    """Every output channel reads all channels of both inputs."""
    call.skip("bias")
    one, two, weight, *bias = call.tensors()
    found = contraction("...i,...j,oij->...o", [one, two, weight], call.shape, exact=call.exact_weights)
    return {**found, **{name: broadcast(tensor.shape, call.shape) for name, tensor in bias}}


@rule("einsum")
def einsum(call: Call) -> Readings:
    """Labels of the output are followed, the others summed over; without an output, those that stand once."""
    equation = call["equation"].replace(" ", "")
    call.skip("path")
    if "->" not in equation:
        letters = [letter for letter in equation if letter.isalpha()]
        once = sorted(letter for letter in letters if letters.count(letter) == 1)
        equation = f"{equation}->{'...' if '...' in equation else ''}{''.join(once)}"
    return contraction(equation, list(call.tensors()), call.shape, exact=call.exact_weights)


@rule("trace")
def trace(call: Call) -> Readings:
    """The sum of the diagonal."""
    return contraction("ii->", list(call.tensors()), call.shape)


@rule("chain_matmul", "linalg_multi_dot")
def chain(call: Call) -> Readings:
    """A product of matrices, the first and last of which may be vectors."""
    factors = list(call.tensors())
    terms = [ascii_letters[number : number + 2] for number in range(len(factors))]
    ends = terms[0][0], terms[-1][1]
    terms[0], terms[-1] = terms[0][-len(factors[0][1].shape) :], terms[-1][: len(factors[-1][1].shape)]
    kept = "".join(end for end, term in zip(ends, (terms[0], terms[-1]), strict=True) if len(term) == 2)
    return contraction(f"{','.join(terms)}->{kept}", factors, call.shape, exact=call.exact_weights)


@rule("tensordot")
def tensordot(call: Call) -> Readings:
    """Pairs of axes are summed over; the others stand in the output, those of `self` first."""
    (one, two) = call.tensors()
    left = list(ascii_letters[: len(one[1].shape)])
    right = list(ascii_letters[26 : 26 + len(two[1].shape)])
    summed = set()
    for a, b in zip(call["dims_self"], call["dims_other"], strict=True):
        right[b] = left[a]
        summed.add(left[a])
    kept = "".join(label for label in left + right if label not in summed)
    equation = f"{''.join(left)},{''.join(right)}->{kept}"
    return contraction(equation, [one, two], call.shape, exact=call.exact_weights)


@rule("inner")
def inner(call: Call) -> Readings:
    """The last axes are summed over; a number is multiplied with (torch.inner)."""
    (one, two) = call.tensors()
    if not one[1].shape or not two[1].shape:
        return multiplied(call)
    left = ascii_letters[: len(one[1].shape) - 1]
    right = ascii_letters[26 : 25 + len(two[1].shape)]
    return contraction(f"{left}z,{right}z->{left}{right}", [one, two], call.shape, exact=call.exact_weights)


@rule("cosine_similarity", "linalg_vecdot", "pairwise_distance")
def compared(call: Call) -> Readings:
    """Two tensors, stretched to a common shape, are compared along one axis of it."""
    call.skip("p", "eps", "dim", "keepdim")
    factors = list(call.tensors())
    if not any(tensor.shape for _, tensor in factors):  # two numbers
        return {name: AxisWise(()) for name, _ in factors}
    letters = ascii_letters[: max(len(tensor.shape) for _, tensor in factors)]
    summed = letters[call.get("dim", -1)]
    kept = letters.replace(summed, "Z" if call.get("keepdim", False) else "")
    terms = (letters[len(letters) - len(tensor.shape) :] for _, tensor in factors)
    exact = call.exact_weights and call.operator == "linalg_vecdot"
    return contraction(f"{','.join(terms)}->{kept}", factors, call.shape, exact=exact)


@rule("glu")
def glu(call: Call) -> Readings:
    """Output o is the product of input o and the gate o in the other half (torch.nn.functional.glu)."""
    chosen = axis(call["dim"], len(call.shape))
    return {"self": along(len(call.shape), {chosen: Reads(1, [[0, call.shape[chosen]]])})}


@rule("cross", "linalg_cross")
def cross(call: Call) -> Readings:
    """Each of three components reads the two others; without `dim` it is the first axis of 3 (torch.cross)."""
    dim = call["dim"]
    chosen = call.shape_of("self").index(3) if dim is None else axis(dim, len(call.shape))
    others = Listed.of([[1, 2], [0, 2], [0, 1]])
    found: dict[Name, Relation] = {}
    for name, tensor in call.tensors():
        sources = list(broadcast(tensor.shape, call.shape).sources)
        sources[chosen] = Along(chosen, others)
        found[name] = AxisWise(tuple(sources))
    return found
