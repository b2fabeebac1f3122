"""The benchmarks of this folder, one after the other: `python -m tests.benchmarks [NAME]…`."""

import importlib
import pkgutil
import sys

from tests import benchmarks

#: Those that take ten minutes and more, and run only where they are named.
LONG = frozenset({"soak"})


def main(wanted: list[str]) -> int:
    """Run the modules named, or all but the long ones; return 0 unless one of them says that it has failed."""
    names = sorted(
        module.name for module in pkgutil.iter_modules(benchmarks.__path__) if module.name != "__main__"
    )
    unknown = sorted(set(wanted) - set(names))
    if unknown:
        sys.stderr.write(f"no benchmark {', '.join(unknown)}; there are {', '.join(names)}\n")
        return 2
    code = 0
    for name in wanted or [name for name in names if name not in LONG]:
        sys.stdout.write(f"# {name}\n")
        sys.stdout.flush()
        code = max(code, importlib.import_module(f"tests.benchmarks.{name}").main() or 0)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
