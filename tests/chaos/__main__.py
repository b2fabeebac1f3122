"""`make chaos`: many strikes of each kind, and a table of what came of them.

python -m tests.chaos --points 20 --seed 0 [--kind modeltraining]… [--skip 10] [--root FOLDER]

The same seed gives the same strikes, so that `--skip` and `--root` let a long series be made in parts.
"""

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from neptuneml_plugin import gremlin_server
from neptuneml_plugin.gremlin_server_config import GremlinServerConfig
from tests.chaos.rig import KINDS, Rig, Strike, Victim, strikes
from tests.servers import make_data_root


def main() -> None:
    """Strike, and leave with 1 where anything was not as it must be."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--points", type=int, default=20, help="strikes of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--skip", type=int, default=0, help="strikes of each kind that were made before")
    parser.add_argument("--kind", action="append", choices=[kind.name for kind in KINDS], help="all where absent")
    parser.add_argument("--root", type=Path, help="folder that keeps what the strikes build on")
    options = parser.parse_args()
    kinds = [kind for kind in KINDS if options.kind is None or kind.name in options.kind]
    done: list[Strike] = []
    console = Console(width=130)
    with tempfile.TemporaryDirectory(prefix="neptuneml-chaos-") as name:
        settings = GremlinServerConfig(make_data_root(Path(name) / "servers"), "modern", port=0)
        with gremlin_server.running_server(settings) as server:
            rig = Rig(options.root or Path(name) / "root", server.url)
            rig.prepare()
            for kind in kinds:
                for victim, moment in strikes(kind, options.points, options.seed)[options.skip :]:
                    done.append(rig.strike(kind, victim, moment))
                    console.print(_line(done[-1]), markup=False, soft_wrap=True)
    console.print(_table(done))
    sys.exit(any(strike.faults for strike in done))


def _line(strike: Strike) -> str:
    faults = "".join(f"\n    FAULT {fault}" for fault in strike.faults)
    return (
        f"{strike.kind:15} {strike.victim:8} at {strike.moment:4.0%}: "
        f"{strike.state} after {strike.seconds:.1f} s{faults}"
    )


def _table(done: list[Strike]) -> Table:
    table = Table(
        "kind", "strikes", *(f"killed: {victim}" for victim in Victim), "ended as", "longest, s", "faults"
    )
    for kind in dict.fromkeys(strike.kind for strike in done):
        own = [strike for strike in done if strike.kind == kind]
        victims = Counter(strike.victim for strike in own)
        states = Counter(strike.state for strike in own)
        table.add_row(
            kind,
            str(len(own)),
            *(str(victims[victim]) for victim in Victim),
            ", ".join(f"{count} {state}" for state, count in states.items()),
            f"{max(strike.seconds for strike in own):.1f}",
            str(sum(len(strike.faults) for strike in own)),
        )
    return table


if __name__ == "__main__":
    main()
