"""Imports point one way: plain <- torch half, plain <- MRML <- GUI (docs/architecture.md)."""

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

SOURCES = Path(__file__).resolve().parents[3] / "RegExplain"
UNIT_TESTS = Path(__file__).resolve().parents[1]

# What a file of each ring may import besides the standard library: on loading, and further inside functions.
ALLOWED = {
    "front": ({"front", "plain", "numpy", "SimpleITK"}, {"torch half"}),
    "plain": (
        {"front", "plain", "numpy", "SimpleITK"},
        {"safetensors", "jinja2", "sklearn", "tqdm", "nibabel", "pydicom"},
    ),
    "cohort": (
        {"cohort", "front", "plain", "numpy", "SimpleITK"},
        {"torch half", "dask", "distributed", "locket", "vl_convert", "pyarrow", "scipy", "nilearn", "nibabel"},
    ),
    "cli": (
        {"cli", "front", "plain", "click"},
        {"numpy", "SimpleITK", "torch half", "study", "cohort", "torch", "MRML", "tqdm"},
    ),
    "torch half": (
        {"torch half", "front", "plain", "numpy", "SimpleITK", "torch", "safetensors"},
        {"sklearn", "matplotlib", "tqdm", "captum"},
    ),
    "study": (
        {"study", "torch half", "front", "plain", "numpy", "SimpleITK", "torch", "matplotlib"},
        {"jinja2"},
    ),
    "MRML": ({"MRML", "front", "plain", "numpy", "SimpleITK", "vtk", "slicer"}, set()),
    "GUI": (
        {"GUI", "MRML", "front", "plain", "numpy", "SimpleITK", "vtk", "slicer", "qt", "ctk"},
        {"PyTorchUtils", "SampleData", "ScreenCapture", "PIL"},
    ),
    "worker": (set(), {"cli"}),  # a process of its own, which runs the commands; nobody imports it
}


def ring_of(parts: tuple[str, ...]) -> str | None:
    """The ring that a file or a dotted name belongs to; None for what is not the project's."""
    match parts:
        case ("regexplain",) | ("regexplain", "registration" | "explanation" | "changes", *_):
            return "front"  # the Python API: torch comes in when it is called
        case ("regexplain", "cli" | "__main__", *_):
            return "cli"
        case ("regexplain", "cohort", *_):
            return "cohort"  # many pairs: its engine and its statistics are loaded when a verb runs
        case ("regexplain", "studies", *_):
            return "study"  # figures of papers and of measurements: the only ring that plots on loading
        case ("regexplain", "torch_backend", *_):
            return "torch half"
        case ("regexplain", *_):
            return "plain"
        case ("RegExplainLib", "GUI", "Jobs", "WorkerMain"):
            return "worker"
        case ("RegExplainLib", "MRML", *_) | ("RegExplainLib",):
            return "MRML"
        case ("RegExplainLib", *_) | ("RegExplain",):
            return "GUI"
    return None


def module_of(path: Path) -> tuple[str, ...]:
    parts = path.with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


class Imports(ast.NodeVisitor):
    """Collects (line, dotted name, whether inside a function) of every import of one file."""

    def __init__(self, package: tuple[str, ...], sources: Path):
        self.package, self.sources, self.found, self.depth = package, sources, [], 0

    def visit_FunctionDef(self, node):
        self.depth += 1
        self.generic_visit(node)
        self.depth -= 1

    visit_AsyncFunctionDef = visit_Lambda = visit_FunctionDef

    def visit_If(self, node):
        if "TYPE_CHECKING" not in ast.unparse(node.test):
            self.generic_visit(node)

    def visit_Import(self, node):
        for alias in node.names:
            self.add(node, tuple(alias.name.split(".")))

    def visit_ImportFrom(self, node):
        base = self.package[: len(self.package) - node.level + 1] if node.level else ()
        base += tuple(node.module.split(".")) if node.module else ()
        for alias in node.names:
            is_module = any((self.sources.joinpath(*base, alias.name + end)).exists() for end in ("", ".py"))
            self.add(node, (*base, alias.name) if is_module else base)

    def visit_Call(self, node):
        """importlib.import_module("…") and __import__("…") count too, where the name can be read."""
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in ("import_module", "__import__") and node.args and isinstance(node.args[0], ast.Constant):
            self.add(node, tuple(str(node.args[0].value).split(".")))
        self.generic_visit(node)

    def add(self, node, name):
        self.found.append((node.lineno, name, self.depth > 0))


def violations(sources: Path) -> list[str]:
    """One sentence for each import that points the wrong way."""
    found = []
    for path in sorted(sources.rglob("*.py")):
        relative = path.relative_to(sources)
        module = module_of(relative)
        ring = ring_of(module)
        if ring is None:
            continue
        imports = Imports(module if relative.name == "__init__.py" else module[:-1], sources)
        imports.visit(ast.parse(path.read_text(encoding="utf-8")))
        on_loading, in_functions = ALLOWED[ring]
        for line, name, inside in imports.found:
            party = ring_of(name) or name[0]
            if party in sys.stdlib_module_names or party in on_loading or (inside and party in in_functions):
                continue
            where = "" if inside or party not in in_functions else " outside a function"
            found.append(f"{relative.as_posix()}:{line}: {ring} imports {'.'.join(name)} ({party}){where}")
    return found


@pytest.mark.slow
def test_every_import_of_the_project_points_inwards():
    assert len(list(SOURCES.rglob("*.py"))) > 30
    assert violations(SOURCES) == []


@pytest.mark.parametrize(
    ("path", "source", "complaint"),
    [
        ("regexplain/volumes/geometry.py", "import torch", "plain imports torch"),
        (
            "regexplain/volumes/geometry.py",
            "def f():\n    from ..torch_backend.networks import latent",
            "plain imports regexplain.torch_backend.networks",
        ),
        (
            "regexplain/volumes/geometry.py",
            "from regexplain.torch_backend import networks",
            "plain imports regexplain.torch_backend.networks",
        ),
        (
            "regexplain/results/folder.py",
            "from ..torch_backend import networks",
            "plain imports regexplain.torch_backend.networks",
        ),
        ("regexplain/results/folder.py", "try:\n    import jinja2\nfinally:\n    pass", "outside a function"),
        ("regexplain/volumes/geometry.py", "import click", "plain imports click"),
        ("regexplain/volumes/geometry.py", "import vtk", "plain imports vtk"),
        ("regexplain/volumes/geometry.py", "import importlib\nimportlib.import_module('torch')", "plain imports torch"),
        ("regexplain/torch_backend/networks/latent.py", "import slicer", "torch half imports slicer"),
        ("regexplain/torch_backend/networks/latent.py", "from ...cli import main", "torch half imports regexplain.cli"),
        (
            "regexplain/__init__.py",
            "from .torch_backend.networks import latent",
            "front imports regexplain.torch_backend.networks",
        ),
        ("regexplain/cli/main.py", "from ..torch_backend.networks import latent", "outside a function"),
        ("RegExplainLib/MRML/Scene.py", "def f():\n    import qt", "MRML imports qt"),
        (
            "RegExplainLib/MRML/Scene.py",
            "from regexplain.torch_backend.networks import latent",
            "MRML imports regexplain.torch_backend.networks",
        ),
        ("RegExplainLib/MRML/Scene.py", "from ..GUI import Panel", "MRML imports RegExplainLib.GUI"),
        ("RegExplainLib/GUI/Panel.py", "class A:\n    import torch", "GUI imports torch"),
        ("RegExplain.py", "import torch", "GUI imports torch"),
    ],
)
def test_a_planted_wrong_import_is_found(tmp_path, path, source, complaint):
    for name in ("regexplain/torch_backend/networks/latent.py", "RegExplainLib/GUI/Panel.py", path):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / path).write_text(source)
    [found] = violations(tmp_path)
    assert found.startswith(path) and complaint in found


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("regexplain/torch_backend/networks/latent.py", "import json, torch\nfrom ...volumes.geometry import Grid"),
        ("regexplain/report/render.py", "def f():\n    import jinja2"),
        ("regexplain/cli/main.py", "import click\ndef f():\n    from ..torch_backend.networks import latent"),
        ("regexplain/volumes/geometry.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch"),
        ("RegExplainLib/GUI/Panel.py", "import qt\nfrom regexplain.volumes import geometry\nfrom ..MRML import Scene"),
    ],
)
def test_a_right_import_is_let_through(tmp_path, path, source):
    for name in (
        "regexplain/volumes/geometry.py",
        "regexplain/torch_backend/networks/latent.py",
        "RegExplainLib/MRML/Scene.py",
        path,
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / path).write_text(source)
    assert violations(tmp_path) == []


HEAVY = ["torch", "sklearn", "scipy", "vtk", "slicer", "PySide6", "jinja2", "safetensors", "nibabel", "pydicom"]


def loaded_after(code: str) -> set[str]:
    """The packages that a fresh interpreter has loaded after `code`."""
    code += "\nimport sys; print(); print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


def test_importing_regexplain_loads_nothing_heavy():
    loaded = loaded_after("import regexplain")
    assert "regexplain" in loaded
    assert not loaded & {*HEAVY, "click", "tqdm"}


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["--help"], ["register", "--help"], ["models"]])
def test_help_and_the_list_of_models_load_nothing_heavy(arguments):
    code = f"import sys; sys.argv = {['regexplain', *arguments]}\nfrom regexplain.cli import main\n"
    loaded = loaded_after(code + "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code")
    assert "click" in loaded
    assert not loaded & set(HEAVY)


@pytest.mark.slow
def test_the_plain_half_loads_where_torch_and_the_other_optional_packages_are_missing():
    modules = [".".join(module_of(path.relative_to(SOURCES))) for path in SOURCES.glob("regexplain/**/*.py")]
    plain = sorted(name for name in modules if ring_of(tuple(name.split("."))) in ("front", "plain"))
    assert "regexplain.volumes.geometry" in plain
    loaded_after(
        f"import importlib, sys\nfor name in {HEAVY + ['click', 'tqdm']}: sys.modules[name] = None\n"
        f"for name in {plain}: importlib.import_module(name)"
    )


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("vtkmodules") is None, reason="slicer-core has no wheel for this machine")
def test_loading_every_module_of_mrml_loads_no_torch_and_no_qt():
    modules = [".".join(module_of(path.relative_to(SOURCES))) for path in SOURCES.glob("RegExplainLib/MRML/**/*.py")]
    modules = [name for name in modules if not name.endswith("__main__")]
    assert modules
    loaded = loaded_after(f"import importlib\nfor name in {modules}: importlib.import_module(name)")
    assert "slicer" in loaded
    assert not loaded & {"torch", "sklearn", "PySide6", "qt", "ctk"}


def test_the_folders_of_the_unit_tests_are_those_of_the_backend():
    """verbs: whole paths through its public functions; project: the repository; benchmarks: benchmarks/."""
    unit, backend = UNIT_TESTS, SOURCES / "regexplain"
    folders = {path.parent.relative_to(unit) for path in unit.rglob("test_*.py")}
    packages = {path.parent.relative_to(backend) for path in backend.rglob("*.py")}
    assert folders - packages == {Path("verbs"), Path("project"), Path("benchmarks")}
    tested = folders | {parent for folder in folders for parent in folder.parents}
    # A package without a folder of its own is part of one that has.
    assert {package for package in packages if package not in tested and package.parent not in folders} == set()
