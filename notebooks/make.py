"""Makes the notebooks of this folder from their sources: `python notebooks/make.py`, or `--check` to see if they are.

A source is a Python file in jupytext's percent format, `# %%` before each cell. Where it has regions like this one, two
notebooks are made of it: `name.ipynb` with blanks for students, and `name_solutions.ipynb`.

    # SOLUTION
    area = width * height
    # BLANK
    # area = ...  # YOUR TURN
    # END

The source runs as it stands, with the solutions. For students, what lies between BLANK and END takes their place, one
`# ` taken off each of its lines. Either half may be missing, and regions may stand in cells of text too. A source
without regions gives one notebook.
"""

import sys
from pathlib import Path

import jupytext
import nbformat

FOLDER = Path(__file__).parent
FOLLOWS = {"# SOLUTION": ("# END",), "# BLANK": ("# END", "# SOLUTION"), "# END": ("# SOLUTION", "# BLANK")}
"""Every marker, and those that it may follow; a source begins outside, as after an END."""
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def sources(folder: Path = FOLDER) -> list[Path]:
    """Return the sources of notebooks in a folder: Python files with cells."""
    return [path for path in sorted(folder.glob("*.py")) if "\n# %%" in "\n" + path.read_text(encoding="utf-8")]


def made(source: Path) -> dict[str, str]:
    """Return the notebooks that a source gives, by their file names."""
    text = source.read_text(encoding="utf-8")
    try:
        solved = form(text, solved=True)
    except ValueError as problem:
        raise ValueError(f"{source.name}, {problem}") from None
    if solved == text:
        return {f"{source.stem}.ipynb": notebook(text)}
    return {
        f"{source.stem}.ipynb": notebook(form(text, solved=False)),
        f"{source.stem}_solutions.ipynb": notebook(solved),
    }


def form(text: str, *, solved: bool) -> str:
    r"""Return a source with one half of each region and without markers.

    >>> form("a = (\n    # SOLUTION\n    5\n    # BLANK\n    # ...  # YOUR TURN\n    # END\n)", solved=False)
    'a = (\n    ...  # YOUR TURN\n)'
    """
    kept = []
    within = "# END"
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip() in FOLLOWS:
            before, within = within, line.strip()
            if before not in FOLLOWS[within]:
                raise ValueError(f"line {number}: {within} cannot follow {before}")
        elif within == "# BLANK":
            space = line[: len(line) - len(line.lstrip())]
            if not line.strip().startswith("#"):
                raise ValueError(f"line {number}: what is for students stands behind '# ': {line!r}")
            if not solved:
                kept.append((space + line.strip().removeprefix("#").removeprefix(" ")).rstrip())
        elif within == "# END" or solved:
            kept.append(line)
    if within != "# END":
        raise ValueError(f"at the end: {within} without # END")
    return "\n".join(kept)


def notebook(text: str) -> str:
    """Return a text in percent format as a notebook without outputs, always the same for the same text."""
    made = jupytext.reads(text, fmt="py:percent")
    made.cells = [cell for cell in made.cells if cell.source.strip()]
    made.metadata = nbformat.from_dict(METADATA)
    made.nbformat, made.nbformat_minor = 4, 5
    for number, cell in enumerate(made.cells):
        cell.id = f"cell-{number}"
    nbformat.validate(made)
    return nbformat.writes(made) + "\n"


def main() -> None:
    """Write what is not as its source says; with `--check` only say so."""
    wrong = 0
    for source in sources():
        for name, text in made(source).items():
            path = source.with_name(name)
            if path.exists() and path.read_text(encoding="utf-8") == text:
                continue
            wrong += 1
            if "--check" in sys.argv[1:]:
                print(f"{name} is not what {source.name} gives: make notebooks")
            else:
                path.write_text(text, encoding="utf-8")
                print(f"wrote {name}")
    sys.exit("--check" in sys.argv[1:] and wrong > 0)


if __name__ == "__main__":
    main()
