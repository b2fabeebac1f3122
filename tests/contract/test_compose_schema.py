"""compose.yaml against the schema of Compose files, which an npm package brings."""

import json
import shutil
import subprocess
from pathlib import Path

import jsonschema
import pytest
import yaml

pytestmark = pytest.mark.clients

HERE = Path(__file__).parent / "compose"
COMPOSE = Path(__file__).parents[2] / "compose" / "compose.yaml"
SCHEMA = Path("node_modules/dclint/schemas/compose.schema.json")


@pytest.fixture(scope="module")
def validator(tmp_path_factory: pytest.TempPathFactory) -> jsonschema.Draft7Validator:
    npm = shutil.which("npm")
    assert npm, "this test needs npm: install it, or run `make test` without it"
    folder = tmp_path_factory.mktemp("compose")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, folder)
    command = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return jsonschema.Draft7Validator(json.loads((folder / SCHEMA).read_text()))


def test_it_is_a_compose_file(validator: jsonschema.Draft7Validator) -> None:
    document = yaml.safe_load(COMPOSE.read_text())
    assert [error.message for error in validator.iter_errors(document)] == []


@pytest.mark.parametrize(
    ("path", "value"),
    [(("services", "service", "portz"), []), (("services", "service", "healthcheck", "retries"), [3]),
     (("networkz",), {}), (("services", "service", "depends_on", "gremlin-server", "condition"), "soon")],
)  # fmt: skip
def test_the_schema_sees_what_is_wrong(
    validator: jsonschema.Draft7Validator, path: tuple[str, ...], value: object
) -> None:
    document = yaml.safe_load(COMPOSE.read_text())
    place = document
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    assert list(validator.iter_errors(document))
