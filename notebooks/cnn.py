# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Convolutional networks, by hand and in PyTorch
#
# 1. A convolution by hand
# 2. Its backward pass by hand
# 3. A network for Fashion-MNIST: put together and trained
# 4. How good is it, and where is it wrong?
# 5. A look inside
# 6. Change it, and predict what moves
#
# SOLUTION
# These are the solutions; `cnn.ipynb` has the blanks.
# BLANK
# # Fill in what says **YOUR TURN** and run the cell: the check at its end tells you in words what is wrong, or that it
# # is right. Later cells use what you wrote, so go from top to bottom.
# END
#
# You need `pip install 'faltung[notebook]'`, and for parts 3 to 6 the pictures of Fashion-MNIST, 31 MB, which are found
# or downloaded. Everything together takes some three minutes of one core.

# %%
import os

import numpy as np
import torch
from matplotlib import pyplot
from skimage.data import chelsea
from torch import nn

import faltung
from faltung import course, draw
from faltung.training import load
from faltung.training.batches import Normalisation

# %% [markdown]
# ## 1. A convolution by hand
#
# A kernel $w$ lies over a window of the picture $x$. Multiply the numbers that lie on each other, and add up:
#
# $$y[i, j] = \sum_{u, v} w[u, v] \cdot x[i + u,\ j + v]$$
#
# That is one output; move the window and you get the others. Strictly this is called *cross-correlation*. A convolution
# in the sense of mathematics turns the kernel by 180 degrees first; networks learn their kernels, so they need not
# care, and PyTorch's `Conv2d` does not turn.

# %%
x = torch.tensor([[5, 5, 2, 5, 5], [5, 5, 2, 5, 5], [7, 7, 5, 7, 7], [5, 5, 2, 5, 5], [5, 5, 2, 5, 5]])
w = torch.tensor([[1, 0, -1], [2, 0, -2], [1, 0, -1]])


# %% [markdown]
# **1.1** First with a single picture and a single kernel. Two loops are fine: what counts here is to see it.


# %%
def correlate_one(x, w):
    """Return y, (H - h + 1) x (W - w + 1), for a picture x, H x W, and a kernel w, h x w."""
    # SOLUTION
    height, width = w.shape
    y = x.new_zeros(x.shape[0] - height + 1, x.shape[1] - width + 1)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] = (w * x[i : i + height, j : j + width]).sum()
    return y
    # BLANK
    # # YOUR TURN: make y with x.new_zeros(rows, columns); x[i : i + height, j : j + width] is a window.
    # return ...
    # END


course.check_correlate_one(correlate_one)

# %%
y = correlate_one(x, w)
figure, axes = pyplot.subplots(1, 3, figsize=(9, 3.4), layout="constrained", width_ratios=(5, 3, 3))
figure.get_layout_engine().set(w_pad=0.2)
draw.grid(x, highlight=[(1, 0, 3, 3)], title="x, and the window of y[1, 0]", ax=axes[0])
draw.kernel(w, title="w", ax=axes[1])
draw.grid(y, highlight=[(1, 0, 1, 1)], signed=True, title="y", ax=axes[2])
pyplot.show()

# %% [markdown]
# **1.2** Two more numbers belong to a layer. *Padding* p puts p rows and columns of zeros around the picture, *stride*
# s moves the window by s pixels at a time. How many windows of `kernel` pixels fit into a row of n pixels?


# %%
def output_size(n, kernel, stride=1, padding=0):
    """Return how many outputs a row of n pixels gives."""
    # SOLUTION
    return (n + 2 * padding - kernel) // stride + 1
    # BLANK
    # # YOUR TURN: the first window begins at 0. How far can the last one move? Whole steps only.
    # return ...
    # END


course.check_output_size(output_size)

# %% [markdown]
# **1.3** Now all of it. N pictures with C channels each, O filters; every filter has a kernel for each channel, and
# their answers are added up. Then comes the filter's bias:
#
# $$y[n, o, i, j] = b[o] + \sum_{c, u, v} w[o, c, u, v] \cdot x[n, c,\ s i + u - p,\ s j + v - p]$$
#
# where x is 0 outside the picture. `torch.einsum` writes such sums as they stand, letters for indices: those that are
# missing behind the arrow are summed over.


# %%
def correlate(x, w, b, stride=1, padding=0):
    """Return y, N x O x H' x W', for pictures x, N x C x H x W, kernels w, O x C x h x w, and biases b, O."""
    # SOLUTION
    height, width = w.shape[2:]
    rows = output_size(x.shape[2], height, stride, padding)
    columns = output_size(x.shape[3], width, stride, padding)
    x = nn.functional.pad(x, (padding, padding, padding, padding))
    y = x.new_zeros(len(x), len(w), rows, columns)
    for i in range(rows):
        for j in range(columns):
            top, left = stride * i, stride * j
            window = x[:, :, top : top + height, left : left + width]
            y[:, :, i, j] = torch.einsum("ochw,nchw->no", w, window) + b
    return y
    # BLANK
    # # YOUR TURN: nn.functional.pad(x, (left, right, top, bottom)) pads with zeros. The window of y[:, :, i, j] begins
    # # at row stride * i and column stride * j; torch.einsum("ochw,nchw->no", w, window) is the triple sum.
    # return ...
    # END


course.check_correlate(correlate)

# %% [markdown]
# What for? Three kernels on a picture, red where the answer is positive, blue where it is negative. What they do is
# told by `faltung.explain`, from their numbers.

# %%
KERNELS = {
    "A": [[1, 0, -1], [2, 0, -2], [1, 0, -1]],
    "B": [[1, 2, 1], [0, 0, 0], [-1, -2, -1]],
    "C": [[0, 1, 0], [1, -4, 1], [0, 1, 0]],
}
cat = torch.tensor(chelsea()[::2, ::2].mean(-1))
answers = correlate(cat[None, None], torch.tensor(list(KERNELS.values())).double()[:, None], torch.zeros(3).double())[0]
figure, axes = pyplot.subplots(2, 2, figsize=(9, 6.4), layout="constrained")
draw.picture(cat, title="the picture", ax=axes[0, 0])
for answer, name, ax in zip(answers, KERNELS, axes.flat[1:], strict=True):
    draw.answer(answer, title=name, ax=ax)
pyplot.show()
for name, kernel in KERNELS.items():
    print(f"{name}: {faltung.explain(kernel).sentence}")

# %% [markdown]
# ## 2. Its backward pass by hand
#
# Training changes w and b against the gradient of a loss L. Backpropagation hands a layer $\partial L/\partial y$, of
# the shape of y, and asks for three things: $\partial L/\partial b$, $\partial L/\partial w$, and
# $\partial L/\partial x$, which goes on to the layer before. In code they are `dy`, `db`, `dw` and `dx`. By the chain
# rule
#
# $$\frac{\partial L}{\partial w[o, c, u, v]} = \sum_{n, i, j} \frac{\partial L}{\partial y[n, o, i, j]} \cdot
# \frac{\partial y[n, o, i, j]}{\partial w[o, c, u, v]}$$
#
# and likewise for b and x. So ask of each sum: what does an entry of y become, differentiated by that one number?
#
# **2.1** The bias. b[o] is added to y[n, o, i, j] for every n, i and j.


# %%
def gradient_bias(dy):
    """Return db, O numbers, from dy, N x O x H' x W'."""
    # SOLUTION
    return dy.sum((0, 2, 3))
    # BLANK
    # # YOUR TURN: one line.
    # return ...
    # END


course.check_gradient_bias(gradient_bias)

# %% [markdown]
# **2.2** The weights. Derive $\partial y[i, j] / \partial w[u, v]$ on paper, for one channel, with stride s and padding
# p. Then run the next cell and compare.

# %%
faltung.derive("dL/dW", "conv s=s p=p")


# %%
def gradient_weights(x, dy, kernel, stride=1, padding=0):
    """Return dw, O x C x h x w, from x, N x C x H x W, and dy, N x O x H' x W'; kernel is (h, w)."""
    # SOLUTION
    height, width = kernel
    x = nn.functional.pad(x, (padding, padding, padding, padding))
    dw = x.new_zeros(dy.shape[1], x.shape[1], height, width)
    for i in range(dy.shape[2]):
        for j in range(dy.shape[3]):
            top, left = stride * i, stride * j
            window = x[:, :, top : top + height, left : left + width]
            dw += torch.einsum("no,nchw->ochw", dy[:, :, i, j], window)
    return dw
    # BLANK
    # # YOUR TURN: go over the same windows as before. Each adds to dw: what does dy[:, :, i, j] meet in it?
    # return ...
    # END


course.check_gradient_weights(gradient_weights)

# %% [markdown]
# **2.3** The input. A pixel is read by several windows, and each sends it its share back: where windows overlap, shares
# add up. Pixels that no window reads get 0.


# %%
def gradient_input(w, dy, size, stride=1, padding=0):
    """Return dx, N x C x H x W, from w, O x C x h x w, and dy, N x O x H' x W'; size is (H, W)."""
    # SOLUTION
    height, width = w.shape[2:]
    rows, columns = size
    dx = dy.new_zeros(len(dy), w.shape[1], rows + 2 * padding, columns + 2 * padding)
    for i in range(dy.shape[2]):
        for j in range(dy.shape[3]):
            top, left = stride * i, stride * j
            dx[:, :, top : top + height, left : left + width] += torch.einsum("no,ochw->nchw", dy[:, :, i, j], w)
    return dx[:, :, padding : padding + rows, padding : padding + columns]
    # BLANK
    # # YOUR TURN: collect the shares in a dx that is as large as the padded picture; cut the padding off at the end.
    # return ...
    # END


course.check_gradient_input(gradient_input)

# %% [markdown]
# Look at the three lines with `einsum`. Forward, dw and dx are *one* sum over products of a weight, a pixel and an
# output; each leaves another of the three out. That is why the gradients of a convolution are convolutions again.
#
# With your functions as its forward and backward pass, a layer of your own: PyTorch never looks inside. `gradcheck`
# wiggles every number a little, and compares.


# %%
class ByHand(torch.autograd.Function):
    """Your convolution as a function that PyTorch can train."""

    @staticmethod
    def forward(ctx, x, w, b, stride, padding):
        """Compute y, and keep what the backward pass needs."""
        ctx.save_for_backward(x, w)
        ctx.stride, ctx.padding = stride, padding
        return correlate(x, w, b, stride, padding)

    @staticmethod
    def backward(ctx, dy):
        """Return a gradient for each argument of forward; stride and padding have none."""
        x, w = ctx.saved_tensors
        dx = gradient_input(w, dy, x.shape[2:], ctx.stride, ctx.padding)
        dw = gradient_weights(x, dy, w.shape[2:], ctx.stride, ctx.padding)
        return dx, dw, gradient_bias(dy), None, None


x, w, b = (torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in ((2, 2, 6, 5), (3, 2, 3, 3), (3,)))
torch.autograd.gradcheck(lambda x, w, b: ByHand.apply(x, w, b, 2, 1), (x, w, b))

# %% [markdown]
# ## 3. A network for Fashion-MNIST
#
# 70,000 pictures of clothes in ten classes, 28 x 28 pixels, grey. 10,000 of them are the test half: they are asked
# once, at the end. Some of the others are set aside to see how the training goes (*validation*).

# %%
BUDGET = os.environ.get("FALTUNG_COURSE_BUDGET", "full")  # or "small", for a quick first look
PICTURES = {"small": 1_000, "full": 60_000}[BUDGET]
EPOCHS = 4

data = load("fashion-mnist", fetch=True)
print(data)
data = data.subset(min(PICTURES, len(data.pictures)))
normalise = Normalisation.of(torch.tensor(data.pictures))
everything, labels = normalise(torch.tensor(data.pictures)), torch.tensor(data.labels)
held = len(labels) // 12
pictures, labels, validation, validation_labels = everything[held:], labels[held:], everything[:held], labels[:held]
test_bytes, test_labels = torch.tensor(data.test_pictures[:PICTURES]), torch.tensor(data.test_labels[:PICTURES])
test = normalise(test_bytes)
example = torch.zeros(1, 1, 28, 28)

# %%
examples = np.stack([np.flatnonzero(data.labels == label)[:3] for label in range(10)], axis=1).flatten()
names = [data.classes[data.labels[number]] for number in examples]
draw.wall(data.pictures[examples, 0], names, columns=10, title="three of each class")
pyplot.show()

# %% [markdown]
# **3.1** Put a network together: two convolutions with 16 and 32 filters, each followed by `nn.ReLU()` and
# `nn.MaxPool2d(pool)`; then a linear layer that makes ten scores of all features. Kernel, padding, stride and pool are
# arguments: they hold for both convolutions, and part 6 changes them. How many numbers does the linear layer read?


# %%
class Net(nn.Module):
    """Two convolutions and a linear layer, for pictures of 1 x 28 x 28."""

    def __init__(self, kernel=3, padding=1, stride=1, pool=2):
        super().__init__()
        # SOLUTION
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, kernel, stride, padding),
            nn.ReLU(),
            nn.MaxPool2d(pool),
            nn.Conv2d(16, 32, kernel, stride, padding),
            nn.ReLU(),
            nn.MaxPool2d(pool),
        )
        side = 28
        for _ in range(2):
            side = output_size(side, kernel, stride, padding)
            side = output_size(side, pool, pool)  # pooling has windows too, and its stride is their size
        self.classify = nn.Linear(32 * side * side, 10)
        # BLANK
        # # YOUR TURN: self.features is an nn.Sequential of six layers, self.classify an nn.Linear.
        # # output_size tells how the side of 28 changes; a pool is a window whose stride is its size.
        # self.features = ...
        # self.classify = ...
        # END
        self.drop = nn.Dropout(0.25)

    def forward(self, x):
        """Return scores, N x 10, of pictures, N x 1 x 28 x 28."""
        return self.classify(self.drop(self.features(x).flatten(1)))


course.check_net(Net)

# %%
print(faltung.capture(Net().eval(), example).table())

# %% [markdown]
# **3.2** The training loop, one epoch of it. For every batch: ask the net for its scores, compute the loss with
# `nn.functional.cross_entropy(scores, labels)`, clear the old gradients, compute the new ones, make a step.


# %%
def train_epoch(net, optimiser, batches):
    """Train with every batch (pictures, labels) once; return the mean loss of a picture, as a number."""
    # SOLUTION
    net.train()
    total, count = 0.0, 0
    for pictures, labels in batches:
        loss = nn.functional.cross_entropy(net(pictures), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        total += loss.item() * len(labels)
        count += len(labels)
    return total / count
    # BLANK
    # # YOUR TURN: net.train() switches dropout on. loss.item() is the loss as a number, the mean over its batch.
    # return ...
    # END


course.check_train_epoch(train_epoch)

# %% [markdown]
# **3.3** To ask a trained net, switch dropout off (`net.eval()`) and let PyTorch keep nothing for gradients
# (`with torch.no_grad():`). In batches, for memory's sake.


# %%
def predict(net, pictures, batch=250):
    """Return the scores, N x 10, of all pictures, N x 1 x 28 x 28."""
    # SOLUTION
    net.eval()
    with torch.no_grad():
        return torch.cat([net(part) for part in pictures.split(batch)])
    # BLANK
    # # YOUR TURN: pictures.split(batch) gives the batches, torch.cat(list) puts their scores below each other.
    # return ...
    # END


course.check_predict(predict)


# %%
def accuracy(scores, labels):
    """Return the share of pictures, from 0 to 1, whose highest score is that of their label."""
    # SOLUTION
    return (scores.argmax(1) == labels).float().mean().item()
    # BLANK
    # # YOUR TURN: scores.argmax(axis) tells where the highest score is.
    # return ...
    # END


course.check_accuracy(accuracy)


# %%
def shuffled(pictures, labels, batch=100):
    """Give all pictures and labels, in batches, in a new order each time."""
    for chosen in torch.randperm(len(labels)).split(batch):
        yield pictures[chosen], labels[chosen]


def fit(net, epochs):
    """Train a net for some epochs and return what was seen after each."""
    optimiser = torch.optim.AdamW(net.parameters(), lr=2e-3)
    rows = []
    for epoch in range(1, epochs + 1):
        loss = train_epoch(net, optimiser, shuffled(pictures, labels))
        scores = predict(net, validation)
        row = {
            "epoch": epoch,
            "loss": loss,
            "validation_loss": nn.functional.cross_entropy(scores, validation_labels).item(),
            "validation_accuracy": accuracy(scores, validation_labels),
        }
        rows.append(row)
        print(*(f"{name} {value:.4g}" for name, value in row.items()), sep="   ")
    return rows


torch.manual_seed(0)
net = Net()
rows = fit(net, EPOCHS)
figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
draw.curves(rows, "loss", ax=axes[0])
draw.curves(rows, "accuracy", ax=axes[1])
pyplot.show()

# %% [markdown]
# The loss in training may well lie above that in validation: it is the mean over an epoch in which the net was still
# learning, and with dropout.
#
# ## 4. How good is it, and where is it wrong?
#
# Now the test half.

# %%
scores = predict(net, test)
print(f"test accuracy {accuracy(scores, test_labels):.2%}")

# %% [markdown]
# **4.1** Who is taken for whom?


# %%
def confusion(scores, labels):
    """Return counts, classes x classes: row i, column j has the pictures of class i that were taken for class j."""
    # SOLUTION
    classes = scores.shape[1]
    counts = torch.zeros(classes, classes, dtype=torch.int64)
    for label, taken in zip(labels, scores.argmax(1), strict=True):
        counts[label, taken] += 1
    return counts
    # BLANK
    # # YOUR TURN: a loop over zip(labels, scores.argmax(1)) will do.
    # return ...
    # END


course.check_confusion(confusion)

# %%
figure, ax = pyplot.subplots(figsize=(7, 6), layout="constrained")
draw.confusion(confusion(scores, test_labels), data.classes, ax=ax)
pyplot.show()

# %% [markdown]
# **4.2** Which wrong answers was it surest of? Those with the largest loss. `cross_entropy(…, reduction="none")` gives
# the loss of each picture.


# %%
def worst(scores, labels, count):
    """Return the numbers of so many pictures with wrong answers, that of the largest loss first."""
    # SOLUTION
    losses = nn.functional.cross_entropy(scores, labels, reduction="none")
    losses[scores.argmax(1) == labels] = -1  # right answers come last
    return losses.argsort(descending=True)[:count]
    # BLANK
    # # YOUR TURN: losses.argsort(descending=True) sorts all pictures. How do you keep the right answers out?
    # return ...
    # END


course.check_worst(worst)

# %%
numbers = worst(scores, test_labels, 15)
taken = scores.argmax(1)
names = [f"{data.classes[test_labels[n]]}\ntaken for {data.classes[taken[n]]}" for n in numbers]
draw.wall(test_bytes[numbers, 0], names, columns=5, title="the surest mistakes")
pyplot.show()

# %% [markdown]
# Would you have done better? Some of the labels are wrong, too.
#
# ## 5. A look inside
#
# **The filters** of the first convolution, and what `faltung.explain` says of them from their numbers alone. Expect
# little: nothing asks one filter to be an edge detector, as long as sixteen together tell clothes apart.

# %%
filters = net.features[0].weight.detach()[:, 0]
draw.wall(filters, [f"filter {number}" for number in range(16)], columns=8, signed=True)
pyplot.show()
explained = [faltung.explain(kernel.numpy()) for kernel in filters]
for number, found in enumerate(explained):
    if found.kind != "none":
        print(f"filter {number}: {found.sentence}")
print(f"no simple description: {sum(found.kind == 'none' for found in explained)} of {len(explained)}")

# %% [markdown]
# **Feature maps**: what the filters answer to a picture, behind the rectifier. Hold a map beside its filter: which
# edges does it show, and from which side?

# %%
chosen = int(np.flatnonzero(test_labels == 9)[0])  # an ankle boot
maps = net.features[:2](test[chosen : chosen + 1])[0].detach()
shown = torch.cat([normalise(test_bytes[chosen]), maps])
draw.wall(shown, ["the picture", *(f"filter {number}" for number in range(16))], columns=6)
pyplot.show()

# %% [markdown]
# A frame around some maps? Behind `normalise` black is below 0, and the padding is 0: the net sees a brighter border.
#
# **5.1** How much of the picture does a feature see? Go through the layers, and keep two numbers: the size of what a
# unit sees, and the step, how many pixels lie between what neighbouring units see.


# %%
def receptive_field(layers):
    """Return (size, step), in pixels, for layers [(kernel, stride), …], the first layer first."""
    # SOLUTION
    size, step = 1, 1
    for kernel, stride in layers:
        size += (kernel - 1) * step
        step *= stride
    return size, step
    # BLANK
    # # YOUR TURN: before the first layer, a unit is a pixel: size 1, step 1. A layer's window holds `kernel` units of
    # # the layer before, which lie `step` pixels apart.
    # return ...
    # END


course.check_receptive_field(receptive_field)

# %%
print(receptive_field([(3, 1), (2, 2), (3, 1), (2, 2)]))
network = faltung.capture(net.features.eval(), example)
units = {"0": (14, 14), "2": (7, 7), "3": (7, 7), "5": (3, 3)}
figure, axes = pyplot.subplots(1, 5, figsize=(13, 3), layout="constrained")
for (layer, (y, x)), ax in zip(units.items(), axes, strict=False):
    field = network.receptive_field(unit={"y": y, "x": x}, layer=layer)
    title = f"unit ({y}, {x}) of\nlayer {layer}, {type(net.features[int(layer)]).__name__}"
    draw.field(field, image=test_bytes[chosen, 0], title=title, ax=ax)
corner = network.receptive_field(unit={"y": 0, "x": 6}, layer="5")
draw.field(corner, image=test_bytes[chosen, 0], title="unit (0, 6):\npadding is no picture", ax=axes[4])
pyplot.show()

# %% [markdown]
# **Does it move with its picture?** A convolution is *equivariant*: shift its input, and its output shifts along.
# Stride and pooling leave less of that, and padding spoils it along the border. `faltung.check` proves what holds, and
# measures it by running the trained net on crops of a larger picture.

# %%
report = faltung.check(net.features, example, shifts=range(1, 9))
print(report.output().movement("x").sentence())
figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
draw.lattice(report, title=f"{report.output().share:.0%} of the units: no padding has touched them", ax=axes[0])
draw.shift_error(report.measured, axis="x", title="how far the features are from moving along", ax=axes[1])
pyplot.show()

# %% [markdown]
# The error is 0 where the shift is a multiple of 4, on the units that no padding has touched; by 1, 2 or 3 pixels no
# whole step fits. And the whole net?

# %%
print(faltung.check(net, example, measure=False).output().movement("x").culprits[0])

# %% [markdown]
# Behind the features, a linear layer has a weight for each place: a boot one step to the left is a different thing to
# it.
#
# ## 6. Change it, and predict what moves
#
# **6.1** Before you run anything, predict for each change: the *size* of the last features (rows), the receptive
# *field* (rows) and the *step* by which the picture must move for the features to move by one. The first line is done.

# %%
CHANGES = {
    "as trained": {},
    "no padding": {"padding": 0},
    "kernel 5": {"kernel": 5, "padding": 2},
    "stride for pool": {"stride": 2, "pool": 1},
    "no pool": {"pool": 1},
    "pool 3": {"pool": 3},
}
predictions = {
    "as trained": (7, 10, 4),  # size, field, step
    # SOLUTION
    "no padding": (5, 10, 4),
    "kernel 5": (7, 16, 4),
    "stride for pool": (7, 7, 4),
    "no pool": (28, 5, 1),
    "pool 3": (3, 17, 9),
    # BLANK
    # "no padding": ...,  # YOUR TURN
    # "kernel 5": ...,
    # "stride for pool": ...,
    # "no pool": ...,
    # "pool 3": ...,
    # END
}

course.check_predictions(predictions, {name: Net(**change).features for name, change in CHANGES.items()})

# %% [markdown]
# Now train each for one epoch, and one more net: it takes the *mean* of every feature over all places in place of a
# weight for each place. How much do they lose if the test pictures are moved to the right? **Predict first:** which
# line falls fastest, which slowest?


# %%
class MeanNet(Net):
    """The same features; their mean over all places is what is classified."""

    def __init__(self):
        super().__init__()
        self.classify = nn.Linear(32, 10)

    def forward(self, x):
        """Return scores, N x 10, of pictures, N x 1 x 28 x 28."""
        return self.classify(self.features(x).mean((2, 3)))


def moved(by):
    """Return 1,000 test pictures with all that is on them `by` pixels further to the right, and black behind."""
    return normalise(nn.functional.pad(test_bytes[:1000], (by, 0))[..., :28])


nets = {}
for name, change in CHANGES.items():
    torch.manual_seed(0)
    nets[name] = Net(**change)
torch.manual_seed(0)
nets["mean of places"] = MeanNet()
for name, changed in nets.items():
    print(f"{name}: ", end="")
    fit(changed, 1)

# %%
SHIFTS = range(9)
figure, ax = pyplot.subplots(figsize=(8, 4.4), layout="constrained")
for name, changed in nets.items():
    found = [accuracy(predict(changed, moved(by)), test_labels[:1000]) for by in SHIFTS]
    output = faltung.check(changed.features, example, measure=False).output()
    untouched = f"{output.share:.0%} untouched, step {output.movement('x').step}"
    ax.plot(SHIFTS, found, "o-", markersize=3, label=f"{name}: {found[0]:.1%} ({untouched})")
ax.axhline(0.1, color="grey", linestyle=":")
ax.set(xlabel="test pictures moved by, pixels", ylabel="accuracy", ylim=(0, 1))
ax.legend(fontsize=8)
pyplot.show()

# %% [markdown]
# SOLUTION
# Accuracy falls where the features move along exactly, because the linear layer has its own weight for each place:
# features that moved meet the weights of other places. The mean forgets the places, so a shift by whole steps changes
# it only by what enters and leaves at the border. That costs accuracy, for places tell clothes apart, and the net has
# fewer weights. The line is not flat: between whole steps pooling answers differently, padding tells the border from
# the middle, and what is moved out of the picture is gone. More filters, or one more convolution, give the mean more to
# tell apart.
# BLANK
# # **YOUR TURN**, in words: Why does accuracy fall even where the features move along exactly? Why does the mean help,
# # what does it cost, and why is it not a flat line? What would you change to have both?
# END
