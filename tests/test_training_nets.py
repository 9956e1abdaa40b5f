"""Nets and what stands around them: each is taken by table, sees and check; whitening whitens, Muon makes orthogonal."""

import sys
from dataclasses import replace
from typing import get_type_hints

import numpy as np
import pytest
import torch

import faltung
from faltung import cli
from faltung.errors import FaltungError
from faltung.training.commands import train
from faltung.training.nets import NETS, LeNet5, classifier
from faltung.training.optimisers import orthogonal
from faltung.training.recipe import RECIPES, Recipe
from faltung.training.running import Average, build
from faltung.training.whitening import Whitening

CLASSES = {name: made.__name__ for name, made in NETS.items()}


@pytest.mark.parametrize("name", NETS)
def test_the_questions_are_answered_of_every_net(monkeypatch, capsys, name):
    """table, sees and check take each net by its name, with nothing unknown."""
    net = f"faltung.training.nets:{CLASSES[name]}"
    unit, layer = ("y=9,x=9", []) if name == "u-net" else ("c=0", [])
    for question in (
        ["table"],
        ["sees", "--unit", unit, "--pixel", "y=0,x=27", *layer],
        ["check", "--no-measure"],
    ):
        command = ["faltung", question[0], net, "--input", "1x1x28x28", *question[1:]]
        monkeypatch.setattr(sys, "argv", command)
        with pytest.raises(SystemExit) as left:
            cli.main()
        said = capsys.readouterr()
        assert left.value.code in (0, None), said.err
        assert "unknown" not in said.out
        assert "not proved" not in said.out
        if question[0] == "sees":
            assert said.out.startswith("Yes")


def test_the_u_net_moves_with_its_picture():
    """Two poolings by 2 and back up: shifts by 4 pixels move the answer by 4, and no smaller ones do."""
    report = faltung.check(NETS["u-net"]().eval(), torch.zeros(1, 1, 64, 64), measure=False)
    assert "shift the input by 4, the output moves by 4" in report.output().movement("y").sentence()


def test_published_sizes():
    """LeNet-5 on 32x32 has the maps of the paper: 6@28, 16@10, 120@1; its parameters follow from them."""
    net = LeNet5()
    x, shapes = torch.zeros(1, 1, 28, 28), []
    for layer in net.features:
        x = layer(x)
        shapes.append(tuple(x.shape[1:]))
    assert [shapes[0], shapes[2], shapes[3], shapes[5], shapes[6]] == [
        (6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5), (120, 1, 1),
    ]  # fmt: skip
    sizes = 6 * (25 + 1) + 16 * (6 * 25 + 1) + 120 * (16 * 25 + 1) + 84 * (120 + 1) + 10 * (84 + 1)
    assert sum(weight.numel() for weight in net.parameters()) == sizes


def test_the_quick_vgg_shrinks_early():
    """Its maps halve three times before the normalisations; weights are counted as 9CF a kernel, 2F a normalisation."""
    net, shapes = NETS["quick-vgg"](width=16), []
    x = torch.zeros(1, 1, 28, 28)
    for layer in net.features:
        x = layer(x)
        shapes.append(tuple(x.shape[1:]))
    assert shapes == [(16, 14, 14), (16, 14, 14), (32, 7, 7), (32, 7, 7), (64, 3, 3), (64, 3, 3)]
    kernels = 9 * (1 * 16 + 16 * 16 + 16 * 32 + 32 * 32 + 32 * 64 + 64 * 64)
    offsets = 2 * (16 + 16 + 32 + 32 + 64 + 64)
    assert sum(weight.numel() for weight in net.parameters()) == kernels + offsets + 64 * 10 + 10


@pytest.mark.parametrize("name", [name for name in NETS if name not in ("u-net", "lenet")])
def test_the_width_is_that_of_the_first_layer(name):
    """The first convolution has as many filters as the width says; 0 is the net's own."""
    widths = {}
    for width in (0, 8):
        model = build(Recipe(net=name, width=width), (1, 28, 28), 10)
        widths[width] = next(module for module in model.modules() if isinstance(module, torch.nn.Conv2d)).out_channels
    assert widths[8] == 8
    assert widths[0] > 8


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_has_its_net(name):
    """The nets of all recipes can be made and score Fashion-MNIST's pictures; every recipe goes through `--set`."""
    recipe = RECIPES[name]
    assert build(recipe, (1, 28, 28), 10)(torch.zeros(3, 1, 28, 28)).shape == (3, 10)
    assert Recipe().with_settings([f"{entry}={value}" for entry, value in recipe.to_dict().items()]) == recipe


@pytest.mark.parametrize("name", [name for name in NETS if name != "u-net"])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)])
@pytest.mark.parametrize("whitening", [False, True])
def test_classifiers(name, shape, whitening):
    """Every classifier takes MNIST's and CIFAR's sizes, behind a whitening layer too, and learns all its weights."""
    model = build(Recipe(net=name, whitening=whitening), shape, 7).train()
    model(torch.randn(2, *shape)).square().sum().backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in model.parameters())


def test_the_help_names_every_net_and_recipe():
    """`faltung train --help` names all that can be asked for: it does not import PyTorch to find out."""
    helps = {
        name: hint.__metadata__[0].help
        for name, hint in get_type_hints(train, include_extras=True).items()
        if hasattr(hint, "__metadata__")
    }
    assert helps["net"] == f"{', '.join(name for name in NETS if name != 'u-net')}, or a model such as file.py:Class."
    assert helps["recipe"] == "default, best or tutorial."
    assert list(RECIPES) == ["default", "best", "tutorial"]


def test_both_images_get_one_answer():
    """That the best recipe's net answers to a picture and to its mirror image alike is proved, and measured."""
    model = build(replace(RECIPES["best"], width=4), (1, 28, 28), 10).eval()
    report = faltung.check(model, torch.zeros(1, 1, 28, 28))
    assert [one.holds for one in report.output().symmetries] == [False, True, False]
    assert not report.measured.against()


def test_refusals():
    """Sizes that a net does not take are told."""
    with pytest.raises(FaltungError, match="LeNet-5 needs pictures of 14x14 or more, not 13x13"):
        classifier("lenet", 1, 10, 13)
    with pytest.raises(FaltungError, match="lenet has the widths of its paper, and no width of 8"):
        build(Recipe(net="lenet", width=8), (1, 28, 28), 10)
    with pytest.raises(FaltungError, match=r"width is for the nets that have a name, and torch\.nn:Flatten is a model"):
        build(Recipe(net="torch.nn:Flatten", width=8), (1, 28, 28), 10)
    with pytest.raises(FaltungError, match="lenet is for square pictures, not 28x30"):
        build(Recipe(net="lenet"), (1, 28, 30), 10)
    with pytest.raises(FaltungError, match="vgg does not take pictures of 1x2x2: "):
        build(Recipe(net="vgg"), (1, 2, 2), 10)


def test_whitening_whitens():
    """Over the patches that it was made from, answers are uncorrelated with variance 1; the other half is the negated."""
    numbers = torch.Generator().manual_seed(0)
    pictures = torch.randn(40, 2, 12, 12, generator=numbers).cumsum(3)
    pictures = (pictures - pictures.mean()) / pictures.std()
    layer = Whitening(2)
    layer.fit(pictures, least=0.0)
    found = layer(pictures).double()
    assert torch.equal(found[:, :8], -found[:, 8:])
    covariance = np.cov(found[:, :8].transpose(0, 1).flatten(1).numpy())
    assert np.allclose(covariance, np.eye(8), atol=1e-3)
    assert layer.answers == 16


@pytest.mark.parametrize("shape", [(6, 40), (40, 6), (9, 9)])
def test_muon_makes_orthogonal(shape):
    """The singular vectors stay, and the singular values come near 1, as SVD has them."""
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    found = left.mT @ orthogonal(matrix) @ right.mT
    assert values.max() / values.min() > 1.5
    assert found.diag().min() > 0.6
    assert found.diag().max() < 1.3
    assert (found - found.diag().diag()).abs().max() < 1e-4


@pytest.mark.parametrize("shape", [(6, 40), (40, 6), (64, 576)])
def test_muon_iterates_as_published(shape):
    """Steps on the small square come to those on the matrix: x -> 3.4445 x - 4.7750 (x xᵀ) x + 2.0315 (x xᵀ)² x, 5 times."""
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    x = matrix.double() / matrix.double().norm()
    for _ in range(5):
        x = 3.4445 * x - 4.7750 * (x @ x.mT) @ x + 2.0315 * (x @ x.mT) @ (x @ x.mT) @ x
    torch.testing.assert_close(orthogonal(matrix).double(), x, rtol=0, atol=1e-5)


def test_the_average_is_exponential():
    """After many steps the average is (1 - d) sum of d^k times the weights of k steps ago, but for how it began."""
    model = torch.nn.Linear(1, 1, bias=False)
    average = Average(model, decay=0.5)
    seen = []
    for step in range(1, 40):
        with torch.no_grad():
            model.weight.fill_(float(step % 7))
        average.take(model, step)
        seen.append(step % 7)
    expected = sum(0.5 * 0.5**back * value for back, value in enumerate(reversed(seen)))
    assert float(average.tensors["weight"]) == pytest.approx(expected, abs=1e-6)
