"""Models by name: found, run only when named, and never unpickled."""

import json
import pickle
import re
import sys
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from faltung import FaltungError, cli, effective_receptive_field, models

CODE = """
import torch.nn as nn
class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(1, 2, 3, 2, 1), nn.ReLU(), nn.Conv2d(2, 1, 3, padding=1))
def make():
    return Net()
ready = Net()
class Needs(nn.Module):
    def __init__(self, width):
        super().__init__()
def nothing():
    return 3
"""


@pytest.fixture
def code(tmp_path, monkeypatch):
    """Write a file with models and stand beside it."""
    (tmp_path / "mynets.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("mynets", None)


@pytest.mark.parametrize("reference", ["mynets:Net", "mynets:make", "mynets:ready", "mynets.py:Net"])
def test_models_are_found(code, reference):
    """A class, a function or a module, by package or by file; ready for evaluation."""
    model = models.load(reference)
    assert type(model).__name__ == "Net"
    assert not model.training


def test_weights_come_from_safetensors(code):
    """The file's numbers are the model's."""
    state = {name: torch.randn_like(value) for name, value in models.load("mynets:Net").state_dict().items()}
    save_file(state, code / "w.safetensors")
    loaded = models.load("mynets:Net", code / "w.safetensors").state_dict()
    assert all(torch.equal(state[name], loaded[name]) for name in state)


@pytest.mark.parametrize(
    ("reference", "weights", "text"),
    [
        ("mynets:Nat", None, "mynets has no 'Nat'"),
        ("mynot:Net", None, "mynot cannot be imported: ModuleNotFoundError: No module named 'mynot'"),
        ("mynot.py:Net", None, "mynot.py: there is no such file"),
        ("mynets:Needs", None, "mynets:Needs cannot be called without arguments: TypeError: "),
        ("mynets:nothing", None, "mynets:nothing gives a int, not a torch.nn.Module"),
        ("mynets:Net", "no.safetensors", "no.safetensors: there is no such file"),
        ("mynets:Net", "mynets.py", "mynets.py is no safetensors file: "),
        ("no.pt2", None, "no.pt2: there is no such file"),
        ("mynets.py.pt2", "w", "mynets.py.pt2 is an exported program and has its weights; leave out w"),
    ],
)
def test_refusals(code, reference, weights, text):
    """What cannot be loaded is named."""
    with pytest.raises(FaltungError, match=f"^{re.escape(text)}"):
        models.load(reference, weights)


def test_exported_programs(code, monkeypatch, capsys):
    """A .pt2 file answers like the model; one with a pickled object inside is refused and nothing runs."""
    program = torch.export.export(models.load("mynets:Net"), (torch.zeros(1, 1, 8, 8),))
    torch.export.save(program, code / "net.pt2")
    monkeypatch.setattr(sys, "argv", ["faltung", "field", "net.pt2", "--unit", "y=1,x=1", "--json"])
    with pytest.raises(SystemExit):
        cli.main()
    assert json.loads(capsys.readouterr().out)["box"] == {"y": [0, 5], "x": [0, 5]}

    class Evil:
        def __reduce__(self):
            return (open, (str(code / "ran"), "w"))

    with zipfile.ZipFile(code / "net.pt2") as whole, zipfile.ZipFile(code / "evil.pt2", "w") as damaged:
        for name in whole.namelist():
            is_tensors = "sample_inputs" in name or name.endswith(".pt")
            damaged.writestr(name, pickle.dumps(Evil()) if is_tensors else whole.read(name))
    with pytest.raises(FaltungError):
        models.load(str(code / "evil.pt2"))
    assert not (code / "ran").exists()


def test_the_command_says_that_it_runs_code(code, monkeypatch, capsys):
    """Naming a model runs its code, and the command says so; the answer itself stays clean."""
    monkeypatch.setattr(
        sys,
        "argv",
        ["faltung", "sees", "mynets.py:Net", "--input", "1x1x20x20", "--unit", "y=0,x=0", "--pixel", "y=9,x=9"],
    )
    with pytest.raises(SystemExit) as left:
        cli.main()
    said = capsys.readouterr()
    assert not left.value.code
    assert said.err == "running the code of mynets.py\n"
    assert said.out.startswith("No. 2 (y=0, x=0) reads 16 pixels: y 0..3 and x 0..3;")


def test_effective_fields_from_the_command_line(code, monkeypatch, capsys):
    """`faltung erf` measures a model and predicts a chain; the mass lies inside the theoretical field."""
    for net, size in (("mynets.py:Net", "1x1x20x20"), ("conv k=3 s=2 p=1, conv k=3 p=1", "20x20")):
        monkeypatch.setattr(
            sys,
            "argv",
            ["faltung", "erf", net, "--input", size, "--unit", "y=5,x=5", "--n", "4", "--json", "--plot", "e.png"],
        )
        with pytest.raises(SystemExit) as left:
            cli.main()
        answer = json.loads(capsys.readouterr().out)
        assert not left.value.code
        assert answer["field"]["box"] == {"y": [7, 13], "x": [7, 13]}
        assert (code / "e.png").stat().st_size > 1000


def test_effective_fields_of_programs_and_of_batches_of_ones_own(code, monkeypatch, capsys):
    """A program's gradients are those of its model; a batch in a .npy file is averaged over as it is."""

    def ask(net, *more):
        monkeypatch.setattr(sys, "argv", ["faltung", "erf", net, "--unit", "y=5,x=5", "--json", *more])
        with pytest.raises(SystemExit) as left:
            cli.main()
        assert not left.value.code
        return json.loads(capsys.readouterr().out)

    torch.manual_seed(0)
    model = models.load("mynets:Net")
    save_file(model.state_dict(), code / "w.safetensors")
    torch.export.save(torch.export.export(model, (torch.zeros(1, 1, 20, 20),)), code / "net.pt2")
    of_model = ask("mynets:Net", "--input", "1x1x20x20", "--weights", "w.safetensors", "--n", "3")
    assert np.allclose(ask("net.pt2", "--n", "3")["mass"], of_model["mass"])
    pictures = np.random.default_rng(0).standard_normal((2, 1, 20, 20))
    np.save(code / "batch.npy", pictures)
    found = ask("net.pt2", "--batch", "batch.npy")
    unit = {"y": 5, "x": 5}
    given = effective_receptive_field(model, unit=unit, inputs=torch.from_numpy(pictures).float())
    assert found["inputs"] == 2
    assert np.allclose(found["mass"], given.mass[7:14, 7:14])


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (
            ["table", "mynets.py:Net"],
            "mynets.py:Net is a model and needs the shape of its input, such as --input 1x3x224x224",
        ),
        (
            ["table", "mynets.py:Net", "--input", "1x1x0x8"],
            "input shape '1x1x0x8' must be whole numbers joined by x, such as 1x3x224x224",
        ),
    ],
)
def test_mistakes_on_the_command_line(code, monkeypatch, capsys, arguments, error):
    """One line, exit code 2."""
    monkeypatch.setattr(sys, "argv", ["faltung", *arguments])
    with pytest.raises(SystemExit) as left:
        cli.main()
    said = capsys.readouterr()
    assert (left.value.code, said.err.splitlines()[-1]) == (2, f"faltung: {error}")


def test_references_are_told_from_chains():
    """A chain of layers is never taken for a model."""
    assert models.is_reference("a.b:C")
    assert models.is_reference("./x/net.py:make")
    assert not models.is_reference("conv k=3, conv k=3")
