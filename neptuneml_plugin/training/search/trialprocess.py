"""The process of one trial, which ends with the one that started it from its first moment on.

`python -m neptuneml_plugin.training.search.trialprocess FOLDER` runs the trial of a folder, and writes how it
failed to stdout. Who starts it holds its stdin open; that is watched before torch is imported, which takes
seconds, in which the training may begin anew.
"""

import dataclasses
import json
import os
import sys
import threading
from pathlib import Path


def main() -> None:
    """Run the trial of the folder named on the command line."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    from neptuneml_plugin.training.search.trial import attempt  # noqa: PLC0415 - see above

    failure = attempt(Path(sys.argv[1]))
    if failure is not None:
        sys.stdout.write(json.dumps(dataclasses.asdict(failure)))
        sys.exit(1)


def _end_with_parent() -> None:
    """End the process when its stdin is closed, as happens when the process that started it dies."""
    os.read(0, 1)  # not `sys.stdin`, whose lock must be free when the interpreter ends
    os._exit(1)


if __name__ == "__main__":
    main()
