"""A trained net as an ONNX file, run beside PyTorch before it is handed out."""

import contextlib
import io
import logging
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from faltung.errors import FaltungError
from faltung.training.batches import Normalisation, randomness
from faltung.training.predicting import Predictor

TOLERANCE = 1e-4
"""How far scores may differ, as a share of the largest: float32 sums in another order."""


class Exported(NamedTuple):
    """What was written, and how far it is from PyTorch on random pictures, as a share of the largest score."""

    path: Path
    difference: float
    pictures: int


class _FromBytes(nn.Module):
    """The net with its normalisation in front, so that the file takes pictures as they are."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, model: nn.Module, normalise: Normalisation) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.tensor(normalise.mean)[:, None, None])
        self.register_buffer("deviation", torch.tensor(normalise.deviation)[:, None, None])

    def forward(self, pictures: Tensor) -> Tensor:
        scores: Tensor = self.model((pictures.float() - self.mean) / self.deviation)
        return scores


def export_onnx(run: str | Path, path: str | Path, pictures: int = 32) -> Exported:
    """Write the net of a run that is done as an ONNX file, and run it beside PyTorch on random pictures.

    Parameters
    ----------
    run : path
        The folder of the run.
    path : path
        Where to write. The file takes `pictures`, uint8 of shape (N, C, H, W), any N, and gives `scores`, float32 of
        shape (N, classes): normalisation is part of it.
    pictures : int
        How many random pictures both are asked about.

    Raises
    ------
    FaltungError
        If onnx, onnxscript or onnxruntime is not installed, the net cannot be written, or the file's scores differ by
        more than `TOLERANCE`; nothing is written then.
    """
    from faltung.pictures import atomic

    try:
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError as problem:
        raise FaltungError(f"export to ONNX needs the package {problem.name}: pip install 'faltung[onnx]'") from None
    predictor = Predictor(run)
    model = _FromBytes(predictor.model, predictor.normalise).eval()
    shape = (pictures, *predictor.settings.shape)
    asked = torch.randint(0, 256, shape, dtype=torch.uint8, generator=randomness(0, "export"))
    with atomic(path) as temporary:
        try:
            _write(model, asked, temporary)
            session = onnxruntime.InferenceSession(temporary.read_bytes(), providers=["CPUExecutionProvider"])
            given = session.run(["scores"], {"pictures": asked.numpy()})[0]
        except Exception as problem:
            raise FaltungError(f"{run} cannot be exported: {' '.join(str(problem).split())[:300]}") from None
        with torch.no_grad():
            expected = model(asked).numpy()
        difference = float(np.abs(given - expected).max() / np.abs(expected).max())
        if not difference <= TOLERANCE:
            raise FaltungError(f"{path}: its scores differ from PyTorch's by {difference:.2g} of the largest")
    return Exported(Path(path), difference, pictures)


def _write(model: nn.Module, asked: Tensor, path: Path) -> None:
    """Export without the exporter's own chatter; weights go into the file itself."""
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        contextlib.ExitStack() as stack,
    ):
        warnings.simplefilter("ignore")
        stack.callback(logging.disable, logging.root.manager.disable)
        logging.disable(logging.WARNING)  # such as that torchvision is not installed
        program = torch.onnx.export(
            model, (asked,), input_names=["pictures"], output_names=["scores"], dynamo=True, verbose=False,
            dynamic_shapes={"pictures": {0: torch.export.Dim.DYNAMIC}},
        )  # fmt: skip
        assert program is not None
        program.save(str(path), include_initializers=True, external_data=False)
