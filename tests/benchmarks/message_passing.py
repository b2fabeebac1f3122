"""Message passing, torch's sparse products beside DGL's kernels, forward and backward (decision 18).

Run `python -m tests.benchmarks.message_passing`; figures are kept in `tests/quality/LOG.md`.
"""

import statistics
import sys
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from neptuneml_plugin.dgl_graph import dgl
from neptuneml_plugin.training.message_passing import Adjacency

#: (nodes, edges, repetitions); the first is about air-routes.
SIZES = ((3_500, 50_000, 20), (100_000, 1_000_000, 5))
WIDTH = 64


def ways(nodes: int, edges: int) -> dict[str, Callable[[Tensor], Tensor]]:
    """Return the ways to compute one and the same weighted mean over edges."""
    generator = torch.Generator().manual_seed(0)
    sources = torch.randint(nodes, (edges,), generator=generator)
    targets = (torch.rand(edges, generator=generator) ** 3 * nodes).long()
    weights = 1 / torch.bincount(targets, minlength=nodes).clamp(min=1)[targets].float()
    graph = dgl.graph((sources, targets), num_nodes=nodes)
    graph.create_formats_()
    messages = Adjacency(sources, targets, nodes, nodes).mean()
    column = weights[:, None]
    return {
        "dgl u_mul_e_sum": lambda x: dgl.ops.u_mul_e_sum(graph, x, column),
        "torch CSR product": messages.aggregate,
        "torch index_add": lambda x: torch.zeros(nodes, WIDTH).index_add(0, targets, x[sources] * column),
    }


def milliseconds(step: Callable[[], object], repetitions: int) -> float:
    """Return the median time of a call."""
    step()
    times = []
    for _ in range(repetitions):
        started = time.perf_counter()
        step()
        times.append(time.perf_counter() - started)
    return 1000 * statistics.median(times)


def there_and_back(way: Callable[[Tensor], Tensor], x: Tensor) -> None:
    """Compute a way and its gradient."""
    torch.autograd.backward([way(x).square().sum()])


def main() -> None:
    """Print one line per way and size."""
    for nodes, edges, repetitions in SIZES:
        x = torch.randn(nodes, WIDTH, requires_grad=True)
        expected = None
        for name, way in ways(nodes, edges).items():
            result = way(x).detach()
            expected = result if expected is None else expected
            torch.testing.assert_close(result, expected, atol=1e-4, rtol=1e-4)
            forward = milliseconds(partial(way, x), repetitions)
            both = milliseconds(partial(there_and_back, way, x), repetitions)
            sys.stdout.write(f"{nodes:>9,} nodes {edges:>11,} edges  {name:<18} {forward:8.1f} {both:8.1f} ms\n")


if __name__ == "__main__":
    main()
