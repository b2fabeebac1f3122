"""Runs cells in IPython with graph-notebook's magics; executed by the notebook environment's own Python.

Standard input: `{"cells": [text, …], "keep": [name, …]}`. Standard output: one line of JSON: for each cell what it
printed and displayed, and why it failed (null: it did not); and the variables to keep.
"""

import json
import sys

from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output


def main() -> None:
    asked = json.load(sys.stdin)
    shell = InteractiveShell.instance()
    shell.run_line_magic("load_ext", "graph_notebook.magics")
    cells = [run(shell, cell) for cell in asked["cells"]]
    kept = {name: shell.user_ns.get(name) for name in asked["keep"]}
    print("\n" + json.dumps({"cells": cells, "kept": kept}, default=str))  # noqa: T201 - the answer


def run(shell: InteractiveShell, cell: str) -> dict[str, object]:
    with capture_output() as captured:
        result = shell.run_cell(cell)
    shown = [text for output in captured.outputs for text in output.data.values() if isinstance(text, str)]
    failure = result.error_before_exec or result.error_in_exec
    return {
        "output": "\n".join([captured.stdout, *shown]),
        "error": None if failure is None else f"{type(failure).__name__}: {failure}",
    }


if __name__ == "__main__":
    main()
