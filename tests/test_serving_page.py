"""docs/serving.md says what the code does."""

import re
from pathlib import Path

import click

from neptuneml_plugin.commands import endpoints
from neptuneml_plugin.config import WorkerConfig
from neptuneml_plugin.service.endpoints import workers
from neptuneml_plugin.service.wire.endpoints import NUMBERS, OPTIONS

PAGE = (Path(__file__).parents[1] / "docs" / "serving.md").read_text(encoding="utf-8")
_SECTION = PAGE.partition("## Options of an endpoint")[2].partition("\n## ")[0]
ROWS = {
    re.findall("`(.+)`", cells[1])[0]: [cell.strip() for cell in cells[1:-1]]
    for cells in (line.split("|") for line in _SECTION.splitlines() if line.startswith("| `"))
}


def test_every_option_is_told_and_no_other() -> None:
    assert set(ROWS) == set(OPTIONS)


def test_flags_are_those_of_the_command_line() -> None:
    for name in ("create", "update"):
        command = endpoints.endpoint_commands.commands[name]
        flags = {option.name: option.opts for option in command.params if isinstance(option, click.Option)}
        for member, (_, flag, *_) in ROWS.items():
            assert flags[member] == [flag.strip("`")], member


def test_bounds_and_defaults_are_those_of_the_code() -> None:
    defaults = {name: field.default for name, field in WorkerConfig.__dataclass_fields__.items()} | {
        "instances": 1
    }
    for member, number in NUMBERS.items():
        _, _, default, bounds, _ = ROWS[member]
        assert bounds == f"{number.least} to {number.most}", member
        assert default == str(defaults[number.option]), member


def test_pauses_are_told() -> None:
    assert f"after {workers.FIRST_PAUSE_SECONDS} s, then" in PAGE
    assert f"up to {workers.LONGEST_PAUSE_SECONDS:.0f} s" in PAGE
