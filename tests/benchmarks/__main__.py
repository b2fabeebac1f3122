"""Every benchmark of this folder, one after the other: `python -m tests.benchmarks [NAME]…`."""

import importlib
import pkgutil
import sys

from tests import benchmarks


def main(wanted: list[str]) -> int:
    """Run the modules named, or all of them."""
    names = sorted(
        module.name for module in pkgutil.iter_modules(benchmarks.__path__) if module.name != "__main__"
    )
    unknown = sorted(set(wanted) - set(names))
    if unknown:
        sys.stderr.write(f"no benchmark {', '.join(unknown)}; there are {', '.join(names)}\n")
        return 2
    for name in wanted or names:
        sys.stdout.write(f"# {name}\n")
        sys.stdout.flush()
        importlib.import_module(f"tests.benchmarks.{name}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
