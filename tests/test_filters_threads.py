"""Threads, forks, signals and the GIL: what runs beside a filter neither changes it nor waits for it."""

import os
import signal
import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest

from faltung.filters import _native, correlate

native = pytest.mark.skipif(_native.core is None, reason="the compiled core is not there")
METHODS = ("direct", "sparse", "separable", "fft")


def ran(code: str, **environment: str) -> str:
    """Run a program in a process of its own, which is killed if it takes too long, and return what it printed."""
    words, given = [sys.executable, "-c", code], {**os.environ, **environment}
    done = subprocess.run(words, env=given, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, (done.returncode, done.stderr)
    return done.stdout


@pytest.mark.parametrize("how", [{}, {"stride": (2, 1), "boundary": "reflect"}, {"dilation": (3, 2)}])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_to_five_threads(dtype: str, method: str, how: dict[str, Any]) -> None:
    """Floats are the same to the bit for any number of threads, on pictures of many pieces."""
    random = np.random.default_rng(0)
    image = random.normal(size=(2, 500, 400)).astype(dtype)
    bank = np.stack([np.outer(random.normal(size=11), random.normal(size=9)) for _ in range(2)])
    answers = [correlate(image, bank, padding="same", method=method, threads=n, **how) for n in range(1, 6)]
    assert all(each.tobytes() == answers[0].tobytes() for each in answers)


def test_many_callers_at_once() -> None:
    """Callers on eight threads, with filters and ways of their own, small and large, get what one alone gets."""
    random = np.random.default_rng(1)
    jobs = [
        (random.random(shape).astype(dtype), random.random((size, size)), method)
        for shape in ((9, 9), (300, 333))
        for dtype in ("float32", "float64")
        for size in (3, 8)
        for method in ("auto", *METHODS)
    ]
    alone = [correlate(*job[:2], padding="same", method=job[2], threads=1).tobytes() for job in jobs]
    wrong: list[Any] = []
    gate = threading.Barrier(8)

    def call(seed: int) -> None:
        gate.wait()
        for at in np.random.default_rng(seed).permutation(len(jobs)):
            image, kernel, method = jobs[at]
            if correlate(image, kernel, padding="same", method=method, threads=1 + seed % 3).tobytes() != alone[at]:
                wrong.append((seed, at))

    callers = [threading.Thread(target=call, args=(seed,)) for seed in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert wrong == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_forks_while_threads_filter() -> None:
    """Children forked while other threads are inside the core filter, on threads of their own, and leave with 0."""
    code = (
        "import os, threading, warnings, numpy as np\n"
        "from faltung.filters import correlate\n"
        "warnings.simplefilter('ignore')\n"  # Python 3.12 warns of forks beside threads
        "image, kernel = np.random.default_rng(0).random((400, 400)), np.outer(np.ones(9), np.arange(8.))\n"
        "def filtered(): return [correlate(image, kernel, method=m, threads=3).tobytes() for m in ('direct', 'fft')]\n"
        "right, over = filtered(), threading.Event()\n"
        "def work():\n"
        "    while not over.is_set(): assert filtered() == right\n"
        "workers = [threading.Thread(target=work) for _ in range(2)]\n"
        "for worker in workers: worker.start()\n"
        "left = []\n"
        "for _ in range(8):\n"
        "    child = os.fork()\n"
        "    if not child: os._exit(int(filtered() != right))\n"
        "    left.append(os.waitpid(child, 0)[1])\n"
        "over.set()\n"
        "for worker in workers: worker.join()\n"
        "print(left)"
    )
    if _native.core is None:
        pytest.skip("NumPy's and SciPy's own threads promise nothing about forks")
    assert ran(code) == f"{[0] * 8}\n"


@native
@pytest.mark.parametrize(
    "call", ["", "method='direct'", "method='sparse'", "method='separable'", "method='fft'", "spectrum"]
)
def test_another_thread_goes_on_during_a_call(call: str) -> None:
    """The GIL is given away: a thread counts on though it is never taken away from the caller by force."""
    code = (
        "import sys, threading, time, numpy as np\n"
        "from faltung.filters import _native, correlate\n"
        "sys.setswitchinterval(1e6)\n"
        "count, over = 0, False\n"
        "def work():\n"
        "    global count\n"
        "    while not over: time.sleep(0.001); count += 1\n"
        "worker = threading.Thread(target=work); worker.start()\n"
        "image, kernel, bank = np.ones((3000, 3000)), np.ones((5, 5)), np.ones((40, 9, 9))\n"
        "before = count\n"
        + (
            "_native.core.spectrum(bank, 1, 1, 512, 512)\n"
            if call == "spectrum"
            else f"correlate(image, kernel, threads=1, {call})\n"
        )
        + "after = count; over = True; worker.join(); print(after > before)"
    )
    assert ran(code) == "True\n"


LONG = [
    "correlate(np.zeros((4000, 4000), np.float32), np.random.default_rng(0).random((700, 700)), method='direct', threads=1)",
    "correlate(np.zeros((4000, 4000), np.float32), np.random.default_rng(0).random((700, 700)), method='direct', threads=2)",
    "correlate(np.zeros((60, 4000, 4000), np.float32), np.ones((3, 3)), method='fft', threads=2)",
    "correlate(np.zeros((60, 4000, 4000), np.float32), np.outer(np.ones(99), np.ones(99)), method='separable', threads=1)",
    "_native.core.spectrum(np.broadcast_to(np.float32(1), (20000, 3, 3)).copy(), 1, 1, 256, 256)",
]


@native
@pytest.mark.parametrize("call", LONG)
def test_ctrl_c_ends_a_long_call(call: str) -> None:
    """A call that would take far longer is left with KeyboardInterrupt; a process that stays is killed, and fails."""
    code = (
        "import numpy as np; from faltung.filters import _native, correlate\n"
        "correlate(np.ones((9, 9)), np.ones((3, 3)), method='fft')\n"
        "print('ready', flush=True)\n"
        f"try:\n    for _ in range(100): {call}\n"
        "except KeyboardInterrupt: print('stopped')"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(1)
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=60)[0] == "stopped\n"
            assert process.returncode == 0
        finally:
            process.kill()


@native
def test_the_interpreter_can_end_during_a_call() -> None:
    """A daemon thread inside the core does not keep the process, nor bring it down."""
    code = (
        "import threading, time, numpy as np; from faltung.filters import correlate\n"
        "image, kernel = np.zeros((3000, 3000)), np.random.default_rng(0).random((300, 300))\n"
        "for n in (1, 3):\n"
        "    threading.Thread(target=correlate, args=(image, kernel),\n"
        "        kwargs={'method': 'direct', 'threads': n}, daemon=True).start()\n"
        "time.sleep(0.3); print('over')"
    )
    assert ran(code) == "over\n"


@pytest.mark.parametrize("chosen", ["", "numpy"])
def test_a_missing_core_is_told_once(chosen: str) -> None:
    """One warning in a process, at the user's line, at the first filter; none where FALTUNG_CORE=numpy was set."""
    code = (
        "import sys, warnings, numpy as np\n"
        "sys.modules['faltung.filters._core'] = None\n"  # an import of it now raises ModuleNotFoundError
        "with warnings.catch_warnings(record=True) as told:\n"
        "    warnings.simplefilter('always')\n"
        "    from faltung.filters import correlate, plan\n"
        "    plan(np.ones((5, 5)), np.ones((3, 3))); assert not told\n"
        "    for _ in range(3): assert (correlate(np.ones((5, 5)), np.ones((3, 3))) == 9).all()\n"
        "for each in told: print(each.category.__name__, each.filename, each.message)"
    )
    text = (
        "RuntimeWarning <string> filters run on NumPy alone: Faltung was installed where there was no C++ compiler "
        "(GCC or Clang); see `faltung doctor`\n"
    )
    assert ran(code, FALTUNG_CORE=chosen) == ("" if chosen else text)
