"""What every test shares: one thread for torch, fixed seeds for Hypothesis, the command line, levels of the core."""

import os
import signal
import sys

import matplotlib
import pytest
from hypothesis import settings

from faltung.filters import _native

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read before torch loads: small tensors, many of them
matplotlib.use("Agg")

settings.register_profile("fixed", derandomize=True, deadline=None, database=None, report_multiple_bugs=False)
settings.load_profile("fixed")


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as shells have it for what runs in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)  # else no process begun by a test could be interrupted


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command in this process, on a terminal of 120 columns; return its exit code, output and errors."""
    monkeypatch.setenv("COLUMNS", "120")

    def run(*arguments: object) -> tuple[int, str, str]:
        from faltung import cli

        monkeypatch.setattr(sys, "argv", ["faltung", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        said = capsys.readouterr()
        return int(left.value.code or 0), said.out, said.err

    return run


LEVELS = ["numpy"] if _native.core is None else _native.core.levels()


@pytest.fixture(params=LEVELS)
def level(request):
    """Each level of vector instructions in turn; where there is no compiled core, NumPy."""
    if _native.core is None:
        yield request.param
        return
    _native.core.use_level(request.param)
    yield request.param
    _native.core.use_level(LEVELS[0])
