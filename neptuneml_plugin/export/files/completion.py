"""The completion file: written beside the export when all of it stands, for whoever waits for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from neptuneml_plugin.errors import InvalidParameter
from neptuneml_plugin.export.request.filterconfig import local_path
from neptuneml_plugin.problems import Problems, as_json
from neptuneml_plugin.stage import write_json

#: Stands in the path for the name of the export's folder.
PLACEHOLDER = "_COMPLETION_ID_"


@dataclass(frozen=True)
class Completion:
    """Where the completion file goes, and what the caller wants in it."""

    #: A file, if it holds the placeholder; else a folder.
    path: Path
    payload: Mapping[str, Any] = field(default_factory=dict)

    def file(self, target: Path) -> Path:
        """Return the file for an export in the folder `target`."""
        if PLACEHOLDER in str(self.path):
            return Path(str(self.path).replace(PLACEHOLDER, target.name))
        return self.path / f"{target.name}.json"

    def write(self, target: Path, statistics: Mapping[str, Any]) -> None:
        """Write the file for a finished export.

        Raises:
            InvalidParameter: it cannot be written there; the export itself stands.
        """
        file = self.file(target.absolute())
        own = {"outputS3Path": str(target), "stats": statistics}
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_json(file, {**self.payload, "neptuneExport": own})
        except OSError as error:
            raise InvalidParameter(
                f"completionFileS3Path: {file} cannot be written ({error.strerror}); the export stands in {target}"
            ) from None


def read_completion(request: Mapping[str, Any], problems: Problems) -> Completion | None:
    """Read `completionFileS3Path` and `completionFilePayload`."""
    location, payload = request.get("completionFileS3Path"), request.get("completionFilePayload")
    if payload is not None and (not isinstance(payload, Mapping) or as_json(payload) is not payload):
        problems.invalid("completionFilePayload", f"must be an object of JSON, not {payload!r}")
        payload = None
    if location in (None, ""):
        if payload is not None:
            problems.invalid("completionFilePayload", "needs 'completionFileS3Path' beside it")
        return None
    path = local_path(location, "completionFileS3Path", problems)
    return None if path is None else Completion(path, payload or {})
