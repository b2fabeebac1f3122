"""What the folder of a custom model must hold."""

import os
from collections.abc import Iterator
from pathlib import Path

from neptuneml_plugin.config import CustomModel

#: Files of hyperparameters: Neptune ML's name first; that of processing is read too.
CONFIGURATIONS = ("model-hpo-configuration.json", "model-HPO-configuration.json")


def configuration(folder: Path) -> Path:
    """Return the file of hyperparameters, or where it ought to be."""
    found = (folder / name for name in CONFIGURATIONS)
    return next((path for path in found if path.is_file()), folder / CONFIGURATIONS[0])


def leads_out(script: str) -> bool:
    """Return whether a script's name leads out of the folder."""
    return Path(script).is_absolute() or ".." in Path(script).parts


def missing(custom: CustomModel, *, trains: bool) -> Iterator[tuple[str, Path]]:
    """Yield what the folder lacks, in words, and where it was looked for.

    Args:
        custom: the folder, and the names of its scripts.
        trains: whether it is to be trained, which needs more than a transform.
    """
    wanted = {"transform script": custom.source / custom.transform_script}
    if trains:
        training = {"training script": custom.source / custom.training_script}
        wanted = training | wanted | {"hyperparameters": configuration(custom.source)}
    for what, path in wanted.items():
        if not os.path.isfile(path):  # noqa: PTH113 - unlike `Path.is_file`, false for what is no name at all
            yield what, path
