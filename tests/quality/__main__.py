"""Our models beside every trivial competitor, on real and planted data, through the commands that a user types.

`python -m tests.quality [FOLDER] [NAME]…`: builds everything under the folder (default `run/quality`), some ten
minutes the first time; exports that are there are kept, everything after them is done anew. With `--trials N` each
row is a search, and its trial 0, the defaults, stands beside the best; `--preset` names what is searched around.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neptuneml_plugin import gremlin_server, quickstart
from neptuneml_plugin.artifacts import HPO_CONFIGURATION, TRAINING, TrainingRecord, read_record
from neptuneml_plugin.gremlin_server_config import GremlinServerConfig
from neptuneml_plugin.stage import unfinished_of, write_json
from tests.quality.knowledge_graphs import KNOWLEDGE_GRAPHS, write_graph
from tests.quality.movielens import RATED, request, write_u1
from tests.quality.peers import peers
from tests.quality.planted import PLANTED, planted

MOVIES = Path(__file__).parents[2] / "examples" / "movies"


@dataclass(frozen=True)
class Quality:
    """One row of the table."""

    name: str
    #: What the embedded server starts with, MovieLens in `empty`; or a knowledge graph or a planted one, without.
    graph: str
    request: Mapping[str, Any]
    metric: str
    #: Changes the export folder before it is processed.
    prepare: Callable[[Path, Path], None] | None = None
    #: Given to `train`; None: the default.
    model: str | None = None


def cases() -> tuple[Quality, ...]:
    """Return the rows: the quickstart's tasks, MovieLens, knowledge graphs, and stand-ins for public graphs."""
    metrics = {"airport-country": "acc", "route-distance": "rmse", "airport-routes": "mrr"}
    airports = (Quality(c.name, "air-routes", c.request, metrics[c.name]) for c in quickstart.CASES)
    stars = {"edge": list(RATED), "property": "score", "type": "classification"}
    genre = {"node": "movie", "property": "genre", "type": "classification"}
    rating = json.loads((MOVIES / "rating.json").read_text(encoding="utf-8"))
    return (
        *airports,
        Quality("movie-rating", "empty", rating, "rmse"),
        Quality("movie-rating-u1", "empty", rating, "rmse", write_u1),
        Quality("movie-stars-u1", "empty", request(stars), "acc", write_u1),
        Quality(
            "movie-rated-u1",
            "empty",
            request({"edge": list(RATED), "type": "link_prediction"}),
            "mrr_targets",
            write_u1,
        ),
        Quality("movie-genre", "empty", request(genre), "f1_micro"),
        Quality("user-age", "empty", request({"node": "user", "property": "age", "type": "regression"}), "mae"),
        *(
            Quality(f"{graph}-{model}" if model else graph, graph, {}, "mrr", model=model)
            for graph in KNOWLEDGE_GRAPHS
            for model in (None, "distmult", "rotate", "transe", "rgcn")
        ),
        *(Quality(name, name, {}, metric) for name, (metric, _) in PLANTED.items()),
    )


@dataclass(frozen=True)
class Effort:
    """How much is tried for each row."""

    trials: int = 1
    parallel: int = 1
    #: Named in the configuration file; None: as the file was generated.
    preset: str | None = None
    #: Go on with what is unfinished.
    resume: bool = False


def main(folder: Path, names: list[str], effort: Effort) -> int:
    """Print one line per row: ours, and each competitor."""
    rows = [case for case in cases() if not names or case.name in names]
    if unknown := set(names) - {case.name for case in cases()}:
        sys.stderr.write(f"no row {', '.join(sorted(unknown))}\n")
        return 2
    for graph in dict.fromkeys(case.graph for case in rows):
        export(folder, graph, [case for case in rows if case.graph == graph])
    for case in rows:
        summary = train(folder / case.name, case, effort)
        found = peers(folder / case.name / "processed") if case.graph in PLANTED else {}
        if effort.trials > 1:
            found = {**by_defaults(folder / case.name / "training"), **found}
        sys.stdout.write(line(case, summary, found) + "\n")
        sys.stdout.flush()
    return 0


def export(folder: Path, graph: str, rows: list[Quality]) -> None:
    """Export what is not there yet."""
    missing = [case for case in rows if not (folder / case.name / "export").is_dir()]
    if graph in KNOWLEDGE_GRAPHS:
        for case in missing:
            write_graph(graph, folder / case.name / "export", folder / "data")
    if graph in PLANTED:
        for case in missing:
            planted(graph, folder / case.name / "export")
    if not missing or graph in KNOWLEDGE_GRAPHS or graph in PLANTED:
        return
    config = GremlinServerConfig(folder, graph, gremlin_server.free_port(8182))
    with gremlin_server.running_server(config, say) as server:
        if graph == "empty":
            load = [sys.executable, str(MOVIES / "load.py"), server.url, str(folder / "data")]
            subprocess.run(load, check=True, stdout=sys.stderr)
        for case in missing:
            target = folder / case.name
            target.mkdir(exist_ok=True)
            write_json(target / "request.json", case.request)
            arguments = ("--request", str(target / "request.json"), "--output", str(target / "export"))
            run("export", "--gremlin", server.url, *arguments)
            if case.prepare is not None:
                case.prepare(target / "export", folder / "data")


def train(folder: Path, case: Quality, effort: Effort) -> dict[str, Any]:
    """Process and train, or go on with a training that was cut off; return its summary."""
    training = folder / "training"
    goes_on = effort.resume and unfinished_of(training).is_dir()
    if not goes_on:
        run("process", "--input", str(folder / "export"), "--output", str(folder / "processed"), "--overwrite")
        if effort.preset is not None:
            name_preset(folder / "processed" / HPO_CONFIGURATION, effort.preset)
    model = ("--model", case.model) if case.model else ()
    search = ("--trials", str(effort.trials), "--parallel", str(effort.parallel))
    target = ("--output", str(training), *(() if goes_on else ("--overwrite",)))
    return run("train", "--input", str(folder / "processed"), *target, *model, *search)


def name_preset(path: Path, preset: str) -> None:
    """Name a preset in a configuration file, in place of the choice among those that fit."""
    document = json.loads(path.read_text(encoding="utf-8"))
    document["models"][0]["preset"] = preset
    write_json(path, document)


def by_defaults(training: Path) -> dict[str, dict[str, float]]:
    """Return what a search's first trial reached, on the rows that its best is judged by."""
    record = read_record(training / TRAINING, TrainingRecord)
    return {"defaults": dict(record.trial(0).metrics[record.baselines_split])}


def run(stage: str, *arguments: str) -> dict[str, Any]:
    """Run a stage as a command and return its summary."""
    command = [*quickstart.COMMAND, stage, "--json", *arguments]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    summary: dict[str, Any] = json.loads(output)
    return summary


def line(case: Quality, summary: Mapping[str, Any], found: Mapping[str, Mapping[str, float]]) -> str:
    """Return the row as text: the model first, then the competitors, then the peers that were found."""
    values = {"ours": summary["metrics"][summary["baselines_split"]], **summary["baselines"], **found}
    figures = "  ".join(f"{name} {value[case.metric]:.4g}" for name, value in values.items())
    chosen = "".join(f"; {note}" for note in summary.get("notes", ()))
    effort = f"({summary['counts']['epochs']} epochs, {summary['seconds']:.0f} s{chosen})"
    return f"{case.name:<16} {case.metric:<5} {figures}  {effort}"


def say(message: str, fraction: float | None = None) -> None:
    """Write a line of progress."""
    sys.stderr.write(message + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.quality")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("run/quality"))
    parser.add_argument("names", nargs="*")
    parser.add_argument("--trials", type=int, default=1)
    parser.add_argument("--parallel", type=int, default=1)
    parser.add_argument("--preset")
    parser.add_argument("--resume", action="store_true")
    given = parser.parse_args()
    effort = Effort(given.trials, given.parallel, given.preset, given.resume)
    sys.exit(main(given.folder.absolute(), given.names, effort))
