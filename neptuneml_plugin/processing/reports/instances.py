"""`train_instance_recommendation.json`: the memory and disk that a training on the graph takes (an estimate).

Clients of Neptune ML hand the names on as instance types, so they are those of the smallest machine of Amazon's
`ml.r5` family that has the memory; this project records them and runs where it is.

The constants are fitted to `python -m tests.benchmarks.training_memory`: whole neighbourhoods, ten edges a vertex.
Peaks as measured, and as estimated with them: 10^5 edges 856 to 1,000 MB (classes of vertices), 1,022 (values of
edges), 1,090 (links), estimated 1,078; 10^6 edges 1,951 and 2,136 (classes, values), estimated 2,246; 10^7 edges
6,626 (classes), estimated 8,305. How memory divides between vertices and edges is reckoned, not measured. Of
200,000 vertices with ten numbers each and 400,000 edges: 1,772 (`rgcn`), 2,007 (`features`), 1,310 (`appnp`),
estimated 2,304.
"""

from collections.abc import Mapping

from neptuneml_plugin.artifacts import EdgeSchema, GraphSchema, NodeType

#: What a training takes for itself: 797 MB with nothing but its imports.
BASE_BYTES = 900 << 20
#: Numbers a training holds per vertex beside its features: vectors, gradients and moments, in part at a time.
NUMBERS_PER_NODE = 64 * 5
#: Of each feature of one number: some presets put it into 16 bins, which two layers read (`number-bins`,
#: `own-features`).
NUMBERS_PER_FEATURE = 2 * 16
#: Numbers per edge: its ends in either order, its weights, and what is held of its message.
NUMBERS_PER_EDGE = 120
NUMBER_BYTES = 4
#: Beyond that as much again is held, up to this: most likely what the allocator keeps of small blocks (reckoned).
KEPT_BYTES = 600 << 20

ESTIMATE = (
    "estimates of a training with the generated defaults, fitted to measurements of up to ten million edges; "
    "other hyperparameters and trials at the same time take more"
)
#: GiB of memory -> instance.
INSTANCES: Mapping[int, str] = {
    16: "ml.r5.large",
    32: "ml.r5.xlarge",
    64: "ml.r5.2xlarge",
    128: "ml.r5.4xlarge",
    256: "ml.r5.8xlarge",
    384: "ml.r5.12xlarge",
    512: "ml.r5.16xlarge",
    768: "ml.r5.24xlarge",
}


def instance_recommendation(schema: GraphSchema) -> dict[str, str]:
    """Return the document; sizes are bytes, as texts, as Neptune writes them (spec/neptune-ml.md 3)."""
    graph = _graph_bytes(schema)
    memory = training_bytes(schema)
    instance = next((name for gib, name in INSTANCES.items() if memory <= gib << 30), INSTANCES[max(INSTANCES)])
    return {
        "instance": instance,
        "cpu_instance": instance,
        "disk_size": str(int(4 * graph)),
        "mem_size": str(memory),
        "note": ESTIMATE,
    }


def training_bytes(schema: GraphSchema) -> int:
    """Return the memory that a training with the generated defaults takes, bytes."""
    nodes, edges = sum(node.count for node in schema.nodes), sum(edge.count for edge in schema.edges)
    binned = sum(node.count * sum(feature.width == 1 for feature in node.features) for node in schema.nodes)
    numbers = nodes * NUMBERS_PER_NODE + binned * NUMBERS_PER_FEATURE + edges * NUMBERS_PER_EDGE
    held = numbers * NUMBER_BYTES + _graph_bytes(schema)
    return BASE_BYTES + held + min(held, KEPT_BYTES)


def _graph_bytes(schema: GraphSchema) -> int:
    """Return the size of ids, ends and features."""
    kinds: list[NodeType | EdgeSchema] = [*schema.nodes, *schema.edges]
    return NUMBER_BYTES * sum(kind.count * (8 + sum(f.width for f in kind.features)) for kind in kinds)
