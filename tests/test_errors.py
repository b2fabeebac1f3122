import re

import pytest

from neptuneml_plugin import errors


def every_error() -> list[type[errors.NeptuneMLError]]:
    found, todo = [], [errors.NeptuneMLError]
    while todo:
        kind = todo.pop()
        found.append(kind)
        todo += kind.__subclasses__()
    return [kind for kind in found if kind.__module__ == errors.__name__]


@pytest.mark.parametrize("kind", every_error())
def test_every_error_stands_in_the_printed_tree(kind: type[errors.NeptuneMLError]) -> None:
    assert errors.__doc__ is not None
    assert re.search(rf"\b{kind.__name__}\b", errors.__doc__), f"{kind.__name__} is not in the tree"


@pytest.mark.parametrize("kind", every_error())
def test_code_and_status_stand_beside_each_name(kind: type[errors.NeptuneMLError]) -> None:
    assert errors.__doc__ is not None
    line = next(line for line in errors.__doc__.splitlines() if kind.__name__ in line.split())
    inherited = kind in {errors.InvalidSettings, errors.InvalidData}
    assert str(kind.http_status) in line
    assert inherited or kind.code in line
    assert kind.code.endswith("Exception")
    assert kind.exit_code in {1, 2}


def test_invalid_settings_names_every_problem() -> None:
    error = errors.InvalidSettings("run.yaml", ["a: must be an integer", "b: unknown"])
    assert str(error) == "run.yaml: a: must be an integer; b: unknown"


@pytest.mark.parametrize(
    ("name", "allowed", "hint"),
    [
        ("trails", ["trials", "seed"], " (did you mean 'trials'?)"),
        ("zzz", ["trials", "seed"], " (allowed: seed, trials)"),
        ("x", [], " (allowed: none)"),
    ],
)
def test_nearest(name: str, allowed: list[str], hint: str) -> None:
    assert errors.nearest(name, allowed) == hint
