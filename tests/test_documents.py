"""Every code block of the README and the docs runs, and prints what it says it prints.

Blocks of `python` are doctests, all blocks of a file sharing one namespace. In blocks of `console`, lines
after `$` are commands; the lines below must be what they print, where a line `…` stands for any lines. The
two commands of make are run by `.ci/run` itself.
"""

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "notebooks" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
MADE_BY_CI = re.compile(r"make (run|test|check|lint|types|format)\b|git clone|cd faltung")


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(), flags=re.DOTALL | re.MULTILINE)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Work in an empty folder in which `cat.png` is a picture."""
    from skimage.data import chelsea
    from skimage.io import imsave

    imsave(tmp_path / "cat.png", chelsea())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    return tmp_path


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_languages_are_known(path):
    """No block is left out because nobody runs its language."""
    opened = re.findall(r"^```(\w*)$", path.read_text(), flags=re.MULTILINE)[::2]
    assert set(opened) <= {"python", "console", "text"}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_python_blocks(path, folder):
    """Each line after >>> runs and prints what stands below it."""
    examples = "\n".join(blocks(path, "python"))
    test = doctest.DocTestParser().get_doctest(examples, {}, path.name, str(path), 0)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    runner.run(test)
    assert runner.failures == 0
    assert "```python" not in path.read_text() or test.examples


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_console_blocks(path, folder):
    """Each command runs and prints what stands below it."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for block in blocks(path, "console"):
        for command, expected in re.findall(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", block, flags=re.MULTILINE):
            if MADE_BY_CI.match(command):
                continue
            done = subprocess.run(command, shell=True, capture_output=True, text=True, env=environment)
            said = "\n".join(line.rstrip() for line in (done.stdout + done.stderr).strip("\n").splitlines())
            pattern = re.escape(expected.strip("\n")).replace("…", "(?:.|\n)*")
            assert re.fullmatch(pattern, said), f"$ {command}\n{said}"
            assert done.returncode == (2 if said.startswith("faltung: ") else 0)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    """Links and pictures inside the repository exist."""
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text()):
        if not re.match(r"[a-z]+:", target):
            assert (path.parent / target).exists(), target
