"""Checks of the course: what is right passes, and what students get wrong is told in the words that help.

Answers are written as students write them, with loops; the checks know torch's.
"""

import re

import numpy as np
import pytest
import torch
from torch import nn

from faltung import course
from faltung.course import NotYet
from faltung.course.looking import facts


def says(check, answer, *words):
    """Assert that a check refuses an answer in one line that holds these words."""
    with pytest.raises(NotYet) as caught:
        check(answer)
    said = str(caught.value)
    assert "\n" not in said
    for some in words:
        assert some.lower() in said.lower(), said


def cross(x, w, b, stride=1, padding=0, *, at=lambda size, i: i, ends=2, channels=None):
    """Cross-correlate as a student does, or with a mistake: another order of taps, padding at one end."""
    n, c, rows, columns = x.shape
    o, _, height, width = w.shape
    padded = torch.zeros(n, c, rows + ends * padding, columns + ends * padding, dtype=x.dtype)
    padded[:, :, padding : padding + rows, padding : padding + columns] = x
    y = torch.zeros(
        n, o, (padded.shape[2] - height) // stride + 1, (padded.shape[3] - width) // stride + 1, dtype=x.dtype
    )
    for at_n, at_o, i, j in np.ndindex(*y.shape):
        total = b[at_o].clone()
        for at_c, u, v in np.ndindex(channels or c, height, width):
            pixel = padded[at_n, at_c, stride * i + u, stride * j + v]
            total += w[at_o, at_c, at(height, u), at(width, v)] * pixel
        y[at_n, at_o, i, j] = total
    return y


def upside_down(size, index):
    return size - 1 - index


def one(x, w, **mistake):
    return cross(x[None, None], w[None, None], torch.zeros(1, dtype=x.dtype), **mistake)[0, 0]


def test_one_convolution():
    """One picture and one kernel: loops pass; a flipped or turned kernel and missing rows are told."""
    course.check_correlate_one(one)
    says(
        course.check_correlate_one,
        lambda x, w: one(x, w, at=upside_down),
        "correlate_one",
        "the kernel is flipped",
        "cross-correlation",
    )
    says(course.check_correlate_one, lambda x, w: one(x, w.T), "rows and columns of the kernel have changed places")
    says(
        course.check_correlate_one, lambda x, w: one(x, w)[:-1, :-1], "shape is (2, 2); it should be (3, 3)", "range(n)"
    )
    says(course.check_correlate_one, lambda x, w: one(x, w).numpy(), "gives a ndarray; a torch.Tensor is wanted")
    says(course.check_correlate_one, lambda x, w: one(x, w) + 1, "9 of 9 numbers are not", "at [0, 0]")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda n, k, s=1, p=0: (n + 2 * p - k) // s, "the first window counts too"),
        (lambda n, k, s=1, p=0: (n + p - k) // s + 1, "both ends"),
        (lambda n, k, s=1, p=0: (n - k) // s + 1, "padding makes the picture larger"),
        (lambda n, k, s=1, p=0: n + 2 * p - k + 1, "divide by stride"),
        (lambda n, k, s=1, p=0: -(-(n + 2 * p - k) // s) + 1, "round down"),
        (lambda n, k, s=1, p=0: (n + 2 * p - k) / s + 1, "round down, by //"),
        (lambda n, k, s=1, p=0: float((n + 2 * p - k) // s + 1), "not whole to Python"),
        (lambda n, k, s=1, p=0: n // s, "output_size(5, kernel=1, stride=1, padding=1) gives 5; torch's output has 7"),
        (lambda n, k, s=1, p=0: str(n), "gives a str; a whole number is wanted"),
    ],
)  # fmt: skip
def test_output_sizes(answer, words):
    """Every usual slip in the formula of the size has its sentence."""
    says(course.check_output_size, answer, "output_size", words)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x, w, b, s, p: cross(x, w, b, s, p, at=upside_down), ["the kernel is flipped: that is convolution, torch does cross-correlation"]),
        (lambda x, w, b, s, p: cross(x, w.mT, b, s, p), ["rows and columns of the kernel have changed places"]),
        (lambda x, w, b, s, p: cross(x, w, 0 * b, s, p), ["the bias b[o] is not added"]),
        (lambda x, w, b, s, p: cross(x, w, b, s, p, channels=1), ["only the first channel"]),
        (lambda x, w, b, s, p: cross(x, w / x.shape[1], b, s, p), ["averaged"]),
        (lambda x, w, b, s, p: cross(x, w, b, s), ["the output has shape (2, 3, 3, 4); with stride 1 and padding 1 it should be (2, 3, 5, 6)", "without padding"]),
        (lambda x, w, b, s, p: cross(x, w, b, s, p, ends=1), ["with stride 1 and padding 1 it should be", "at one end only"]),
        (lambda x, w, b, s, p: cross(x, w, b, 1, p), ["with stride 2 and padding 0 it should be", "with stride 1"]),
        (lambda x, w, b, s, p: cross(x, w, b, s, p).float(), ["the numbers are right, but of torch.float32", "new_zeros"]),
        (lambda x, w, b, s, p: cross(x, w, b, s, p)[0], ["the output has shape (1, 3, 3); with"]),
        (lambda x, w, b, s, p: x @ w, ["stops with RuntimeError", "at the line `(lambda x, w, b, s, p: x @ w", "x of shape (1, 1, 5, 5)"]),
    ],
)  # fmt: skip
def test_convolutions(answer, words):
    """Loops that are right but for one slip get the sentence about that slip."""
    says(course.check_correlate, answer, "correlate", *words)


def test_a_right_convolution(capsys):
    """Loops without a slip pass, and are told so."""
    course.check_correlate(cross)
    assert capsys.readouterr().out == "✓ correlate: it gives what torch gives, for 7 layers\n"


def weights(x, dy, kernel, stride, padding, *, pad=True, step=None, each=False, add=True):
    """Return dL/dw by loops over windows, or with a mistake."""
    step = step or stride
    x = nn.functional.pad(x, (padding,) * 4 if pad else (0, 2 * padding, 0, 2 * padding))
    dw = x.new_zeros(len(x), dy.shape[1], x.shape[1], *kernel)
    for n, o, i, j in np.ndindex(*dy.shape):
        window = x[n, :, step * i : step * i + kernel[0], step * j : step * j + kernel[1]]
        dw[n, o] = dy[n, o, i, j] * window + (dw[n, o] if add else 0)
    return dw if each else dw.sum(0)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x, dy, k, s, p: weights(x, dy, k, s, p).flip(2, 3), ["turned by 180 degrees"]),
        (lambda x, dy, k, s, p: weights(x[:1], dy[:1], k, s, p), ["only the first picture"]),
        (lambda x, dy, k, s, p: weights(x[-1:], dy[-1:], k, s, p), ["only the last picture", "+="]),
        (lambda x, dy, k, s, p: weights(x, dy, k, s, p, add=False), ["only the last window counts", "+="]),
        (lambda x, dy, k, s, p: weights(x, dy, k, s, p) / len(x), ["mean over the batch"]),
        (lambda x, dy, k, s, p: weights(x, dy, k, s, p, each=True), ["has shape (1, 1, 1, 3, 3); it has the shape of w and should be (1, 1, 3, 3)", "not summed over the batch"]),
        (lambda x, dy, k, s, p: weights(x, dy, k, s, p).transpose(0, 1), ["should be (2, 3, 3, 3)", "(in, out, …)"]),
        (lambda x, dy, k, s, p: weights(x, dy, k, s, p, pad=False), ["x is not padded here"]),
        (lambda x, dy, k, s, p: weights(x, dy, k, s, p, step=1), ["the stride is missing"]),
    ],
)  # fmt: skip
def test_gradients_of_weights(answer, words):
    """Each slip in dL/dw has its sentence."""
    says(course.check_gradient_weights, answer, "gradient_weights", *words)


def inputs(w, dy, size, stride, padding, *, step=None, add=True):
    """Return dL/dx of the padded picture by loops over windows, or with a mistake."""
    step = step or stride
    dx = dy.new_zeros(len(dy), w.shape[1], size[0] + 2 * padding, size[1] + 2 * padding)
    for i, j in np.ndindex(*dy.shape[2:]):
        there = (..., slice(step * i, step * i + w.shape[2]), slice(step * j, step * j + w.shape[3]))
        dx[there] = torch.einsum("no,ochw->nchw", dy[:, :, i, j], w) + (dx[there] if add else 0)
    return dx


def cut(dx, size, padding):
    return dx[:, :, padding : padding + size[0], padding : padding + size[1]]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda w, dy, z, s, p: cut(inputs(w.flip(2, 3), dy, z, s, p), z, p), ["the kernel is flipped"]),
        (lambda w, dy, z, s, p: cut(inputs(w, dy, z, s, p, add=False), z, p), ["where windows overlap only the last counts", "+="]),
        (lambda w, dy, z, s, p: inputs(w, dy, z, s, p), ["it has the shape of x and should be (2, 2, 5, 6)", "padding is still there"]),
        (lambda w, dy, z, s, p: inputs(w, dy, z, s, p)[..., p:, p:], ["should be (2, 2, 5, 6)", "at one end only"]),
        (lambda w, dy, z, s, p: inputs(w, dy, z, s, p)[..., : z[0], : z[1]], ["begins at [padding, padding]"]),
        (lambda w, dy, z, s, p: nn.functional.conv_transpose2d(dy, w, None, s, p), ["pixels that no window reads are missing"]),
        (lambda w, dy, z, s, p: cut(inputs(w[:1], dy[:, :1], z, s, p), z, p), ["only the first filter counts"]),
        (lambda w, dy, z, s, p: cut(inputs(w, dy, z, s, p, step=1), z, p), ["the stride is missing"]),
    ],
)  # fmt: skip
def test_gradients_of_inputs(answer, words):
    """Each slip in dL/dx has its sentence."""
    says(course.check_gradient_input, answer, "gradient_input", *words)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda dy: dy, ["summed over batch, rows and columns: yours has shape (1, 1, 3, 3), not (1,)"]),
        (lambda dy: dy.sum((2, 3)), ["summed over batch, rows and columns: yours has shape (1, 1)", "rows and columns alone"]),
        (lambda dy: dy.sum(0), ["over the batch alone"]),
        (lambda dy: dy.sum(), ["yours has shape (), not (1,)", "each filter has a bias of its own"]),
        (lambda dy: dy.mean((0, 2, 3)), ["it is the mean"]),
    ],
)  # fmt: skip
def test_gradients_of_biases(answer, words):
    """Each slip in dL/db has its sentence."""
    says(course.check_gradient_bias, answer, "gradient_bias", *words)


def test_right_gradients():
    """Loops without a slip pass."""
    course.check_gradient_weights(weights)
    course.check_gradient_input(
        lambda w, dy, size, stride, padding: cut(inputs(w, dy, size, stride, padding), size, padding)
    )
    course.check_gradient_bias(lambda dy: dy.sum((0, 2, 3)))


class Net(nn.Module):
    """A net as the course asks for it, and with slips."""

    slip = ""

    def __init__(self, kernel=3, padding=1, stride=1, pool=2):
        super().__init__()
        if self.slip == "padding":
            padding = 0
        rectify = nn.Identity() if self.slip == "between" else nn.ReLU()
        last = nn.Identity() if self.slip == "behind" else nn.ReLU()
        layers = [nn.Conv2d(1, 16, kernel, stride, padding), rectify, nn.MaxPool2d(pool)]
        layers += [nn.Conv2d(16, 32, kernel, stride, padding), last, nn.MaxPool2d(pool)]
        self.features = nn.Sequential(*layers)
        side = self.features(torch.zeros(1, 1, 28, 28)).shape[-1]
        self.classify = nn.Linear(
            32 * (7 if self.slip == "linear" else side) ** 2, 11 if self.slip == "classes" else 10
        )

    def forward(self, x):
        scores = self.classify(self.features(x).flatten(1))
        if self.slip == "transposed":
            return scores.mT
        return scores.softmax(1) if self.slip == "softmax" else scores.log_softmax(1) if self.slip == "log" else scores


@pytest.mark.parametrize(
    ("slip", "words"),
    [
        ("padding", ["(3, 32, 5, 5), they should have (3, 32, 7, 7)", "as if padding were not handed on"]),
        ("between", ["missing between the two convolutions", "a convolution of a convolution is a convolution"]),
        ("behind", ["missing behind the second convolution"]),
        ("linear", ["the linear layer reads 1568 numbers, and there are 800 features for each picture, 32x5x5", "padding=0"]),
        ("classes", ["scores of shape (3, 10); yours have (3, 11)"]),
        ("transposed", ["scores of shape (3, 10); yours have (10, 3)"]),
        ("softmax", ["scores are wanted, not probabilities"]),
        ("log", ["scores are wanted, not probabilities"]),
    ],
)  # fmt: skip
def test_nets(slip, words):
    """Each slip in the net has its sentence."""
    says(course.check_net, type("Net", (Net,), {"slip": slip}), "Net", *words)


def test_a_right_net():
    """A net without a slip passes, with pooling in front of the rectifier as well."""
    course.check_net(Net)


def epoch(slip):
    """Return a training loop, right or with a slip."""

    def train_epoch(net, optimiser, batches):
        if slip != "mode":
            net.train()
        total = count = 0
        for pictures, labels in batches:
            scores = net(pictures)
            if slip == "softmax":
                scores = scores.softmax(1)
            loss = nn.functional.cross_entropy(scores, labels, reduction="sum" if slip == "sum" else "mean")
            if slip not in ("zero", "between"):
                optimiser.zero_grad()
            if slip != "backward":
                loss.backward()
            if slip == "between":
                optimiser.zero_grad()
            if slip not in ("step", "late"):
                optimiser.step()
            total += (loss if slip == "graph" else loss.item()) * (1 if slip == "unweighed" else len(labels))
            count += 1 if slip == "unweighed" else len(labels)
            if slip == "return":
                return total / count
        if slip == "late":
            optimiser.step()
        return total if slip == "total" else loss.item() if slip == "last" else total / count

    return train_epoch


@pytest.mark.parametrize(
    ("slip", "words"),
    [
        ("zero", "gradients pile up from batch to batch: optimiser.zero_grad() is missing"),
        ("between", "optimiser.zero_grad() between loss.backward() and optimiser.step() leaves the step nothing"),
        ("backward", "loss.backward() is missing"),
        ("step", "optimiser.step() is missing"),
        ("late", "one step for the whole epoch"),
        ("softmax", "cross_entropy takes scores and does the softmax itself"),
        ("sum", "the loss is summed over the batch"),
        ("return", "return stands inside the loop"),
        ("mode", "net.train() is missing"),
        ("graph", "add loss.item()"),
        ("total", "the sum over all pictures, not their mean"),
        ("unweighed", "weigh each by its pictures"),
        ("last", "the loss of the last batch alone"),
    ],
)
def test_training_loops(slip, words):
    """Each slip in the loop has its sentence."""
    says(course.check_train_epoch, epoch(slip), "train_epoch", words)


def test_a_right_loop():
    """A loop without a slip passes."""
    course.check_train_epoch(epoch(""))


def asked(slip):
    """Return a way to ask a net, right or with a slip."""

    def predict(net, pictures, batch):
        if slip != "mode":
            net.eval()
        with torch.set_grad_enabled(slip == "graph"):
            parts = [net(pictures[at : at + batch]) for at in range(0, len(pictures), batch)]
        parts = parts[:-1] if slip == "short" else parts[-1:] if slip == "last" else parts
        if slip == "list":
            return parts
        scores = torch.stack(parts[:2]) if slip == "stack" else torch.cat(parts)
        return scores.softmax(1) if slip == "softmax" else scores.argmax(1) if slip == "classes" else scores

    return predict


@pytest.mark.parametrize(
    ("slip", "words"),
    [
        ("mode", "net.eval() is missing"),
        ("graph", "torch.no_grad()"),
        ("short", "the scores have shape (8, 3); for 10 pictures it should be (10, 3). The last batch is missing"),
        ("last", "the last batch alone"),
        ("list", "gives a list; a torch.Tensor is wanted"),
        ("stack", "torch.cat puts them below each other"),
        ("softmax", "these are probabilities"),
        ("classes", "these are classes"),
    ],
)
def test_asking(slip, words):
    """Each slip in asking a net has its sentence."""
    says(course.check_predict, asked(slip), "predict", words)
    course.check_predict(asked(""))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda scores, labels: (scores.argmax(0) == labels).double().mean(), "argmax(1) finds a class for each picture"),
        (lambda scores, labels: 100 * (scores.argmax(1) == labels).double().mean(), "not percent"),
        (lambda scores, labels: (scores.argmax(1) == labels).sum().item(), "not the count"),
        (lambda scores, labels: (scores.argmax(1) != labels).double().mean().item(), "wrong answers"),
        (lambda scores, labels: scores.argmax(1) == labels, "gives a Tensor; a number is wanted"),
    ],
)  # fmt: skip
def test_accuracies(answer, words):
    """Each slip in the accuracy has its sentence."""
    says(course.check_accuracy, answer, "accuracy", words)
    course.check_accuracy(
        lambda scores, labels: np.mean([int(s.argmax()) == int(t) for s, t in zip(scores, labels, strict=True)]).item()
    )


def counted(scores, labels):
    classes = scores.shape[1]
    return torch.tensor(
        [[((labels == i) & (scores.argmax(1) == j)).sum() for j in range(classes)] for i in range(classes)]
    )


def at_once(scores, labels):
    table = torch.zeros(scores.shape[1], scores.shape[1])
    table[labels, scores.argmax(1)] += 1
    return table


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda scores, labels: counted(scores, labels).T, "rows and columns have changed places: row i has"),
        (lambda scores, labels: counted(scores, labels) / counted(scores, labels).sum(1, keepdim=True), "not shares"),
        (lambda scores, labels: counted(scores, labels) / len(labels), "not shares of all"),
        (lambda scores, labels: counted(scores, labels).fill_diagonal_(0), "on the diagonal"),
        (at_once, "counted once at most"),
        (
            lambda scores, labels: counted(scores, labels)[:3],
            "the counts have shape (3, 4); for 4 classes it is (4, 4)",
        ),
    ],
)
def test_confusions(answer, words):
    """Each slip in the table has its sentence."""
    says(course.check_confusion, answer, "confusion", words)
    course.check_confusion(counted)
    course.check_confusion(lambda scores, labels: counted(scores, labels).float())


def mistaken(scores, labels):
    """Return (loss, number) of every wrong answer, the worst first."""
    losses = [float(row.logsumexp(0) - row[label]) for row, label in zip(scores, labels, strict=True)]
    return sorted(((losses[n], n) for n in range(len(labels)) if scores[n].argmax() != labels[n]), reverse=True)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda s, t, count: [sorted(n for _, n in mistaken(s, t)).index(n) for _, n in mistaken(s, t)][:count], "places among the wrong answers"),
        (lambda s, t, count: [n for _, n in mistaken(s, t)[::-1]][:count], "the mildest"),
        (lambda s, t, count: [n for _, n in mistaken(s, t)[:count]][::-1], "the worst one comes first"),
        (lambda s, t, count: nn.functional.cross_entropy(s, t, reduction="none").argsort(descending=True)[:count], "right answers are among them"),
        (lambda s, t, count: sorted(n for _, n in mistaken(s, t))[:count], "in the order of pictures"),
        (lambda s, t, count: torch.tensor([loss for loss, _ in mistaken(s, t)], dtype=s.dtype)[:count], "these are losses"),
        (lambda s, t, count: [n for _, n in mistaken(s, t)], "with count=3 it should be (3,)"),
    ],
)  # fmt: skip
def test_worst_mistakes(answer, words):
    """Each slip in the worst mistakes has its sentence."""
    says(course.check_worst, answer, "worst", words)
    course.check_worst(lambda s, t, count: [n for _, n in mistaken(s, t)][:count])


def field(slip=""):
    def receptive_field(layers):
        size = step = 1
        for kernel, stride in layers:
            if slip == "early":
                step *= stride
            size += (kernel if slip == "kernel" else kernel - 1) * (1 if slip == "dense" else step)
            if slip != "early":
                step = step + stride if slip == "adds" else stride if slip == "last" else step * stride
        return size, step

    return receptive_field


@pytest.mark.parametrize(
    ("slip", "words"),
    [
        ("kernel", "a layer adds kernel - 1 steps"),
        ("early", "step grows before it is used"),
        ("dense", "(kernel - 1) · step"),
        ("adds", "strides multiply, they do not add up"),
        (
            "last",
            "last layer's stride alone; strides multiply. receptive_field([(3, 2), (3, 1)]) gives (7, 1), it should be (7, 2).",
        ),
    ],
)
def test_receptive_fields(slip, words):
    """Each slip in the recursion has its sentence."""
    says(course.check_receptive_field, field(slip), "receptive_field", words)
    course.check_receptive_field(field())


def test_facts_against_torch():
    """Size, field and step are what the net itself shows: its output's size, its gradients, its answers to crops."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.AvgPool2d(2), nn.Conv2d(2, 2, 3, padding=1), nn.AvgPool2d(2))
    picture = torch.rand(1, 1, 28, 28, requires_grad=True)
    output = net(picture)
    output[0, 0, 3, 3].backward()
    size, seen, step = facts(net)
    assert size == output.shape[-1]
    assert seen == int((picture.grad[0, 0] != 0).any(1).sum())
    large = torch.rand(1, 1, 60, 60)
    inside = net(large[..., :28, :28])[..., 2:5, 2:4]
    moved = [net(large[..., :28, by : by + 28])[..., 2:5, 1:3] for by in range(1, 8)]
    assert [by for by in range(1, 8) if torch.allclose(inside, moved[by - 1], atol=1e-6)] == [step]


def test_predictions():
    """What is off is told layer by layer, all of it at once; what is left open is told by name."""
    nets = {"trained": Net().features, "no pool": Net(pool=1).features}
    course.check_predictions({"trained": (7, 10, 4), "no pool": (28, 5, 1)}, nets)
    with pytest.raises(NotYet) as caught:
        course.check_predictions({"trained": (7, 8, 4), "no pool": (28, 5, 4)}, nets)
    first, *lines = str(caught.value).splitlines()
    assert first == "Compare layer by layer."
    assert lines[0].startswith("trained: you say field 8, and it goes 1 → 3 → 4 → 8 → 10.")
    assert lines[1].startswith("no pool: you say step 4, and it goes 1 → 1 → 1.")
    for left in (
        {"trained": (7, 10, 4)},
        {"trained": (7, 10, 4), "no pool": ...},
        {"trained": (7, 10, 4), "no pool": (28, ..., 1)},
    ):
        says(lambda one: course.check_predictions(one, nets), left, "predictions: the blank is not filled in yet")
    says(
        lambda one: course.check_predictions(one, nets),
        {"trained": (7, 10, 4), "no pool": 28},
        "three numbers are wanted of no pool, (size, field, step), not 28",
    )


@pytest.mark.parametrize("empty", [..., None])
@pytest.mark.parametrize("name", [name for name in course.__all__ if re.match("check_(?!net|predictions)", name)])
def test_blanks(name, empty):
    """A function that still gives `...`, or nothing, is told to be a blank."""
    says(
        getattr(course, name),
        lambda *_: empty,
        f"{name.removeprefix('check_')}: the blank is not filled in yet; your code goes where it says YOUR TURN",
    )


def test_a_blank_used_too_early():
    """A function that calls one that is still blank is told of the blank, not of what Python cannot do with `...`."""
    says(course.check_correlate, lambda x, w, b, s, p: x.new_zeros(... + 1), "the blank is not filled in yet")


def test_notebooks_show_no_traceback():
    """IPython shows the words alone."""
    assert NotYet("accuracy: wrong")._render_traceback_() == ["Not yet. accuracy: wrong"]
