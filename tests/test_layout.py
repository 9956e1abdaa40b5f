"""The house: imports run one way, and the door stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "faltung"

FLOORS = [
    ["errors", "intervals", "words"],
    ["reads", "boundary", "exporting"],
    ["region", "listed", "formulas"],
    ["relation"],
    ["views"],
    ["rules", "graph"],
    ["lattice", "field", "axes", "border", "depth"],
    ["complete"],
    ["table", "verdict"],
    ["causality", "sight"],
    ["network"],
    ["plan", "tracing"],
    ["chain", "effective", "equivariance"],
    ["kernels", "pictures", "models"],
    ["filters", "inputs"],
    ["explanation", "gradient"],
    ["draw"],
    ["training"],
    ["sheet", "course"],
    ["cli"],
    ["__main__"],
]
"""Each module imports only from floors below its own; modules of one floor do not know each other."""

FLOOR = {module: floor for floor, modules in enumerate(FLOORS) for module in modules}


def module_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Return the modules of faltung that a file imports, at its top or inside its functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "faltung":
            parts = node.module.split(".")
            found |= {parts[1]} if len(parts) > 1 else {name.name for name in node.names}
        elif isinstance(node, ast.Import):
            found |= {name.name.split(".")[1] for name in node.names if name.name.startswith("faltung.")}
    return found


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_run_one_way(path):
    """A module imports only from lower floors (and inside its own folder)."""
    module = module_of(path)
    if module == "__init__":
        return  # the door: it names everything and imports it late
    assert module in FLOOR, f"{module} has no floor yet"
    for other in imported(path) - {module}:
        assert FLOOR[other] < FLOOR[module], f"{path.name} imports {other}, which is no lower floor"


@pytest.mark.parametrize("module", ["reads", "intervals", "listed", "graph", "lattice", "chain", "verdict", "boundary"])
def test_the_relation_stands_on_the_standard_library(module):
    """The core of the idea needs nothing but Python."""
    path = SOURCE / f"{module}.py"
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert (node.module or "").split(".")[0] in sys.stdlib_module_names | {"faltung"}
        elif isinstance(node, ast.Import):
            assert all(name.name.split(".")[0] in sys.stdlib_module_names for name in node.names)


def loaded_after(statement: str) -> set[str]:
    code = f"import sys; before = set(sys.modules); {statement}; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in done.stdout.split()}


def test_importing_faltung_is_light():
    """`import faltung` loads itself and the standard library alone: no torch, numba, matplotlib or numpy."""
    assert loaded_after("import faltung") - sys.stdlib_module_names == {"faltung"}


def test_a_receptive_field_needs_no_heavy_library():
    """Asking what a unit sees loads no third-party library."""
    statement = (
        "import faltung; net = faltung.parse('3 x conv k=3').at(x=20); "
        "str(net.sees(unit={'x': 3}, pixel={'x': 15})); str(net.table())"
    )
    assert loaded_after(statement) - sys.stdlib_module_names == {"faltung"}


@pytest.mark.parametrize("light", ["filters", "kernels", "explanation", "gradient", "cli", "training"])
def test_torch_and_matplotlib_come_late(light):
    """Modules that need not draw or train load neither torch nor matplotlib nor scikit-image."""
    assert not loaded_after(f"import faltung.{light}") & {"torch", "matplotlib", "skimage", "numba", "sympy"}


def test_no_public_function_shares_its_name_with_a_module():
    """A module `faltung.name` would take the place of the function `faltung.name` once it is imported."""
    import faltung

    modules = {path.stem for path in SOURCE.glob("*.py")} | {path.name for path in SOURCE.iterdir() if path.is_dir()}
    public = {name for name in faltung.__all__ if not hasattr(getattr(faltung, name), "__path__")}
    assert not public & modules


def test_every_public_name_resolves():
    """What __all__ promises is there, documented, and dir() lists it."""
    import faltung

    for name in faltung.__all__:
        assert getattr(faltung, name).__doc__
        assert name in dir(faltung)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        faltung.nothing  # noqa: B018
