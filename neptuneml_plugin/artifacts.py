"""Every file that crosses a stage boundary: its name, its format, and the dataclass that both sides share.

Neptune's own formats (CSV, `training-data-configuration.json`, `model-HPO-configuration.json`) are parsed by the
stage that reads them and written by the one that writes them; only their names stand here.

```
export      nodes/*.csv  edges/*.csv  training-data-configuration.json  config.json  stats.json
processed   processed.json  encoders.json  nodes/<node type>/  edges/<edge type>/  ids/<node type>/
            splits/<target type>/  model-HPO-configuration.json  hpo-configuration-templates/
            train_instance_recommendation.json
            data_report.json  data_report.html  graph.bin  info.pkl
training    training.json  trials/<n>/{model.safetensors, trial.json, metrics.jsonl}  ids/  artifact/
            eval_metrics_info.json  test_metrics_info.json  report.html  and the files beside an artifact
artifact    manifest.json  model.safetensors  encoders.json  nodes/<node type>/  edges/<edge type>/  decoder/
            beside it, in a training's output, or in the same folder, in a transform's: embeddings/entity.npy
            predictions/result.npz  predictions.parquet  mapping.info  infer_instance_recommendation.json
```

`<node type>` and `<edge type>` are positions in `GraphSchema.nodes` and `.edges`, as labels may hold anything.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import cattrs

from neptuneml_plugin.errors import InvalidData, InvalidParameter
from neptuneml_plugin.filerecords import FileRecord, check_files
from neptuneml_plugin.problems import holds
from neptuneml_plugin.stage import write_json

FORMAT_VERSION = 1

# Export folder (Neptune's names)
TRAINING_DATA_CONFIGURATION = "training-data-configuration.json"
EXPORT_SCHEMA = "config.json"
EXPORT_STATS = "stats.json"

# Processed folder
PROCESSED = "processed.json"
ENCODERS = "encoders.json"
IDS = "ids"
HELD_OUT = "held_out.npy"  # of a node type; only after an inductive split
LATER = "later.npy"  # of an edge type; only after a split by time
SPLITS = "splits"  # custom_split_filenames' format
HPO_CONFIGURATION = "model-HPO-configuration.json"
HPO_TEMPLATES = "hpo-configuration-templates"  # of each model that can be trained: `<model>.json`
DATA_REPORT = "data_report.json"
DATA_REPORT_PAGE = "data_report.html"
TRAIN_INSTANCE = "train_instance_recommendation.json"
# Written for custom models of the original, never read here
GRAPH = "graph.bin"
INFO_PICKLE = "info.pkl"

# Training folder
TRAINING = "training.json"
TRIALS = "trials"
SELECTION = "selection.json"
TRIAL = "trial.json"
METRICS_LOG = "metrics.jsonl"
ARTIFACT = "artifact"
VALIDATION_METRICS = "eval_metrics_info.json"
TEST_METRICS = "test_metrics_info.json"
TRAINING_REPORT_PAGE = "report.html"

# Artifact folder
MANIFEST = "manifest.json"
WEIGHTS = "model.safetensors"

# Beside an artifact; but for the first, written for clients and never read here
PREDICTIONS = "predictions.parquet"
MAPPING_PICKLE = "mapping.info"
INFER_INSTANCE = "infer_instance_recommendation.json"

#: Models: a graph neural network, and knowledge-graph embeddings by their score function, for link prediction.
RGCN = "rgcn"
KGE_MODELS = ("complex", "transe", "distmult", "rotate")
#: As a request names any of them.
KGE = "kge"
#: A model of someone's own scripts.
CUSTOM = "custom"

#: What rows are dealt out to.
PARTS = ("train", "valid", "test")
MULTI_LABEL_SEPARATOR = ";"
REVERSE_PREFIX = "rev-"


class Task(StrEnum):
    """The five tasks, spelled as in `task_type` (decision 8)."""

    NODE_CLASS = "node_class"
    NODE_REGRESSION = "node_regression"
    EDGE_CLASS = "edge_class"
    EDGE_REGRESSION = "edge_regression"
    LINK_PREDICTION = "link_prediction"

    @property
    def on_nodes(self) -> bool:
        """Whether a vertex property is predicted."""
        return self in {Task.NODE_CLASS, Task.NODE_REGRESSION}

    @property
    def is_class(self) -> bool:
        """Whether one or more of a closed set of values is predicted."""
        return self in {Task.NODE_CLASS, Task.EDGE_CLASS}


class Scores(StrEnum):
    """How a link prediction scores a pair: u asks, v is a candidate, r is the relation; see `Manifest`."""

    #: sum(u * r * v)
    PRODUCT = "product"
    #: The real part of sum(u * r * conjugate of v), in complex numbers.
    COMPLEX = "complex"
    #: -sum(|u * exp(i r) - v|), in complex numbers; r are angles.
    ROTATE = "rotate"
    #: -sum(|u + r - v|)
    TRANSE = "transe"
    #: -sqrt(sum(|u + r - v|²)), the other one of TransE's two distances (Bordes et al., 2013).
    TRANSE_L2 = "transe-l2"


@dataclass(frozen=True)
class EdgeType:
    """A triple of labels; a label of several parts is sorted and joined by `;`.

    Its text is the fully qualified label, such as `(user)-rated-(movie)`.
    """

    source: str
    label: str
    target: str

    def __str__(self) -> str:
        return f"({self.source})-{self.label}-({self.target})"

    @property
    def triple(self) -> tuple[str, str, str]:
        """DGL's canonical edge type."""
        return (self.source, self.label, self.target)

    @property
    def reverse(self) -> tuple[str, str, str]:
        """DGL's canonical type of the reverse edges in the processed graph."""
        return (self.target, REVERSE_PREFIX + self.label, self.source)


@dataclass(frozen=True)
class FeatureSchema:
    """One encoded feature: a float32 matrix (rows, width) under `name` in the graph."""

    name: str
    #: Neptune's feature type after inference, such as `numerical` or `category`.
    type: str
    width: int
    #: The property that it is encoded from.
    column: str = ""


@dataclass(frozen=True)
class NodeType:
    """What is known of one vertex label."""

    label: str
    count: int
    #: Simple name of the ids' Java class: `String`, `Integer`, `Long`, `UUID`, … (decision 30).
    id_type: str = "String"
    features: tuple[FeatureSchema, ...] = ()


@dataclass(frozen=True)
class EdgeSchema:
    """What is known of one edge type (forward direction)."""

    type: EdgeType
    count: int
    features: tuple[FeatureSchema, ...] = ()
    #: Whether processing made these edges, so that the live graph holds none of them.
    built: bool = False


@dataclass(frozen=True)
class GraphSchema:
    """Node and edge types in a fixed order; their positions name folders."""

    nodes: tuple[NodeType, ...]
    edges: tuple[EdgeSchema, ...]

    def node(self, label: str) -> int:
        """Return the position of a node label.

        Raises:
            KeyError: no such label.
        """
        return _position([node.label for node in self.nodes], label)

    def edge(self, edge_type: EdgeType) -> int:
        """Return the position of an edge type.

        Raises:
            KeyError: no such type.
        """
        return _position([edge.type for edge in self.edges], edge_type)


@dataclass(frozen=True)
class Target:
    """What is predicted."""

    #: Node tasks: the vertex label.
    node: str | None = None
    #: Edge tasks: one type; link prediction: one or more.
    edges: tuple[EdgeType, ...] = ()
    property_name: str | None = None
    #: The property's original type (decision 14); regressions answer `Double`.
    data_type: str = "String"
    multi_label: bool = False
    #: Class values by class index, of the original type.
    classes: tuple[str | int | float | bool, ...] = ()


@dataclass(frozen=True)
class SplitReport:
    """How the rows of one target type were dealt out; parts are `train`, `valid`, `test`."""

    #: `random`, `stratified`, `inductive`, `time`, or `files` (`custom_split_filenames`).
    kind: str
    #: Part -> rows.
    rows: Mapping[str, int]
    #: Rows of the type that are in no part: they have no answer, or the files do not list them.
    unused: int
    #: One of the two is set.
    node: str | None = None
    edge: EdgeType | None = None
    #: Shares asked for; None with files.
    rates: tuple[float, float, float] | None = None
    seed: int = 0
    #: Edges: those that join one pair of vertices, in either direction, stand in one part.
    keep_pairs: bool = False
    #: Part -> rows of each class, in the order of `Target.classes`; empty but for classifications.
    classes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    #: `time`: the property, and part -> its first and its last value.
    property_name: str | None = None
    periods: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    #: `inductive`: vertices held out, by label.
    held_out: Mapping[str, int] = field(default_factory=dict)
    #: `time`: edges later than the training rows, by the name of their type.
    later: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class FeatureDrift:
    """How far the values of a feature have moved since its encoder was fitted."""

    name: str
    #: `total variation` of categories and buckets, `Kolmogorov-Smirnov` of numbers: 0 is alike, 1 is apart.
    measure: str
    #: Of the column that differs most, where numbers have several.
    distance: float


@dataclass(frozen=True)
class TypeDrift:
    """How a vertex label or edge type differs from the previous snapshot."""

    #: Rows of the previous snapshot, and what became of them.
    previous: int
    kept: int
    added: int
    removed: int
    #: Rows when the encoders were fitted, and all that was added and removed since, over all snapshots.
    fitted: int
    changed: int
    #: One of the two is set.
    node: str | None = None
    edge: EdgeType | None = None
    features: tuple[FeatureDrift, ...] = ()


@dataclass(frozen=True)
class Drift:
    """How a graph differs from the snapshot that it was processed after."""

    #: One per type, in the order of the schema; edges that processing made are left out.
    types: tuple[TypeDrift, ...]
    #: Share of all vertices, and of all edges, that was added or removed since the encoders were fitted.
    vertices: float
    edges: float
    #: The share beyond which to train again.
    limit: float


@dataclass(frozen=True)
class ProcessedGraph:
    """`processed.json`: what a processed folder holds; written last.

    Arrays are raw `.npy` files, memory-mapped by their readers (`processed.ProcessedFolder`). Positions are those
    in `schema`:

    * `ids/<i>/`: the ids of node type i, see `ids`; rows of nodes are in their order.
    * `edges/<k>/sources.npy, targets.npy` int32, int64 where rows are too many: (edges,), the rows of the ends
      among the nodes of their types. Reverse edges are these, turned around, and are not stored.
    * `nodes/<i>/features/<f>.npy`, `edges/<k>/features/<f>.npy` float32 (rows, width): feature f of the type.
    * in the folder of each target type `train_mask.npy`, `valid_mask.npy`, `test_mask.npy` bool (rows,), and but
      for link prediction `labels.npy`: int64 (rows,) with -1 where unknown; multi-label: float32 (rows, classes)
      of 0/1, NaN rows where unknown; regression: float32 (rows,), NaN where unknown.
    * `nodes/<i>/summaries/<f>.npy`, `edges/<k>/summaries/<f>.npy`: how the values of feature f were distributed
      when its encoder was fitted (`processing.drift`), for the snapshots that come after.
    * `nodes/<i>/held_out.npy` bool (rows,), where an inductive split holds out vertices of the type: a training
      may read nothing of them, neither their features nor any of their edges; its evaluation may.
    * `edges/<k>/later.npy` bool (edges,), where a split by time finds edges of the type that are later than its
      training rows: they carry no message in a training; in its evaluation they do.

    `graph.bin` and `info.pkl`, where there are such, hold the same for custom models of the original: a DGL graph
    with the triples of `schema.edges` and `EdgeType.reverse` of each, in the same order of edges.
    """

    task: Task
    target: Target
    schema: GraphSchema
    split_rate: tuple[float, float, float] = (0.9, 0.1, 0.0)
    #: Seed of the split.
    seed: int = 0
    warnings: tuple[str, ...] = ()
    #: One per target type, in the order of `target`.
    splits: tuple[SplitReport, ...] = ()
    #: None where all encoders were fitted on this graph.
    drift: Drift | None = None
    #: All but this one and the hyperparameters' ranges and their templates, which people edit.
    files: Mapping[str, FileRecord] = field(default_factory=dict)
    format_version: int = 2


class TrialState(StrEnum):
    """How a trial ended."""

    #: All epochs, or stopped early.
    COMPLETE = "complete"
    #: Stopped, since the trials before were better at the same evaluation.
    PRUNED = "pruned"
    #: Stopped, since the loss left the numbers; what was best until then is kept.
    DIVERGED = "diverged"
    #: Without a model; `message` says why.
    FAILED = "failed"


@dataclass(frozen=True)
class TrialRecord:
    """`trials/<n>/trial.json`: one training with one set of hyperparameters."""

    number: int
    model: str
    hyperparameters: Mapping[str, Any]
    #: split -> metric -> value
    metrics: Mapping[str, Mapping[str, float]]
    best_epoch: int
    epochs: int
    seconds: float
    seed: int
    #: Tuned on validation (decision 15); None without validation rows or for other tasks.
    threshold: float | None = None
    #: Link prediction: probability = logistic(scale * score + offset) (decision 16).
    calibration: tuple[float, float] | None = None
    state: TrialState = TrialState.COMPLETE
    message: str | None = None
    #: Several target edge types: split -> name of the type -> metric -> value.
    metrics_by_type: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainingRecord:
    """`training.json`: what a training did; the best trial's files are under `trials/<best_trial>/`."""

    task: Task
    target: Target
    schema: GraphSchema
    metric: str
    trials: tuple[TrialRecord, ...]
    best_trial: int
    baselines: Mapping[str, Mapping[str, float]]
    baselines_split: str
    format_version: int = FORMAT_VERSION

    @property
    def best(self) -> TrialRecord:
        """The trial whose artifact stands in `artifact/`."""
        return self.trial(self.best_trial)

    def trial(self, number: int) -> TrialRecord:
        """Return one of the trials.

        Raises:
            InvalidParameter: there is none of this number.
        """
        found = next((trial for trial in self.trials if trial.number == number), None)
        if found is None:
            numbers = ", ".join(str(trial.number) for trial in self.trials)
            raise InvalidParameter(f"there is no trial {number}; the training has {numbers}")
        return found


@dataclass(frozen=True)
class Manifest:
    """`manifest.json`: what an artifact holds.

    Arrays are raw `.npy` files, memory-mapped by their readers (decision 32). `n` counts nodes of a type, `d` is
    the embedding's width, `c` the number of classes (1 for regression):

    * `nodes/<i>/ids.npy, id_offsets.npy, id_hashes.npy, id_rows.npy`: see `ids`; every node type.
    * `nodes/<i>/embeddings.npy` float32 (n, d): every node type; `nodes/<i>/candidates.npy` float32 (n, d): the
      vectors in the candidate's role where they differ.
    * `nodes/<i>/fingerprints.npy` uint64 (n, 2): of what each node's embedding was computed from, for later
      transforms (`training.outputs.incremental`).
    * `nodes/<i>/table.bin`: the predictions or known ids for the plugin, see `docs/wire.md`, section 5; node
      tasks: target type; link prediction: types of candidates.
    * `model.safetensors`: the model; its tables with a row per node (learned vectors, biases) are in the order of
      `ids`.
    * models with `symmetric-norm`, every edge type with position k in `schema.edges`:
      `edges/<k>/source_degrees.npy` float32 (n_source,) and `edges/<k>/target_degrees.npy` float32 (n_target,):
      how many of its edges carry messages at each node, which a sampled neighbourhood does not show.
    * node tasks, target type only: `nodes/<i>/predictions.npy`: class probabilities float32 (n, c); regression
      float64 (n, 1), in the property's own unit.
    * edge tasks: `decoder/{hidden_weight (3d, h), hidden_bias (h,), output_weight (h, c), output_bias (c,),
      dot_weight (c,), source_bias (n_source, c), target_bias (n_target, c)}.npy` float32, and in `decoder` the
      members `mean` and `std`. With x = [u, v, u*v]:
      output = relu(x @ hidden_weight + hidden_bias) @ output_weight + output_bias
      + (u.v / sqrt(d)) * dot_weight + source_bias[row of u] + target_bias[row of v];
      regression: output * std + mean; single label: softmax; multi-label: logistic.
    * edge tasks of custom models, in place of `decoder/`: `edges/<k>/pairs.npy` int64 (p, 2), ascending rows of
      sources and targets that edges join, and `edges/<k>/predictions.npy` float64 (p, c) of them.
    * link prediction, per target edge type with position k in `schema.edges`: `edges/<k>/relation.npy` float32
      (w,), `edges/<k>/relation_heads.npy` in its place where sources are asked for by another one,
      `edges/<k>/target_bias.npy` float32 (n_target,), `edges/<k>/source_bias.npy` float32 (n_source,), and the
      training graph's edges as CSR, int64: `tails_indptr, tails_indices` (by source row) and `heads_indptr,
      heads_indices` (by target row). score = what `scores` says of u, who asks, the relation and v
      + target_bias + source_bias of the two; the source from `embeddings`, the target from `candidates` if there,
      else `embeddings`. Complex numbers are all real parts followed by all imaginary ones. w is d, but d / 2 for
      `rotate`. The answer's score is logistic(scale * score + offset) with `calibration`. Where these edges hold
      no self-loop, u is no candidate of its own. With `edges/<k>/tails_items.npy` float32 (n_target, n_target),
      the score of v as a target gains the sum of its [j, v] over the training graph's targets j of u;
      `heads_items.npy` likewise for sources. With `edges/<k>/tails_rules.npy` float32 (n_source, n_target), the
      score of v as a target gains its [u, v]; `heads_rules.npy` float32 (n_target, n_source) likewise for sources.
    """

    #: Identity of the content: first 16 hex digits of the SHA-256 over the files' records.
    version: str
    created_at: str
    task: Task
    target: Target
    schema: GraphSchema
    model: str
    hyperparameters: Mapping[str, Any]
    metrics: Mapping[str, Mapping[str, float]]
    files: Mapping[str, FileRecord]
    threshold: float | None = None
    calibration: tuple[float, float] | None = None
    #: Link prediction: the score function.
    scores: Scores = Scores.PRODUCT
    #: Scalars of the decoder, such as `mean` and `std`.
    decoder: Mapping[str, float] = field(default_factory=dict)
    #: Package -> version at the time of the transform.
    packages: Mapping[str, str] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION


Record = ProcessedGraph | TrialRecord | TrainingRecord | Manifest
AnyRecord = TypeVar("AnyRecord", bound=Record)

_converter = cattrs.Converter(forbid_extra_keys=False)
_converter.register_structure_hook(str | int | float | bool, lambda value, _: value)


def write_record(path: Path, record: Record) -> None:
    """Write one of the records as JSON, whole or not at all."""
    write_json(path, _converter.unstructure(record))


def read_record(path: Path, kind: type[AnyRecord]) -> AnyRecord:
    """Read a record.

    Raises:
        InvalidData: missing, unreadable, not JSON, of another format version, or of another shape.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InvalidData(f"{path} is missing; is {path.parent} the output of the stage before?") from None
    except OSError as error:
        raise InvalidData(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise InvalidData(f"{path} is not JSON ({error}); run the stage that wrote it again") from None
    version = raw.get("format_version") if isinstance(raw, dict) else None
    known = next((field.default for field in fields(kind) if field.name == "format_version"), FORMAT_VERSION)
    if version is not None and version != known:
        raise InvalidData(
            f"{path} has format version {version}, this release reads {known}; run the stage that wrote it again"
        )
    try:
        return _converter.structure(raw, kind)
    except (cattrs.BaseValidationError, TypeError, ValueError) as error:
        problems = "; ".join(cattrs.transform_error(error))
        raise InvalidData(f"{path} does not hold a {kind.__name__}: {problems}") from None


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of an artifact.

    Raises:
        InvalidData: not an artifact, or one of another release.
    """
    if not holds(folder, MANIFEST):
        raise InvalidData(f"{folder} is not an artifact: it has no {MANIFEST}; give the output of `transform`")
    return read_record(folder / MANIFEST, Manifest)


def open_artifact(folder: Path, *, verify: bool = True) -> Manifest:
    """Read the manifest and verify that every file it names is there and unchanged.

    Raises:
        InvalidData: not an artifact, or incomplete, truncated or changed; the message names the file.
    """
    manifest = read_manifest(folder)
    check_files(folder, manifest.files, "transform", verify=verify)
    return manifest


def node_folder(position: int) -> str:
    """Return the name, within a processed folder or an artifact, of the folder of a node type."""
    return f"nodes/{position}"


def edge_folder(position: int) -> str:
    """Return the name, within a processed folder or an artifact, of the folder of an edge type."""
    return f"edges/{position}"


def table_name(position: int) -> str:
    """Return the name, within an artifact, of the table of the node type at `position`."""
    return f"nodes/{position}/table.bin"


def join_labels(labels: Iterable[str]) -> str:
    """Return the name of a vertex type of one or more labels: sorted, joined by `;`."""
    return MULTI_LABEL_SEPARATOR.join(sorted(labels))


Key = TypeVar("Key")


def _position(names: Sequence[Key], name: Key) -> int:
    try:
        return names.index(name)
    except ValueError:
        raise KeyError(name) from None
