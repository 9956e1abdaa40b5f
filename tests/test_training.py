"""Training: the loop is the plain one, a run is a function of its seed, and nothing that breaks it off changes it."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn

from faltung.errors import FaltungError
from faltung.training import RECIPES, Predictor, Recipe, load, loop
from faltung.training.batches import Moves, Normalisation, cut, moved, order, split
from faltung.training.evaluation import Answers
from tests.test_training_data import write_set
from tests.training_runs import PLAIN, TINY, assert_same_run, metrics, weights

QUICK = Recipe(
    net=TINY, epochs=3, batch=32, optimiser="sgd", learning_rate=0.05, label_smoothing=0.05, average=0.9, shift=2,
    cutout=5, validation=0.2,
)  # fmt: skip


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Write 320 pictures for training and 100 for the test, as IDX files."""
    path = tmp_path_factory.mktemp("data")
    write_set(path / "mnist", train=320, test=100)
    return path


@pytest.fixture(scope="session")
def data(folder):
    """Read them."""
    return load("mnist", data=folder)


def test_the_loop_is_the_plain_one(data, tmp_path):
    """Without augmentation a run is what ten lines of PyTorch make of the same batches."""
    recipe = Recipe(
        net=PLAIN, epochs=2, batch=32, optimiser="sgd", learning_rate=0.05, warm_up=0, decay="constant", shift=0,
        flip=False, label_smoothing=0.1, validation=0.2, channels_last=False, weight_decay=0.01, precision="float32",
    )  # fmt: skip
    loop.train(data, tmp_path / "run", recipe, device="cpu", seed=3)
    torch.manual_seed(loop.seed_for(3, "weights"))
    from tests.training_runs import Plain

    model = Plain()
    chosen, _ = split(320, 0.2, 3)
    pictures = torch.tensor(data.pictures[chosen.numpy()], dtype=torch.float64)
    x = ((torch.tensor(data.pictures) - pictures.mean()) / pictures.std(correction=0)).float()
    y = torch.tensor(data.labels)
    matrices = [model.convolve.weight, model.classify.weight]
    rest = [weight for weight in model.parameters() if weight.ndim == 1]
    optimiser = torch.optim.SGD(
        [{"params": matrices, "weight_decay": 0.01}, {"params": rest}], lr=0.05, momentum=0.9, nesterov=True
    )
    for epoch in range(2):
        for batch in order(chosen, 32, 3, epoch):
            loss = nn.functional.cross_entropy(model(x[batch]), y[batch], label_smoothing=0.1)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    for name, tensor in weights(tmp_path / "run").items():
        torch.testing.assert_close(tensor, model.state_dict()[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "settings",
    [[], ["optimiser=adamw", "learning_rate=0.003"], ["optimiser=muon", "channels_last=no", "average=0"], ["net=lenet", "whitening=yes"], ["mirrored=yes"], ["precision=bfloat16", "decay=cosine", "channels_last=no"]],
    ids=["sgd", "adamw", "muon", "whitening", "mirrored", "bfloat16"],
)  # fmt: skip
def test_a_broken_run_ends_as_an_unbroken_one(data, tmp_path, settings):
    """Stopped within an epoch and at the end of one, a run ends with the same weights, metrics and results to the bit."""
    recipe = QUICK.with_settings(settings)
    loop.train(data, tmp_path / "whole", recipe, device="cpu")
    steps = iter([False] * 3 + [True])
    with pytest.raises(loop.Interrupted):
        loop.train(data, tmp_path / "broken", recipe, device="cpu", stop=lambda: next(steps))
    assert not (tmp_path / "broken" / "weights.safetensors").exists()
    steps = iter([False] * 3 + [True])  # to the last step of the first epoch: 256 pictures are 8 steps
    with pytest.raises(loop.Interrupted):
        loop.resume(data, tmp_path / "broken", device="cpu", stop=lambda: next(steps))
    loop.resume(data, tmp_path / "broken", device="cpu")
    assert_same_run(tmp_path / "whole", tmp_path / "broken")
    assert [row["epoch"] for row in metrics(tmp_path / "whole")] == [1, 2, 3]


def test_a_death_within_an_epoch(data, tmp_path, monkeypatch):
    """A run that dies at any step, saving nothing more, goes on from its last checkpoint to the same end."""
    monkeypatch.setattr(loop, "SAVE_EVERY", 0.0)  # a checkpoint after every step
    loop.train(data, tmp_path / "whole", QUICK, device="cpu")

    def die(now: loop.Now) -> None:
        if (now.epoch, now.step) == (1, 5):
            raise MemoryError

    with pytest.raises(MemoryError):
        loop.train(data, tmp_path / "broken", QUICK, device="cpu", watch=die)
    (tmp_path / "broken" / ".faltung-0123456789abcdef.safetensors").write_bytes(b"half")  # what kill -9 may leave
    assert [row["epoch"] for row in metrics(tmp_path / "broken")] == [1]
    first = []
    loop.resume(data, tmp_path / "broken", device="cpu", watch=lambda now: first.append((now.epoch, now.step)))
    assert first[0] == (1, 5)
    assert_same_run(tmp_path / "whole", tmp_path / "broken")
    assert {path.name for path in (tmp_path / "whole").iterdir()} == {
        path.name for path in (tmp_path / "broken").iterdir()
    }


def test_a_run_is_a_function_of_its_seed(data, tmp_path):
    """The same seed gives the same run to the bit; another one gives another."""
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        torch.rand(3)  # what was drawn before does not matter
        loop.train(data, tmp_path / name, QUICK, device="cpu", seed=seed)
    assert_same_run(tmp_path / "a", tmp_path / "b")
    assert not torch.equal(weights(tmp_path / "a")["convolve.weight"], weights(tmp_path / "c")["convolve.weight"])


def wait_for(condition, process) -> None:
    end = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.02)


def test_ctrl_c_and_kill_change_nothing(folder, data, tmp_path, run):
    """A run that got Ctrl-C, went on, was killed, and went on, ends as one that was left alone."""
    slow = ["batch=32", "optimiser=sgd", "learning_rate=0.02", "shift=2"]  # so that mistakes are left to be drawn
    arguments = f"train mnist --data {folder} --device cpu --epochs 30 --net {TINY}".split()
    arguments += [word for setting in slow for word in ("--set", setting)]
    broken, whole = tmp_path / "broken", tmp_path / "whole"
    rows = lambda: len(metrics(broken)) if (broken / "metrics.jsonl").exists() else 0  # noqa: E731

    started = [sys.executable, "-m", "faltung", *arguments, "--out", str(broken)]
    with subprocess.Popen(started, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_for(lambda: rows() >= 2, process)
        process.send_signal(signal.SIGINT)
        said, error = process.communicate(timeout=120)
    assert (process.returncode, said) == (130, "")
    assert f"saved; go on with: faltung train --resume {broken}" in error
    assert error.endswith("faltung: interrupted\n")
    assert "Traceback" not in error
    before = rows()
    assert 2 <= before < 30

    started = [sys.executable, "-m", "faltung", "train", "--resume", str(broken), "--device", "cpu"]
    with subprocess.Popen(started, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_for(lambda: rows() >= before + 2, process)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert before + 2 <= rows() < 30

    code, said, _ = run("train", "--resume", broken, "--device", "cpu")
    accuracy = json.loads((broken / "results.json").read_text())["test_accuracy"]
    assert (code, said) == (0, f"{accuracy:.2%} of 100 test pictures; all of it in {broken}\n")
    loop.train(data, whole, Recipe(net=TINY, epochs=30).with_settings(slow), device="cpu")
    assert_same_run(broken, whole)
    drawn = {"accuracy.png", "loss.png", "confusion.png", "mistakes.png", "filters.png", "filters.txt"}
    assert {path.name for path in broken.iterdir()} == drawn | {path.name for path in whole.iterdir()}
    described = (broken / "filters.txt").read_text().splitlines()
    assert (described[0], len(described)) == ("convolve, 4x1x5x5", 5)
    import faltung

    last = weights(whole)["convolve.weight"][3, 0].double().numpy()
    assert described[4] == f"filter 3: {faltung.explain(last).sentence}"


def test_two_processes_equal_one(folder, data, tmp_path):
    """Two processes under torchrun, batch statistics and all, take the steps of one process with the joint batch."""
    settings = ["--net", PLAIN, "--epochs", 2, "--set", "batch=32", "--set", "cutout=4", "--set", "average=0.9"]
    settings += ["--set", "precision=float32"]  # the halves of a batch, and their sum, are rounded alike
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--master-port=0", "--rdzv-backend=c10d",
         "--rdzv-endpoint=localhost:0", "-m", "faltung", "train", "mnist", "--data", folder, "--device", "cpu",
         "--no-pictures", "--out", tmp_path / "two", *map(str, settings)],
        capture_output=True, text=True, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("test pictures") == 1
    recipe = Recipe(net=PLAIN, epochs=2, batch=32, cutout=4, average=0.9, precision="float32")
    loop.train(data, tmp_path / "one", recipe, device="cpu")
    start, one, two = weights_at_start(tmp_path / "one"), weights(tmp_path / "one"), weights(tmp_path / "two")
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=1e-3, atol=2e-5)
    assert (one["classify.weight"] - start["classify.weight"]).abs().max() > 1e-2  # so there is something to equal
    for row, other in zip(metrics(tmp_path / "one"), metrics(tmp_path / "two"), strict=True):
        assert row["loss"] == pytest.approx(other["loss"], rel=1e-4)


def weights_at_start(path):
    from faltung.training.folder import RunFolder

    return loop._new_model(RunFolder(path).read_settings()).state_dict()


def test_a_loss_that_is_no_number_stops(data, tmp_path):
    """It is told with step and learning rate, and the last checkpoint, all of numbers, is kept."""
    path = tmp_path / "run"
    recipe = Recipe(net=PLAIN, epochs=20, batch=32, learning_rate=0.01, warm_up=0)
    steps = iter([False] * 9 + [True])
    with pytest.raises(loop.Interrupted):
        loop.train(data, path, recipe, device="cpu", stop=lambda: next(steps))
    settings = json.loads((path / "settings.json").read_text())
    settings["recipe"]["learning_rate"] = 1e3
    settings["recipe"]["weight_decay"] = 1e3
    (path / "settings.json").write_text(json.dumps(settings))
    with pytest.raises(
        FaltungError,
        match=r"the loss is no finite number any more at step \d+ of 180, learning rate \S+; the checkpoint of step \d+ is kept",
    ):
        loop.resume(data, path, device="cpu")
    kept = load_file(path / "checkpoint.safetensors")
    assert all(tensor.isfinite().all() for tensor in kept.values() if tensor.is_floating_point())


def test_what_cannot_go_on(data, folder, tmp_path):
    """A run that is there, is done, has other data, or a damaged checkpoint, and a folder without a run, are told."""
    path = tmp_path / "run"
    loop.train(data, path, replace(QUICK, epochs=1), device="cpu")
    with pytest.raises(FaltungError, match="holds a run already; go on with 'faltung train --resume"):
        loop.train(data, path, QUICK, device="cpu")
    with pytest.raises(FaltungError, match="is done: 1 epochs, results in"):
        loop.resume(data, path, device="cpu")
    (path / "results.json").unlink()
    with pytest.raises(FaltungError, match="was trained on other data than mnist"):
        loop.resume(data.subset(300), path, device="cpu")
    whole = (path / "checkpoint.safetensors").read_bytes()
    for damaged in (whole[:-10], b"", whole[:50] + b"x" * 50 + whole[100:]):
        (path / "checkpoint.safetensors").write_bytes(damaged)
        with pytest.raises(FaltungError, match=r"checkpoint\.safetensors is damaged, or no safetensors file"):
            loop.resume(data, path, device="cpu")
    with pytest.raises(FaltungError, match=r"holds no run: there is no settings\.json"):
        loop.resume(data, tmp_path / "nothing", device="cpu")
    (path / "settings.json").write_text('{"recipe": {}}')
    with pytest.raises(FaltungError, match=r"settings\.json cannot be read"):
        Predictor(path)


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        (["net=resnett"], "unknown net 'resnett'; did you mean resnet or lenet?"),
        (["net=u-net"], "u-net scores every pixel, and these data sets have one class for a whole picture"),
        (["net=torch.nn:Flatten"], "torch.nn:Flatten gives (2, 784) for 2 pictures of 10 classes, not (2, 10)"),
        (["batch=512"], "a batch of 512 is more than the 288 pictures to train on"),
        (["flips=yes"], "unknown entry of a recipe 'flips'; did you mean flip?"),
        (["flip=perhaps"], "recipe: flip is yes or no, not 'perhaps'"),
        (["batch=2.5"], "recipe: batch is a whole number, not '2.5'"),
        (["batch"], "--set 'batch' must be name=value, such as label_smoothing=0.1"),
        (["momentum=1.5"], "recipe: momentum 1.5 is not in 0..1"),
        (["decay=step"], "unknown decay 'step'; known: constant, cosine, linear"),
    ],
)  # fmt: skip
def test_mistakes_leave_nothing(data, tmp_path, settings, error):
    """What cannot be trained is told before a folder is made."""
    with pytest.raises(FaltungError) as said:
        loop.train(data, tmp_path / "run", Recipe().with_settings(settings), device="cpu")
    assert str(said.value) == error
    assert list(tmp_path.iterdir()) == []


def test_it_learns_and_predicts(data, tmp_path, run):
    """A net learns where a bright bar lies, and says so of pictures in files, of another size and in colour too."""
    path = tmp_path / "run"
    results = loop.train(data, path, Recipe(net=TINY, epochs=12, batch=16, shift=0, learning_rate=0.05), device="cpu")
    assert results["test_accuracy"] > 0.9
    counts = np.array(results["confusion"])
    assert counts.sum() == 100
    assert np.trace(counts) == round(100 * results["test_accuracy"])
    assert counts.sum(1).tolist() == np.bincount(data.test_labels, minlength=10).tolist()
    good = [n for n in range(100) if n not in results["worst"]][:4]
    files = []
    for number in good:
        image = Image.fromarray(data.test_pictures[number, 0])
        files.append(tmp_path / f"{number}.png")
        (image.resize((56, 56), Image.Resampling.NEAREST) if number % 2 else image.convert("RGB")).save(files[-1])
    code, said, _ = run("predict", path, *files, "--json")
    assert code == 0
    assert [answer["classes"][0] for answer in json.loads(said)] == [str(data.test_labels[number]) for number in good]
    assert all(len(answer["classes"]) == 3 and sum(answer["probabilities"]) <= 1 for answer in json.loads(said))
    code, said, error = run("predict", path, tmp_path / "none.png")
    assert (code, said) == (2, "")
    assert error.splitlines()[-1] == f"faltung: cannot read {tmp_path / 'none.png'}: No such file or directory"


def test_the_test_half_is_kept_apart(data, tmp_path):
    """The test half changes no weight, and the validation split has no picture that is trained on."""
    other = replace(data, test_pictures=data.test_pictures[::-1].copy() // 2)
    for name, given in (("one", data), ("other", other)):
        loop.train(given, tmp_path / name, replace(QUICK, epochs=1), device="cpu")
    one, two = weights(tmp_path / "one"), weights(tmp_path / "other")
    assert all(torch.equal(one[name], two[name]) for name in one)
    chosen, held = split(320, 0.2, 0)
    assert sorted([*chosen.tolist(), *held.tolist()]) == list(range(320))
    seen = torch.cat(list(order(chosen, 32, 0, 0)))
    assert len(set(seen.tolist())) == 256
    assert not set(seen.tolist()) & set(held.tolist())


def test_every_picture_is_moved_as_drawn():
    """Shifts, mirrors and squares of a batch are those of picture after picture, done with NumPy."""
    numbers = np.random.default_rng(0)
    pictures = numbers.integers(0, 256, (50, 3, 7, 9), dtype=np.uint8)
    recipe = Recipe(shift=2, flip=True, cutout=3)
    moves = Moves.draw(50, recipe, (7, 9), seed=0, step=5)
    assert set(moves.down.tolist()) == set(range(5)) == set(moves.right.tolist())
    assert set(moves.mirrored.tolist()) == {0, 1}
    got = moved(torch.tensor(pictures), moves, recipe).numpy()
    holed = cut(torch.tensor(got).float(), moves, 3).numpy()
    for n in range(50):
        top, left = int(moves.down[n]), int(moves.right[n])
        window = np.pad(pictures[n], ((0, 0), (2, 2), (2, 2)), mode="reflect")[:, top : top + 7, left : left + 9]
        expected = window[:, :, ::-1] if moves.mirrored[n] else window
        assert np.array_equal(got[n], expected)
        y, x = int(moves.hole_y[n]), int(moves.hole_x[n])
        expected = expected.astype(float)
        expected[:, max(0, y - 1) : y + 2, max(0, x - 1) : x + 2] = 0
        assert np.array_equal(holed[n], expected)


def test_normalisation():
    """Normalised pictures have mean 0 and variance 1 in every channel; a constant channel is centred."""
    pictures = torch.randint(0, 256, (20, 3, 6, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    pictures[:, 2] = 7
    found = Normalisation.of(pictures)(pictures).double()
    torch.testing.assert_close(found.mean((0, 2, 3)), torch.zeros(3, dtype=torch.float64), atol=1e-5, rtol=0)
    assert found.var((0, 2, 3), correction=0).tolist() == pytest.approx([1, 1, 0], abs=1e-5)


def test_answers():
    """Accuracy, confusion and the surest mistakes are those of counting by hand."""
    scores = torch.tensor([[4.0, 0, 0], [0, 1, 0], [3, 0, 0], [0, 9, 0], [0, 0, 1]])
    found = Answers(scores, torch.tensor([0, 1, 1, 2, 2]))
    assert found.accuracy == pytest.approx(3 / 5)
    assert found.confusion().tolist() == [[1, 0, 0], [1, 1, 0], [0, 1, 1]]
    assert found.worst(5) == [3, 2]


@pytest.mark.parametrize("decay", ["linear", "cosine", "constant"])
def test_the_learning_rate(decay):
    """It rises to its highest in the warm-up, falls after that, and is never 0."""
    recipe = Recipe(warm_up=0.25, decay=decay, learning_rate=2.0)
    rates = [recipe.learning_rate_at(step, 40) for step in range(40)]
    assert rates[:10] == pytest.approx([0.2 * step for step in range(1, 11)])
    assert max(rates) == rates[9] == rates[10] == 2.0
    assert all(later <= rate for rate, later in pairwise(rates[10:]))
    assert 0 < rates[-1] <= 2.0
    middle = {"linear": 1.0, "cosine": 1.0, "constant": 2.0}[decay]
    assert rates[25] == pytest.approx(middle)
    assert Recipe(warm_up=0).learning_rate_at(0, 5) == Recipe().learning_rate


@pytest.mark.parametrize(
    ("precision", "says", "half"),
    [
        ("auto", {"avx512_bf16": True}, True),
        ("auto", {"avx512_bf16": False, "amx_bf16": True}, True),
        ("auto", {"avx512_f": True}, False),
        ("float32", {"avx512_bf16": True}, False),
        ("bfloat16", {}, True),
    ],
)
def test_bfloat16_where_the_processor_computes_with_it(data, tmp_path, monkeypatch, precision, says, half):
    """`auto` asks the processor; the net gets activations of that kind, and its weights stay float32."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: says)
    kinds = set()

    def spied(self, x):
        y = nn.functional.conv2d(x, self.weight, self.bias, self.stride)
        kinds.add(y.dtype)
        return y

    monkeypatch.setattr(nn.Conv2d, "forward", spied)
    recipe = replace(QUICK, epochs=1, precision=precision, validation=0)
    loop.train(data.subset(32), tmp_path / "run", recipe, device="cpu")
    assert kinds - {torch.float32} == ({torch.bfloat16} if half else set())  # building and testing are float32
    assert all(tensor.dtype == torch.float32 for name, tensor in weights(tmp_path / "run").items() if "num" not in name)


def test_export_to_onnx(data, tmp_path, run, monkeypatch):
    """The ONNX file, run by ONNX Runtime, scores the test pictures as the results say; without it, the package is named."""
    path, file = tmp_path / "run", tmp_path / "net.onnx"
    loop.train(data, path, Recipe(net=TINY, epochs=6, batch=16, shift=0, learning_rate=0.05), device="cpu")
    with monkeypatch.context() as hidden:
        hidden.setitem(sys.modules, "onnxruntime", None)
        code, _, error = run("export", path, file)
    assert (code, error.splitlines()[-1]) == (
        2,
        "faltung: export to ONNX needs the package onnxruntime: pip install 'faltung[onnx]'",
    )
    for name in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(name, reason="ONNX IS NOT INSTALLED: pip install 'faltung[onnx]'")
    import onnxruntime

    code, said, error = run("export", path, file)
    assert (code, error) == (0, f"running the code of {TINY.rpartition(':')[0]}\n")
    assert said.startswith(f"wrote {file}; on 32 random pictures its scores differ from PyTorch's by ")
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    scores = session.run(["scores"], {"pictures": data.test_pictures})[0]
    results = json.loads((path / "results.json").read_text())
    assert (scores.argmax(1) == data.test_labels).mean() == pytest.approx(results["test_accuracy"])
    assert {item.name for item in tmp_path.iterdir()} == {"run", "net.onnx"}


def test_export_of_what_the_best_recipe_has(data, tmp_path):
    """A net behind a whitening layer, answering to both images, goes to ONNX: the file scores both images alike."""
    for name in ("onnx", "onnxscript"):
        pytest.importorskip(name, reason="ONNX IS NOT INSTALLED: pip install 'faltung[onnx]'")
    onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX IS NOT INSTALLED: pip install 'faltung[onnx]'")
    path, file = tmp_path / "run", tmp_path / "net.onnx"
    recipe = replace(RECIPES["best"], width=4, epochs=2, batch=32, cutout=4)
    loop.train(data, path, recipe, device="cpu")
    command = [sys.executable, "-m", "faltung", "export", str(path), str(file)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, ""), found.stdout  # the exporter's warnings are kept from the user
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    scores, mirrored = (
        session.run(["scores"], {"pictures": np.ascontiguousarray(pictures)})[0]
        for pictures in (data.test_pictures, data.test_pictures[..., ::-1])
    )
    results = json.loads((path / "results.json").read_text())
    assert (scores.argmax(1) == data.test_labels).mean() == pytest.approx(results["test_accuracy"])
    np.testing.assert_allclose(scores, mirrored, rtol=0, atol=1e-5)


def test_a_mirrored_net_learns_as_the_net_does(data, tmp_path):
    """In training nothing changes, to the bit; asked, it gives the mean over both images, by hand."""
    loop.train(data, tmp_path / "plain", QUICK, device="cpu")
    loop.train(data, tmp_path / "both", replace(QUICK, mirrored=True), device="cpu")
    plain, both = weights(tmp_path / "plain"), weights(tmp_path / "both")
    assert both.keys() == {f"net.{name}" for name in plain}
    assert all(torch.equal(both[f"net.{name}"], tensor) for name, tensor in plain.items())
    one, other = (Predictor(tmp_path / name) for name in ("plain", "both"))
    x = one.normalise(torch.from_numpy(data.test_pictures))
    with torch.no_grad():
        by_hand = (one.model(x) + one.model(x.flip(3))) / 2
        torch.testing.assert_close(other.model(x), by_hand, rtol=0, atol=0)
    results = json.loads((tmp_path / "both" / "results.json").read_text())
    accuracy = (by_hand.argmax(1) == torch.from_numpy(data.test_labels)).double().mean()
    assert results["test_accuracy"] == pytest.approx(float(accuracy))


def test_every_step_has_its_own_moves(data, tmp_path, monkeypatch):
    """No epoch repeats the shifts of another: each step of the run draws those of its own number."""
    drawn, draw = [], Moves.draw

    def spied(count, recipe, size, seed, step):
        drawn.append(step)
        return draw(count, recipe, size, seed, step)

    monkeypatch.setattr(loop.Moves, "draw", spied)
    loop.train(data, tmp_path / "run", QUICK, device="cpu")
    assert drawn == list(range(24))
    one, other = (draw(32, QUICK, (28, 28), 0, step) for step in (0, 8))
    assert not torch.equal(one.down, other.down)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["train"], "train needs a data set and --out FOLDER, or --resume FOLDER"),
        (["train", "mnist"], "train needs a data set and --out FOLDER, or --resume FOLDER"),
        (["train", "--resume", "a", "--epochs", "3"], "--resume a goes on with a run as it was begun; besides, it takes --data, --device, --pictures and --json alone"),
        (["train", "--resume", "a"], "a holds no run: there is no settings.json"),
        (["train", "mnist", "--out", "a", "--recipe", "defualt"], "unknown recipe 'defualt'; did you mean default?"),
        (["train", "nothing/here", "--out", "a"], "nothing/here: there is no such folder of pictures by class"),
        (["predict", "a", "b.png"], "a holds no run: there is no settings.json"),
        (["export", "a", "b.onnx"], "a holds no run: there is no settings.json"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(run, tmp_path, monkeypatch, arguments, error):
    """A mistake is one line on standard error with exit code 2, and leaves no file behind."""
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == (2, "", f"faltung: {error}\n")
    assert list(tmp_path.iterdir()) == []
