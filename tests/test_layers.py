"""The layers of the design, and what may be imported where."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "neptuneml_plugin"

#: Lowest first; a module imports from layers below its own, or from its own folder.
LAYERS = (
    ("errors", "filelock"),
    (
        "cells",
        "charts",
        "config",
        "problems",
        "stage",
        "arrays",
        "filerecords",
        "gremlin_login",
        "locations",
        "redaction",
        "tracing",
    ),
    ("jobfolder", "connection", "querytext", "workerprocess"),
    ("customsource", "error_body", "ids", "artifacts", "dgl_graph", "report", "client", "jobclient", "learn"),
    ("table", "processed", "trainingdata", "transfer"),
    ("ensembles",),
    ("export", "processing", "training", "serving", "service", "loadtest"),
    ("jars", "testing"),
    ("gremlin_server_config",),
    ("gremlin_server", "questions"),
    ("quickstart",),
    ("display",),
    ("commands",),
    ("cli",),
)
#: Declared exceptions (design): inductive answers need fitted encoders and model classes; the service refuses a
#: request for an export as the stage would.
EXCEPTIONS = {
    ("serving", "neptuneml_plugin.processing."),
    ("serving", "neptuneml_plugin.training."),
    ("service", "neptuneml_plugin.export.request."),
}


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def part(name: str) -> str:
    """`neptuneml_plugin.training.loop` -> `training`."""
    return name.split(".")[1]


def layer(name: str) -> int:
    return next(index for index, names in enumerate(LAYERS) if name in names)


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "neptuneml_plugin":
            found |= {f"neptuneml_plugin.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return {name for name in found if name.startswith("neptuneml_plugin.") and not name.endswith("__version__")}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_downwards(path: Path) -> None:
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    for name in imports(path):
        other = part(name)
        is_excepted = any(own == importer and f"{name}.".startswith(prefix) for importer, prefix in EXCEPTIONS)
        assert other == own or layer(other) < layer(own) or is_excepted, f"{own} imports {name}"


def loaded_by(statement: str) -> set[str]:
    script = f"import sys; {statement}; print(' '.join({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("statement", "forbidden"),
    [
        ("import neptuneml_plugin.cli", {"torch", "dgl", "gremlin_python", "polars", "sklearn", "scipy"}),
        ("import neptuneml_plugin.service.app", {"torch", "dgl", "gremlin_python", "polars", "sklearn", "scipy"}),
        ("import neptuneml_plugin.serving.endpoint", {"torch", "dgl", "gremlin_python", "polars", "sklearn"}),
        ("import neptuneml_plugin.loadtest.run", {"torch", "dgl", "gremlin_python", "polars", "sklearn", "scipy"}),
        ("import neptuneml_plugin.serving.inductive", {"dgl", "gremlin_python", "sklearn", "optuna"}),
        ("import neptuneml_plugin.export.export", {"torch", "dgl"}),
        ("import neptuneml_plugin.processing.process", {"torch", "dgl", "gremlin_python", "sklearn", "optuna"}),
        ("import neptuneml_plugin.training.train", {"dgl", "gremlin_python", "sklearn"}),
        ("import neptuneml_plugin.training.search.trials", {"dgl", "gremlin_python", "polars"}),
    ],
)
def test_heavy_libraries_stay_in_their_stage(statement: str, forbidden: set[str]) -> None:
    assert not loaded_by(statement) & forbidden


def test_only_the_command_line_prints() -> None:
    for path in modules():
        if path.name == "cli.py":
            continue
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        assert not [c for c in calls if isinstance(c.func, ast.Name) and c.func.id == "print"], path
