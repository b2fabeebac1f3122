"""The form of a hyperparameter in `model-HPO-configuration.json`."""

from typing import Any


def tuned(name: str, kind: str, *, default: Any, **search: Any) -> dict[str, Any]:
    """Return a hyperparameter; `search` says where it may be searched."""
    return {"param": name, "type": kind, **search, "default": default}
