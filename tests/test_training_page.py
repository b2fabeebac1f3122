"""docs/training.md says what the code does."""

import re
from pathlib import Path

from neptuneml_plugin.training import hyperparameters
from neptuneml_plugin.training.evaluation import collaborative, featured
from neptuneml_plugin.training.links import BLOCK_CELLS
from neptuneml_plugin.training.loop import LEAST_STEPS
from neptuneml_plugin.training.models import rules
from neptuneml_plugin.training.models.items import MAX_ITEMS
from neptuneml_plugin.training.presets import PRESETS, STILL_SEARCHED
from neptuneml_plugin.training.tasks import TASKS

PAGE = (Path(__file__).parents[1] / "docs" / "training.md").read_text(encoding="utf-8")


def rows(section: str) -> dict[str, list[str]]:
    """Return the cells of a section's table by its first cell."""
    _, _, after = PAGE.partition(f"## {section}")
    lines = [line for line in after.partition("\n## ")[0].splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {name.strip("`"): rest for name, *rest in cells}


def test_every_preset_and_all_that_it_sets_are_in_the_table() -> None:
    table = rows("Presets")
    assert list(table) == [preset.name for preset in PRESETS]
    for preset in PRESETS:
        said = table[preset.name][1]
        assert set(re.findall(r"`([a-z0-9-]+)`", said)) == set(preset.values)
        numbers = [value for value in preset.values.values() if not isinstance(value, bool)]
        assert all(f"{value:g}".lstrip("0") in said for value in numbers)
    assert f"{MAX_ITEMS:,}" in table["items"][0]
    assert f"{BLOCK_CELLS:,}" in table["neighbours"][0]
    assert all(f"`{name}`" in PAGE for name in STILL_SEARCHED)


def test_every_competitor_is_told_with_its_limits() -> None:
    named = {name for row in TASKS.values() for name in row.baselines}
    section = PAGE.partition("## The report")[2].partition("\n## ")[0]
    cells = " ".join(line.split("|")[1] for line in section.splitlines() if line.startswith("| `"))
    assert set(re.findall(r"`(\w+)`", cells)) == named
    limits = (
        featured.MAX_FITTED_ROWS, featured.BOOSTING_ROUNDS, featured.MAX_TREES, featured.MAX_AVERAGED_CELLS,
        collaborative.MAX_ALS_EDGES, rules.MOST_SCORES, MAX_ITEMS,
    )  # fmt: skip
    assert all(f"{limit:,}" in section for limit in limits)
    assert f"more than {featured.MAX_FITTED_CELLS // featured.MAX_FITTED_ROWS:,} columns" in section


def test_the_hyperparameters_of_ours_are_told_with_their_defaults() -> None:
    defaults = hyperparameters.build({}).to_json()
    table = rows("Hyperparameters that Neptune ML does not have")
    assert {name for preset in PRESETS for name in preset.values} - NEPTUNES <= set(table)
    for name, (default, *_) in table.items():
        expected = defaults[name]
        assert default == (str(expected).lower() if isinstance(expected, bool) else f"{expected:g}")


#: Neptune's own names (specification 4.4) that presets set.
NEPTUNES = {
    "batch-size", "concat-node-embed", "dropout", "l2norm", "layer-norm", "lr", "num-bases", "num-epochs",
    "num-layer", "sparse-lr", "use-edge-features", "use-self-loop",
}  # fmt: skip


def test_the_limits_of_rules_are_told() -> None:
    cell = rows("Hyperparameters that Neptune ML does not have")["mined-rules"][-1]
    assert all(f"{limit:,}" in cell for limit in (rules.MOST_SCORES, rules.MOST_PATHS))
    assert f"log(1 + {1 / rules.LEAST:g} c)" in cell


def test_the_steps_before_an_early_stop_are_told() -> None:
    assert f"first {LEAST_STEPS} optimiser steps" in PAGE
