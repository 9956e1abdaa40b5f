"""The loop: one step after another, in a form to be read.

`train` begins a run and `resume` goes on with one; both end in `_run`, which is the loop.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from faltung.errors import FaltungError
from faltung.training import checkpoint
from faltung.training.batches import Moves, Normalisation, cut, moved, order, seed_for, split
from faltung.training.data import DataSet
from faltung.training.distributed import Processes, processes, with_joint_statistics
from faltung.training.evaluation import answers
from faltung.training.folder import RunFolder, Settings
from faltung.training.recipe import Recipe
from faltung.training.running import Running, build
from faltung.training.whitening import Whitening

SAVE_EVERY = 60.0
"""Seconds between checkpoints within an epoch; one more is written at the end of every epoch."""
LOOK_EVERY = 20
"""Steps between looks at the loss: on a GPU, each waits until all that was asked is done."""


class Interrupted(Exception):
    """Somebody asked the run to stop; its checkpoint is written."""


@dataclass(frozen=True)
class Now:
    """Where a run is, for those who watch: `row` has the metrics of an epoch that is done."""

    epoch: int
    step: int
    steps: int
    """Of this epoch, and how many it has."""
    pictures: int
    loss: float | None
    accuracy: float | None
    """Of this epoch's pictures so far."""
    row: dict[str, Any] | None = None


Watch = Callable[[Now], None]
Stop = Callable[[], bool]


def train(
    data: DataSet,
    out: str | Path,
    recipe: Recipe | None = None,
    *,
    seed: int = 0,
    device: str | None = None,
    watch: Watch | None = None,
    stop: Stop | None = None,
    named: str | None = None,
    data_folder: str | None = None,
    first: int | None = None,
    size: int | None = None,
) -> dict[str, Any]:
    """Train a net and write the run into a folder: settings, metrics, checkpoint, weights and results.

    Parameters
    ----------
    data : DataSet
        Its test half is asked once, when all is done.
    out : path
        A folder that holds no run yet.
    recipe : Recipe, optional
        Else `Recipe()`.
    seed : int
        Of every random number. On a CPU, with as many threads, the same seed gives the same weights to the bit.
    device : str, optional
        cpu, cuda, …; else a GPU where there is one.
    watch : callable, optional
        Told of every step and epoch.
    stop : callable, optional
        Asked after every step; at True the run is saved and left.
    named, data_folder, first, size : optional
        How the data were asked for, kept for `resume` on the command line.

    Returns
    -------
    dict
        Test accuracy, loss and confusion matrix: what `results.json` has.

    Raises
    ------
    FaltungError
        If the folder holds a run, the recipe does not fit the data, or the loss is no number any more.
    Interrupted
        If `stop` said so.
    """
    recipe = recipe or Recipe()
    pictures = torch.from_numpy(data.pictures)
    chosen, _ = split(len(pictures), recipe.validation, seed)
    normalise = Normalisation.of(pictures[chosen])
    channels, rows, columns = pictures.shape[1:]
    settings = Settings(
        named or data.name, data_folder, first, size, seed, recipe, data.fingerprint, data.classes,
        (channels, rows, columns), normalise.mean, normalise.deviation, torch.__version__,
    )  # fmt: skip
    with processes(device) as here:
        _new_model(settings)  # what cannot be trained is refused before a folder is made
        _check_batch(recipe, len(chosen), here)
        folder = RunFolder(out)
        if here.first:
            folder.begin(settings)
        here.wait()
        return _run(data, folder, settings, here, watch, stop)


def resume(
    data: DataSet, out: str | Path, *, device: str | None = None, watch: Watch | None = None, stop: Stop | None = None
) -> dict[str, Any]:
    """Go on with a run from its last checkpoint, to the result that it would have had unbroken.

    Parameters and results are those of `train`.

    Raises
    ------
    FaltungError
        If there is no run, it is done, the data are not those that it began with, or its checkpoint is damaged.
    """
    folder = RunFolder(out)
    settings = folder.read_settings()
    if settings.fingerprint != data.fingerprint:
        raise FaltungError(f"{folder.path} was trained on other data than {data.name} from {data.source} holds now")
    if folder.results.exists():
        raise FaltungError(f"{folder.path} is done: {settings.recipe.epochs} epochs, results in {folder.results}")
    with processes(device) as here:
        _check_batch(
            settings.recipe, len(split(len(data.pictures), settings.recipe.validation, settings.seed)[0]), here
        )
        if here.first:
            folder.sweep()
        return _run(data, folder, settings, here, watch, stop)


def _run(
    data: DataSet, folder: RunFolder, settings: Settings, here: Processes, watch: Watch | None, stop: Stop | None
) -> dict[str, Any]:
    recipe, seed, device = settings.recipe, settings.seed, here.device
    normalise = Normalisation(settings.mean, settings.deviation)
    pictures, labels = torch.from_numpy(data.pictures).to(device), torch.from_numpy(data.labels).to(device)
    chosen, held = split(len(pictures), recipe.validation, seed)
    model = _new_model(settings).to(device)
    for layer in model.modules():
        if isinstance(layer, Whitening):
            layer.fit(normalise(pictures[chosen[:5000].to(device)]))
    if recipe.channels_last:
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if here.world > 1:
        model = with_joint_statistics(model)
    running = Running(model, recipe)
    if folder.checkpoint.exists():
        running.restore(*checkpoint.load(folder.checkpoint))
    called = _wrapped(model, recipe, here)
    half = _half(recipe, device)
    per_epoch = len(chosen) // recipe.batch
    saved_at = time.monotonic()

    for epoch in range(running.step // per_epoch, recipe.epochs):
        model.train()
        begun, done_before = time.monotonic(), running.step % per_epoch
        for number, batch in enumerate(order(chosen, recipe.batch, seed, epoch)):
            if number < done_before:
                continue
            torch.manual_seed(seed_for(seed, f"step of process {here.rank}", running.step))  # for dropout and its like
            moves = Moves.draw(recipe.batch, recipe, (pictures.shape[2], pictures.shape[3]), seed, running.step)
            mine = batch[here.rank :: here.world].to(device)
            moves = moves.part(here.rank, here.world).to(device)
            x = cut(normalise(moved(pictures[mine], moves, recipe)), moves, recipe.cutout)
            if recipe.channels_last:
                x = x.contiguous(memory_format=torch.channels_last)
            with torch.autocast(device.type, torch.bfloat16, enabled=half):
                scores = called(x)
            loss = nn.functional.cross_entropy(scores.float(), labels[mine], label_smoothing=recipe.label_smoothing)
            loss.backward()  # type: ignore[no-untyped-call]
            running.optimiser.step(recipe.share_at(running.step, recipe.epochs * per_epoch))
            running.step += 1
            if running.average:
                running.average.take(model, running.step)
            _count(running, here, loss, scores, labels[mine])

            if (number + 1) % LOOK_EVERY == 0 and not running.loss.isfinite():
                raise _not_a_number(running, recipe, folder, per_epoch)
            if watch and here.first:
                seen = (number + 1) * recipe.batch
                shown = (number + 1) % LOOK_EVERY == 0 or number + 1 == per_epoch or device.type == "cpu"
                loss_now = float(running.loss) / seen if shown else None
                right_now = float(running.right) / seen if shown else None
                watch(Now(epoch, number + 1, per_epoch, recipe.batch, loss_now, right_now))
            if number + 1 < per_epoch:
                if _asked(stop, here):
                    _save(running, recipe, folder, here, per_epoch)
                    raise Interrupted
                if time.monotonic() - saved_at > SAVE_EVERY:
                    saved_at = time.monotonic()
                    _save(running, recipe, folder, here, per_epoch)
        row = _epoch_done(running, recipe, here, per_epoch, epoch, time.monotonic() - begun, per_epoch - done_before)
        if len(held):
            found = answers(
                model, running.weights(), pictures[held.to(device)], labels[held.to(device)], normalise, device
            )
            row |= {"validation_loss": float(found.losses.mean()), "validation_accuracy": found.accuracy}
        running.rows.append(row)
        _save(running, recipe, folder, here, per_epoch)
        saved_at = time.monotonic()
        if watch and here.first:
            watch(Now(epoch, per_epoch, per_epoch, 0, row["loss"], row["accuracy"], row))
        if epoch + 1 < recipe.epochs and _asked(stop, here):
            raise Interrupted
    return _finish(data, folder, running, settings, here)


def _new_model(settings: Settings) -> nn.Module:
    """Return the net with the random start of the run's seed."""
    torch.manual_seed(seed_for(settings.seed, "weights"))
    return build(settings.recipe, settings.shape, len(settings.classes))


def _check_batch(recipe: Recipe, count: int, here: Processes) -> None:
    if recipe.batch > count:
        raise FaltungError(f"a batch of {recipe.batch} is more than the {count} pictures to train on")
    if recipe.batch % here.world:
        raise FaltungError(f"a batch of {recipe.batch} cannot be shared evenly by {here.world} processes")


def _wrapped(model: nn.Module, recipe: Recipe, here: Processes) -> Callable[[Tensor], Tensor]:
    called: Any = model
    if here.world > 1:
        from torch.nn.parallel import DistributedDataParallel

        called = DistributedDataParallel(called, broadcast_buffers=False)
    return torch.compile(called) if recipe.compile else called


def _half(recipe: Recipe, device: torch.device) -> bool:
    """Say whether activations are bfloat16."""
    if recipe.precision == "auto" and device.type == "cpu":
        known: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # older PyTorch cannot say
        return bool(known.get("avx512_bf16") or known.get("amx_bf16"))
    if recipe.precision == "auto":
        return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return recipe.precision == "bfloat16"


def _count(running: Running, here: Processes, loss: Tensor, scores: Tensor, labels: Tensor) -> None:
    """Add a step to the sums of the epoch: over all processes, for all look at the same numbers."""
    exact = torch.float32 if here.device.type == "mps" else torch.float64  # Apple's GPUs have no float64
    here_right = (scores.detach().argmax(1) == labels).sum()
    both = here.total(torch.stack([loss.detach().to(exact) * len(labels), here_right.to(exact)]))
    running.loss, running.right = running.loss.to(both.device) + both[0], running.right.to(both.device) + both[1]


def _asked(stop: Stop | None, here: Processes) -> bool:
    """Say whether any process was asked to stop: all stop at the same step."""
    asked = float(bool(stop and stop()))
    return bool(here.total(torch.tensor(asked, device=here.device)) > 0) if here.world > 1 else bool(asked)


def _not_a_number(running: Running, recipe: Recipe, folder: RunFolder, per_epoch: int) -> FaltungError:
    kept = "there is no checkpoint yet"
    if folder.checkpoint.exists():
        kept = f"the checkpoint of step {checkpoint.load(folder.checkpoint)[1]['step']} is kept"
    rate = recipe.learning_rate_at(running.step - 1, recipe.epochs * per_epoch)
    return FaltungError(
        f"the loss is no finite number any more at step {running.step} of {recipe.epochs * per_epoch}, learning rate "
        f"{rate:.3g}; {kept}; a smaller learning_rate or a longer warm_up may help"
    )


def _save(running: Running, recipe: Recipe, folder: RunFolder, here: Processes, per_epoch: int) -> None:
    """Write the checkpoint, and the metrics of the epochs that it holds; never one with weights that are no numbers."""
    if not running.finite():
        raise _not_a_number(running, recipe, folder, per_epoch)
    if here.first:
        checkpoint.save(folder.checkpoint, *running.state())
        folder.write_metrics(running.rows)


def _epoch_done(
    running: Running, recipe: Recipe, here: Processes, per_epoch: int, epoch: int, seconds: float, steps: int
) -> dict[str, Any]:
    """Return the metrics of an epoch's training, and set its sums to nothing."""
    seen = per_epoch * recipe.batch
    row = {
        "epoch": epoch + 1,
        "step": running.step,
        "learning_rate": recipe.learning_rate_at(running.step - 1, recipe.epochs * per_epoch),
        "loss": float(running.loss) / seen,
        "accuracy": float(running.right) / seen,
        "pictures_per_second": round(steps * recipe.batch / max(seconds, 1e-9), 1),
        "seconds": round(seconds, 3),
    }
    running.loss, running.right = torch.zeros_like(running.loss), torch.zeros_like(running.right)
    return row


def _finish(data: DataSet, folder: RunFolder, running: Running, settings: Settings, here: Processes) -> dict[str, Any]:
    """Ask the test half, once, and write weights and results."""
    normalise = Normalisation(settings.mean, settings.deviation)
    pictures, labels = torch.from_numpy(data.test_pictures), torch.from_numpy(data.test_labels)
    found = answers(running.model, running.weights(), pictures, labels, normalise, here.device)
    results = {
        "test_accuracy": found.accuracy,
        "test_loss": float(found.losses.mean()),
        "test_pictures": len(labels),
        "parameters": sum(weight.numel() for weight in running.model.parameters()),
        "device": torch.cuda.get_device_name(here.device) if here.device.type == "cuda" else str(here.device),
        "confusion": found.confusion().tolist(),
        "worst": found.worst(25),
        "worst_taken_for": found.scores.argmax(1)[found.worst(25)].tolist(),
    }
    if here.first:
        checkpoint.save(folder.weights, running.weights())
        folder.write(folder.results, json.dumps(results))
    here.wait()
    return results
