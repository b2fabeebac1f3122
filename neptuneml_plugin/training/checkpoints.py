"""Checkpoints: everything that a training needs to go on as if it had never been interrupted.

A file is replaced as a whole (written beside, synced, renamed) and holds tensors and JSON, no pickle.
"""

import errno
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

_FACTS = "facts"


@dataclass
class Position:
    """How far a training has come."""

    #: The epoch that is running, from 1, and how many of its batches are done.
    epoch: int = 1
    batches: int = 0
    steps: int = 0
    #: Since the last evaluation.
    losses: list[float] = field(default_factory=list)
    evaluations: int = 0
    #: The goal's metric at each evaluation that could measure it on validation rows.
    history: list[float] = field(default_factory=list)
    best_value: float | None = None
    #: What `Goal.order` says of the best weights, and of the newest that were evaluated.
    best_order: float | None = None
    newest_order: float | None = None
    best_epoch: int = 0
    seconds: float = 0.0
    #: Whether it has stopped early.
    over: bool = False


@dataclass(frozen=True)
class Checkpoint:
    """A training at one moment."""

    position: Position
    #: Weights, their averages, the best of these, the optimiser's and the random generators' state, by name.
    tensors: Mapping[str, Tensor]

    def part(self, name: str) -> dict[str, Tensor]:
        """Return the tensors under `name/`."""
        prefix = f"{name}/"
        return {key.removeprefix(prefix): value for key, value in self.tensors.items() if key.startswith(prefix)}


def named(name: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors under `name/`, as `Checkpoint.part` finds them."""
    return {f"{name}/{key}": value for key, value in tensors.items()}


class Checkpoints:
    """The newest checkpoint of one training, in a file."""

    def __init__(self, path: Path, every_seconds: float) -> None:
        self._path, self._every_seconds = path, every_seconds
        self._last = time.monotonic()

    def is_due(self) -> bool:
        """Return whether the last one is old enough."""
        return time.monotonic() - self._last >= self._every_seconds

    def save(self, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint.

        Raises:
            OSError: it cannot be written; the one before is still there.
        """
        temporary = self._path.with_name(f".{self._path.name}.partial")
        facts = {_FACTS: json.dumps(vars(checkpoint.position))}
        try:
            save_tensors(checkpoint.tensors, temporary, facts)
            descriptor = os.open(temporary, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            temporary.replace(self._path)
        finally:
            temporary.unlink(missing_ok=True)
        self._last = time.monotonic()

    def load(self) -> Checkpoint | None:
        """Return the checkpoint; None where there is no whole one."""
        try:
            with safe_open(self._path, "pt") as file:
                position = Position(**json.loads(file.metadata()[_FACTS]))
                return Checkpoint(position, {name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
        except (FileNotFoundError, SafetensorError, KeyError, TypeError, ValueError):
            return None


def save_tensors(tensors: Mapping[str, Tensor], path: Path, facts: dict[str, str] | None = None) -> None:
    """Write tensors as safetensors.

    Raises:
        OSError: the file cannot be written; safetensors reports that as an error of its own.
    """
    try:
        save_file({name: value.detach().cpu().contiguous() for name, value in tensors.items()}, path, facts)
    except SafetensorError as error:
        full = "No space left" in str(error) or "os error 28" in str(error)
        raise OSError(errno.ENOSPC if full else errno.EIO, str(error), str(path)) from None


def random_state() -> dict[str, Tensor]:
    """Return the state of torch's random generators by device."""
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def set_random_state(states: Mapping[str, Any]) -> None:
    """Put the random generators back."""
    torch.set_rng_state(states["cpu"].cpu())
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"].cpu())
