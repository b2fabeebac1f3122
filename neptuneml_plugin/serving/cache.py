"""A worker's latest answers, by what was asked.

A worker answers for one artifact version, and so does its cache: an update begins with an empty one.
"""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import fields, replace
from typing import Any

import numpy as np

from neptuneml_plugin.serving.answers import Answers
from neptuneml_plugin.serving.batching import OF_ONE_CALLER
from neptuneml_plugin.serving.invocation import Invocation, Items

#: What a Python object costs beside its content, about.
OBJECT_BYTES = 64


class AnswerCache:
    """Answers that took computing, the least recently used of them forgotten first; for several threads.

    Args:
        most_bytes: how large it may grow; 0: it keeps nothing.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._kept: OrderedDict[Hashable, tuple[Answers, int]] = OrderedDict()
        self._lock = threading.Lock()
        self.size_bytes = 0

    def get(self, invocation: Invocation) -> Answers | None:
        """Return the answers to the same items, asked in the same way; None where they are not kept."""
        key = _question(invocation)
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key][0]

    def put(self, invocation: Invocation, answers: Answers) -> None:
        """Keep answers, unless they alone are too large."""
        size = _size(invocation, answers)
        if size > self._most_bytes:
            return
        key, copied = _question(invocation), _copy(answers)
        with self._lock:
            self.size_bytes += size - self._kept.pop(key, (None, 0))[1]
            self._kept[key] = copied, size
            while self.size_bytes > self._most_bytes:
                self.size_bytes -= self._kept.popitem(last=False)[1][1]

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()
            self.size_bytes = 0

    def takes(self, invocation: Invocation) -> bool:
        """Tell whether such answers are kept: not of live neighbourhoods, which tell what the graph is now."""
        return self._most_bytes > 0 and not invocation.is_inductive and len(invocation.items) > 0


def _question(invocation: Invocation) -> Hashable:
    """Return what decides the answers, and nothing else."""
    columns = (getattr(invocation.items, field.name) for field in fields(Items))
    named = tuple(column.tobytes() if isinstance(column, np.ndarray) else column for column in columns)
    return named, replace(invocation, items=Items(), **OF_ONE_CALLER)


def _copy(answers: Answers) -> Answers:
    """Return answers that hold no more in memory than themselves; those of a batch are views of it."""
    arrays: dict[str, Any] = {
        name: value.copy() for name, value in _columns(answers).items() if isinstance(value, np.ndarray)
    }
    return replace(answers, **arrays)


def _columns(answers: Answers) -> dict[str, Any]:
    return {field.name: getattr(answers, field.name) for field in fields(answers)}


def _size(invocation: Invocation, answers: Answers) -> int:
    """Return about what an entry takes; `classes` is the artifact's own list."""
    columns = [getattr(invocation.items, field.name) for field in fields(Items)]
    columns += [value for name, value in _columns(answers).items() if name != "classes"]
    return OBJECT_BYTES * 8 + sum(map(_bytes, [*columns, invocation.exclude]))


def _bytes(value: Any) -> int:
    if value is None:
        return 0
    if isinstance(value, np.ndarray):
        return OBJECT_BYTES + value.nbytes
    if isinstance(value, str):
        return OBJECT_BYTES + len(value)
    return OBJECT_BYTES + sum(map(_bytes, value))
