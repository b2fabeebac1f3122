"""docs/conformance.md: every sentence names tests that exist, and nothing of botocore's model is passed over."""

import ast
import functools
import re
from pathlib import Path

import pytest
from botocore.model import OperationModel
from botocore.session import get_session

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "conformance.md").read_text(encoding="utf-8")
#: (sentence, its tests)
ROWS = [
    (sentence, re.findall("`([^`]+)`", tests))
    for sentence, tests in re.findall(r"^\| (.+) \| (`tests/.+`) \|$", PAGE, flags=re.MULTILINE)
]
#: Of its lines, those that are no heads of tables.
LINES = [
    line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| sentence |", "| ---"))
]
MODEL = get_session().get_service_model("neptunedata")
OPERATIONS = [
    operation
    for operation in map(MODEL.operation_model, MODEL.operation_names)
    if operation.http["requestUri"].startswith("/ml/")
]


@functools.cache
def names_in(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(node.name for node in functions if node.name.startswith("test_"))


def test_every_row_is_a_sentence_with_its_tests() -> None:
    assert len(ROWS) == len(LINES) > 60


@pytest.mark.parametrize(("sentence", "tests"), ROWS, ids=[sentence[:60] for sentence, _ in ROWS])
def test_the_tests_of_a_sentence_exist(sentence: str, tests: list[str]) -> None:
    for test in tests:
        path, _, name = test.partition("::")
        assert name in names_in(ROOT / path), f"{sentence}: {test}"


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_an_operation_its_members_and_its_errors_stand_on_the_page(operation: OperationModel) -> None:
    sentences = " ".join(sentence for sentence, _ in ROWS)
    assert f"`{operation.http['method']} {operation.http['requestUri']}`" in sentences
    members = {*operation.input_shape.members, *operation.output_shape.members}
    for name in {*members, *(error.name for error in operation.error_shapes)}:
        assert f"`{name}`" in sentences, name
