"""What changes when a hyperparameter changes: one row per documented name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from neptuneml_plugin.artifacts import Task, TrialRecord
from neptuneml_plugin.errors import InvalidParameter, InvalidSettings
from neptuneml_plugin.training import hyperparameters
from neptuneml_plugin.training.data import TrainingData, load_data
from neptuneml_plugin.training.hyperparameters import Hyperparameters
from neptuneml_plugin.training.links import LinkScorer, directions, sampled_loss
from neptuneml_plugin.training.models.model import Model
from neptuneml_plugin.training.objectives import Setting, objective_of
from neptuneml_plugin.training.sampling import NeighbourSampler
from neptuneml_plugin.training.search.trial import run_trial
from tests.training.graphs import processed
from tests.training.test_trials import requested

#: Hyperparameters of the specification (4.4) that have tests of their own elsewhere.
ELSEWHERE = {
    "edge-num-hidden": "test_edge_features.py",
    "fanout": "sampled neighbourhoods",
    "gamma": "knowledge-graph models",
    "rel-part": "knowledge-graph models",
    "use-edge-features": "test_edge_features.py",
}
DOCUMENTED = {
    "batch-size", "concat-node-embed", "dropout", "edge-num-hidden", "enable-early-stop", "fanout", "gamma",
    "l2norm", "layer-norm", "low-mem", "lr", "neg-share", "num-bases", "num-epochs", "num-hidden", "num-layer",
    "num-negs", "per-feat-name-embed", "regularization-coef", "rel-part", "sparse-lr", "use-class-weight",
    "use-edge-features", "use-self-loop", "window-for-early-stop",
}  # fmt: skip


@dataclass(frozen=True)
class Graphs:
    """A graph for each task, and where trials may write."""

    sources: Mapping[Task, Path]
    folder: Path

    def data(self, task: Task = Task.NODE_CLASS) -> TrainingData:
        return load_data(self.sources[task], verify=False)

    def trial(self, values: Mapping[str, Any]) -> TrialRecord:
        """Train a few epochs of a regression and return the record."""
        folder = self.folder / f"trial-{len(list(self.folder.iterdir()))}"
        chosen = {"num-hidden": 8, "num-epochs": 3, "dropout": 0.0, "lr": 0.05, **values}
        source, goal = self.sources[Task.NODE_REGRESSION], {"metric": "mse"}
        return run_trial(requested(folder, source, hyperparameters=chosen, goal=goal))


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Graphs:
    sizes = {Task.NODE_CLASS: 90, Task.LINK_PREDICTION: 90, Task.NODE_REGRESSION: 40}
    folders = {task: tmp_path_factory.mktemp(task.value) for task in sizes}
    sources = {task: processed(folder, task, nodes=sizes[task]) for task, folder in folders.items()}
    return Graphs(sources, tmp_path_factory.mktemp("trials"))


def build(**values: Any) -> Hyperparameters:
    """Return hyperparameters, `num_hidden=8` for `num-hidden`."""
    return hyperparameters.build(
        {name.replace("_", "-"): value for name, value in ({"num_hidden": 8} | values).items()}
    )


def model(graphs: Graphs, **values: Any) -> Model:
    torch.manual_seed(0)
    return Model(graphs.data().processed, build(**values))


def embedded(graphs: Graphs, model: Model) -> list[Tensor]:
    data = graphs.data()
    vectors: list[Tensor] = model.encoder(data.features, model.graph(data).messages())
    return vectors


def shapes(graphs: Graphs, name: str, value: Any) -> dict[str, tuple[int, ...]]:
    made = model(graphs, **{name.replace("-", "_"): value})
    return {key: tuple(parameter.shape) for key, parameter in made.named_parameters()}


def moved(graphs: Graphs, values: Mapping[str, Any]) -> tuple[float, float]:
    """Return how far learned vectors and all other weights moved in one step."""
    data = graphs.data()
    from neptuneml_plugin.training.loop import _optimizer

    torch.manual_seed(0)
    hp = build(dropout=0.0, **values)
    made = Model(data.processed, hp)
    before = {name: parameter.detach().clone() for name, parameter in made.named_parameters()}
    objective = objective_of(Setting(made, data, made.graph(data), hp))
    optimizer = _optimizer(made, hp)
    torch.autograd.backward(objective.loss(objective.batches()[0]))
    optimizer.step()
    far = {name: float((value.detach() - before[name]).abs().max()) for name, value in made.named_parameters()}
    tables = [distance for name, distance in far.items() if name in made.node_tables]
    others = [distance for name, distance in far.items() if name not in made.node_tables]
    return max(tables), max(others)


def steps(graphs: Graphs, size: int) -> int:
    data, hp = graphs.data(), build(batch_size=size)
    made = Model(data.processed, hp)
    return len(objective_of(Setting(made, data, made.graph(data), hp)).batches())


def batch_size(graphs: Graphs) -> None:
    rows = len(graphs.data().samples[0].splits["train"])
    assert (steps(graphs, rows), steps(graphs, 10)) == (1, -(-rows // 10))


def concat_node_embed(graphs: Graphs) -> None:
    table = "encoder.inputs.0.embedding"
    assert table in shapes(graphs, "concat-node-embed", True)  # noqa: FBT003
    assert table not in shapes(graphs, "concat-node-embed", False)  # noqa: FBT003


def dropout(graphs: Graphs) -> None:
    for share, varies in ((0.5, True), (0.0, False)):
        made = model(graphs, dropout=share)
        one, other = embedded(graphs, made)[0], embedded(graphs, made)[0]
        assert torch.equal(one, other) != varies
        made.eval()
        assert torch.equal(embedded(graphs, made)[0], embedded(graphs, made)[0])


def enable_early_stop(graphs: Graphs) -> None:
    # Batches of one row soon reach the steps that every training is given.
    values = {"num-epochs": 14, "batch-size": 1, "window-for-early-stop": 1}
    assert graphs.trial(values | {"enable-early-stop": False}).epochs == 14
    assert graphs.trial(values | {"enable-early-stop": True}).epochs < 14


def window_for_early_stop(graphs: Graphs) -> None:
    values = {"num-epochs": 14, "batch-size": 1}
    short = graphs.trial(values | {"window-for-early-stop": 1}).epochs
    assert short < graphs.trial(values | {"window-for-early-stop": 8}).epochs == 14


def l2norm(graphs: Graphs) -> None:
    plain, decayed = moved(graphs, {"l2norm": 0.0}), moved(graphs, {"l2norm": 10.0})
    assert plain[0] == decayed[0]  # learned vectors pay nothing
    values = {"num-epochs": 20, "enable-early-stop": False}
    assert graphs.trial(values | {"l2norm": 1.0}).metrics["train"] != graphs.trial(values).metrics["train"]


def layer_norm(graphs: Graphs) -> None:
    made = model(graphs, layer_norm=True)
    made.eval()
    rows = embedded(graphs, made)[0]
    torch.testing.assert_close(rows.mean(1), torch.zeros(len(rows)), atol=1e-5, rtol=0)
    made = model(graphs, layer_norm=False)
    made.eval()
    assert embedded(graphs, made)[0].mean(1).abs().max() > 0.01


def kept_bytes(graphs: Graphs, *, sampled: bool, low_mem: bool) -> tuple[int, float]:
    """Return the bytes that a step keeps for its gradient, but for parameters, and the step's loss."""
    data, hp = graphs.data(), build(low_mem=low_mem, dropout=0.5)
    torch.manual_seed(0)
    made = Model(data.processed, hp)
    parameters = {parameter.data_ptr() for parameter in made.parameters()}
    kept: dict[int, Tensor] = {}  # the tensors themselves: an address that is freed would be given to another

    def keep(value: Tensor) -> Tensor:
        if not value.is_sparse_csr and value.data_ptr() not in parameters:
            known = kept.get(value.data_ptr())
            kept[value.data_ptr()] = value if known is None or known.nbytes < value.nbytes else known
        return value

    graph = made.graph(data)
    sampler = NeighbourSampler(graph, data, [1000, 1000]) if sampled else None
    objective = objective_of(Setting(made, data, graph, hp, sampler))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        loss = objective.loss({0: data.samples[0].splits["train"][:20]})
    torch.autograd.backward(loss)
    return sum(value.nbytes for value in kept.values()), float(loss.detach())


def low_mem(graphs: Graphs) -> None:
    plain, little = (kept_bytes(graphs, sampled=True, low_mem=value) for value in (False, True))
    assert little[0] < 0.7 * plain[0]
    assert little[1] == plain[1]  # dropout included
    assert kept_bytes(graphs, sampled=False, low_mem=True) == kept_bytes(graphs, sampled=False, low_mem=False)


def lr(graphs: Graphs) -> None:
    small, large = moved(graphs, {"lr": 0.001}), moved(graphs, {"lr": 0.1})
    assert large[1] == pytest.approx(100 * small[1], rel=0.05)
    assert large[0] == small[0]


def sparse_lr(graphs: Graphs) -> None:
    small, large = moved(graphs, {"sparse_lr": 0.0}), moved(graphs, {"sparse_lr": 0.1})
    assert small[0] == 0 < large[0]
    assert large[1] == small[1]


def link_loss(graphs: Graphs, negatives: int, *, shared: bool) -> float:
    """Return the loss of a scorer that likes all alike: about log(1 + negatives)."""
    data = graphs.data(Task.LINK_PREDICTION)
    samples = data.samples[0]
    source, target = (data.counts[kind] for kind in data.ends_of(samples.position))
    score = LinkScorer(torch.zeros(source, 8), torch.zeros(source), torch.zeros(target, 8), torch.zeros(target))
    torch.manual_seed(0)
    direction = directions(samples.ends, (source, target))[0]
    return float(sampled_loss(score, direction, samples.splits["train"][:20], negatives, shared=shared))


def num_negs(graphs: Graphs) -> None:
    for negatives in (3, 50):
        # A negative that happens to be the positive is left out.
        expected = float(torch.log(torch.tensor(1.0 + negatives)))
        assert link_loss(graphs, negatives, shared=False) == pytest.approx(expected, abs=0.1)


def neg_share(graphs: Graphs) -> None:
    drawn = []
    for shared in (True, False):
        torch.manual_seed(0)
        link_loss(graphs, 16, shared=shared)
        drawn.append(torch.rand(1).item())  # how far the generator has come
    assert drawn[0] != drawn[1]


def num_bases(graphs: Graphs) -> None:
    name = "encoder.layers.0.weights"
    assert shapes(graphs, "num-bases", 0)[name] == (4, 8, 8)
    assert shapes(graphs, "num-bases", 2)[name] == (2, 8, 8)
    assert shapes(graphs, "num-bases", 2)["encoder.layers.0.coefficients"] == (4, 2)


def num_epochs(graphs: Graphs) -> None:
    assert [graphs.trial({"num-epochs": count}).epochs for count in (1, 4)] == [1, 4]


def num_hidden(graphs: Graphs) -> None:
    made = model(graphs, num_hidden=24)
    assert {rows.shape[1] for rows in embedded(graphs, made)} == {24}
    assert dict(made.named_parameters())["encoder.inputs.0.embedding"].shape[1] == 24


def num_layer(graphs: Graphs) -> None:
    """A vertex sees as many hops as there are layers."""
    data = graphs.data()
    for layers in (1, 2):
        made = model(graphs, num_layer=layers, dropout=0.0)
        tags = dict(made.named_parameters())["encoder.inputs.1.embedding"]
        rows = embedded(graphs, made)[1]  # tags reach tags by way of items, in two hops
        torch.autograd.backward(rows[0, 0])  # a row's sum is fixed by the norm of layers
        assert tags.grad is not None
        assert (int((tags.grad.abs().sum(1) > 0).sum()) > 1) == (layers == 2)
    assert len(data.counts) == 2


def per_feat_name_embed(graphs: Graphs) -> None:
    together, apart = (shapes(graphs, "per-feat-name-embed", value) for value in (False, True))
    features = graphs.data().processed.schema.nodes[0].features
    assert not any(".parts." in name for name in together)
    for position, feature in enumerate(features):
        assert apart[f"encoder.inputs.0.parts.{position}.weight"] == (8, feature.width)
    assert apart["encoder.inputs.0.project.weight"] == (8, 8 * len(features) + 8)


def regularization_coef(graphs: Graphs) -> None:
    data = graphs.data(Task.LINK_PREDICTION)
    losses = []
    for coefficient in (0.0, 1.0, 2.0):
        torch.manual_seed(0)
        hp = build(regularization_coef=coefficient, dropout=0.0)
        made = Model(data.processed, hp)
        objective = objective_of(Setting(made, data, made.graph(data), hp))
        losses.append(float(objective.loss(objective.batches()[0]).detach()))
    assert losses[1] - losses[0] == pytest.approx(losses[2] - losses[1], rel=1e-3)
    assert losses[1] > losses[0]


def use_class_weight(graphs: Graphs) -> None:
    data = graphs.data()
    losses = []
    for value in (False, True):
        torch.manual_seed(0)
        hp = build(use_class_weight=value, dropout=0.0)
        made = Model(data.processed, hp)
        objective = objective_of(Setting(made, data, made.graph(data), hp))
        losses.append(float(objective.loss(objective.batches()[0]).detach()))
    assert losses[0] != losses[1]


def use_self_loop(graphs: Graphs) -> None:
    name = "encoder.layers.0.self_weights"
    assert name in shapes(graphs, "use-self-loop", True)  # noqa: FBT003
    assert name not in shapes(graphs, "use-self-loop", False)  # noqa: FBT003


ROWS: Mapping[str, Callable[[Graphs], None]] = {
    function.__name__.replace("_", "-"): function
    for function in (
        batch_size, concat_node_embed, dropout, enable_early_stop, window_for_early_stop, l2norm, layer_norm,
        low_mem, lr, sparse_lr, num_negs, neg_share, num_bases, num_epochs, num_hidden, num_layer,
        per_feat_name_embed, regularization_coef, use_class_weight, use_self_loop,
    )
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_a_hyperparameter_does_what_it_says(name: str, graphs: Graphs) -> None:
    ROWS[name](graphs)


def test_every_documented_one_has_a_row() -> None:
    assert ROWS.keys() | ELSEWHERE.keys() == DOCUMENTED
    assert not ROWS.keys() & ELSEWHERE.keys()


@pytest.mark.parametrize("name", ["num-hiden", "hidden", "numHidden", ""])
def test_an_unknown_one_is_refused(name: str) -> None:
    with pytest.raises(InvalidParameter, match=f"unknown hyperparameter '{name}'"):
        hyperparameters.build({name: 1})


def test_all_bad_values_are_told_at_once() -> None:
    with pytest.raises(InvalidSettings) as caught:
        hyperparameters.build({"lr": "fast", "dropout": 1.0, "num-layer": 0, "layer-norm": 1, "fanout": [0]})
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [
        "lr",
        "dropout",
        "num-layer",
        "layer-norm",
        "fanout",
    ]
