"""The models and samplers that scripts of custom models build on."""

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from neptuneml_plugin.dgl_graph import dgl
from neptuneml_plugin.training.custom.neptuneml_toolkit import dataloading
from neptuneml_plugin.training.custom.neptuneml_toolkit.modelzoo import (
    MLP,
    DistmultDecoder,
    DotProductDecoder,
    GraphDistmultDecoder,
    GraphDotProductDecoder,
    HANEncoder,
    LabelPropagation,
    MLPFeatureTransformer,
    NodeEmbedding,
    RGATEncoder,
    RGCNEncoder,
)

WROTE, CITES, BACK = ("author", "wrote", "paper"), ("paper", "cites", "paper"), ("paper", "rev-wrote", "author")


@pytest.fixture
def graph() -> Any:
    """Three authors, five papers; paper 4 is cited by nobody and was written by nobody."""
    wrote = torch.tensor([0, 0, 1, 2]), torch.tensor([0, 1, 2, 3])
    cites = torch.tensor([0, 1, 2, 3, 4]), torch.tensor([1, 2, 3, 0, 0])
    return dgl.heterograph({WROTE: wrote, CITES: cites, BACK: wrote[::-1]}, {"author": 3, "paper": 5})


def vectors(width: int = 4) -> dict[str, Tensor]:
    torch.manual_seed(0)
    return {"author": torch.randn(3, width), "paper": torch.randn(5, width)}


def test_rgcn_is_its_formula(graph: Any) -> None:
    encoder, h = RGCNEncoder(graph.etypes, 4, 6, num_layers=1, num_bases=2), vectors()
    layer: Any = encoder.layers[0]
    names = sorted(graph.etypes)

    def weight(name: str) -> Tensor:
        return torch.einsum("b,bio->io", layer.coefficients[names.index(name)], layer.weight)

    made = encoder([graph], h)
    own = h["paper"][0] @ layer.loop_weight + layer.h_bias
    heard = h["author"][0] @ weight("wrote") + (h["paper"][3] + h["paper"][4]) / 2 @ weight("cites")
    torch.testing.assert_close(made["paper"][0], torch.relu(own + heard))
    torch.testing.assert_close(made["paper"][4], torch.relu(h["paper"][4] @ layer.loop_weight + layer.h_bias))


@pytest.mark.parametrize("options", [{}, {"num_bases": 2, "use_self_loop": False}])
@pytest.mark.parametrize("kind", [RGCNEncoder, RGATEncoder])
def test_blocks_and_whole_graphs_give_the_same(graph: Any, kind: Any, options: Mapping[str, Any]) -> None:
    given = options if kind is RGCNEncoder else {"num_heads": 2}
    encoder = kind(graph.etypes, 4, 6, num_layers=2, **given).eval()
    whole = encoder.batch_inference(graph, vectors(), 2, "cpu", 0)
    expected = encoder([graph, graph], vectors())
    assert whole["paper"].shape == (5, 12 if kind is RGATEncoder else 6)
    for label, rows in expected.items():
        torch.testing.assert_close(whole[label], rows)
    sampler = dgl.dataloading.MultiLayerFullNeighborSampler(2)
    sources, targets, blocks = sampler.sample_blocks(graph, {"paper": torch.tensor([3, 0])})
    drawn = encoder(blocks, {label: vectors()[label][rows] for label, rows in sources.items()})
    torch.testing.assert_close(drawn["paper"], expected["paper"][targets["paper"]])


def test_han_weighs_metapaths(graph: Any) -> None:
    sampler = dataloading.MetapathListSampler(graph, [["rev-wrote", "wrote"], ["cites"]], [3, 3], 20)
    loader = dataloading.MultiSubgraphNodeDataLoader(graph, torch.arange(4), sampler, batch_size=3)
    encoder, rows = HANEncoder(2, 4, 6, num_layers=2, num_heads=[2, 1]), vectors()["paper"]
    made = []
    for inputs, outputs, blocks in loader:
        assert outputs[0].tolist() == outputs[1].tolist()
        made.append(encoder(blocks, [rows[own] for own in inputs]))
    assert len(loader) == 2
    assert torch.cat(made).shape == (4, 6)
    torch.autograd.backward([torch.cat(made).sum()])
    assert all(parameter.grad is not None for parameter in encoder.parameters())


def test_walks_end_where_a_metapath_leads(graph: Any) -> None:
    sampler = dataloading.RandomWalkNeighborSampler(graph, 1, 0, 50, 2, ["rev-wrote", "wrote"])
    drawn = sampler(torch.tensor([0, 2]))
    sources, targets = (end.tolist() for end in drawn.edges())
    assert set(zip(sources, targets, strict=True)) == {(0, 0), (1, 0), (2, 2)}  # papers of the same author
    assert drawn.edata["weights"].sum() == 100
    one = dataloading.RandomWalkNeighborSampler(graph, 1, 0, 50, 1, ["rev-wrote", "wrote"])(torch.tensor([0]))
    assert one.num_edges() == 1
    other = dataloading.RandomWalkNeighborSampler(graph, 1, 0, 5, 2, ["rev-wrote"])(torch.tensor([0]))
    assert other.canonical_etypes == [("author", "_E", "paper")]


def test_seeds_come_by_type_where_metapaths_start_at_several(graph: Any) -> None:
    sampler = dataloading.MetapathListSampler(graph, [["cites"], ["wrote"]], 2, 10)
    seeds = {"paper": torch.tensor([0]), "author": torch.tensor([1])}
    assert [frontier.num_edges() for frontier in sampler.sample(seeds)] == [1, 1]
    loader = dataloading.MultiSubgraphNodeDataLoader(graph, seeds, sampler, batch_size=2)
    ((inputs, _, blocks),) = list(loader)
    assert len(inputs) == len(blocks) == 2
    with pytest.raises(ValueError, match="no seeds of 'author'"):
        sampler.sample({"paper": torch.tensor([0])})


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda g: dataloading.RandomWalkNeighborSampler(g, 1, 0, 5, 2), "needs a metapath"),
        (lambda g: dataloading.RandomWalkNeighborSampler(g, 2, 0, 5, 2, ["wrote"]), "must end where it starts"),
        (lambda g: dataloading.MetapathListSampler(g, [["wrote"]], [2, 2]), "must end where it starts"),
        (lambda _: HANEncoder(1, 4, 4, num_layers=2, num_heads=[1]), "num_heads has 1 entries for 2 layers"),
        (lambda _: MLP(4, 2, num_layers=3, hidden_units=[8]), "hidden_units has 1 widths, 3 layers have 2"),
        (lambda _: NodeEmbedding({"a": 1}, 2, init_missing_embed_with="mean"), "'mean', not random, average"),
        (lambda _: LabelPropagation(1, 0.5, "A"), "adj_norm is 'A'"),
        (lambda _: DistmultDecoder(3, 2)(torch.ones(1, 3), torch.ones(1, 3)), "there are 2 edge types"),
    ],
)
def test_wrong_arguments_are_named(graph: Any, make: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make(graph)


def test_decoders_score_pairs_and_the_edges_of_a_graph(graph: Any) -> None:
    u, v, kinds = torch.randn(2, 4), torch.randn(2, 4), torch.tensor([2, 0])
    decoder = DistmultDecoder(4, 3)
    torch.testing.assert_close(decoder(u, v, kinds), (u * decoder.w_relation[kinds] * v).sum(1))
    torch.testing.assert_close(DotProductDecoder()(u, v), (u * v).sum(1))
    h, whole = vectors(), GraphDistmultDecoder(4, 3)
    found = whole(graph, h)
    relation = whole.w_relation[graph.canonical_etypes.index(CITES)]
    torch.testing.assert_close(found[CITES][4], (h["paper"][4] * relation * h["paper"][0]).sum())
    plain = dgl.graph((torch.tensor([0, 1]), torch.tensor([1, 2])))
    rows = torch.randn(3, 4)
    torch.testing.assert_close(GraphDotProductDecoder()(plain, rows), (rows[:2] * rows[1:]).sum(1))


def test_features_are_made_equally_wide() -> None:
    widths = {"author": {"age": 1, "name": 3}, "paper": {"text": 5}}
    x = {label: {name: torch.randn(2, width) for name, width in own.items()} for label, own in widths.items()}
    together = MLPFeatureTransformer(widths, 4)
    joined = torch.cat(list(x["author"].values()), 1)
    torch.testing.assert_close(together(x)["author"], together.ntype_feat_modules["author"](joined))
    apart = MLPFeatureTransformer(widths, 4, num_layers=2, per_feat_name=True, hidden_units={"paper": 7})
    assert {label: rows.shape for label, rows in apart(x).items()} == {"author": (2, 4), "paper": (2, 4)}
    shapes = {name: tuple(parameter.shape) for name, parameter in apart.named_parameters()}
    assert shapes["ntype_feat_modules.paper.layers.0.weight"] == (7, 16)
    deep = MLP(4, 2, 3, hidden_units=[8, 5], bias=False)
    assert [tuple(parameter.shape) for parameter in deep.parameters()] == [(8, 4), (5, 8), (2, 5)]


@pytest.mark.parametrize("use_torch", [True, False])
@pytest.mark.parametrize("missing", ["average", "zero", "random"])
def test_node_embeddings_are_loaded_and_filled(missing: str, *, use_torch: bool) -> None:
    made = NodeEmbedding({"a": 3, "b": 1}, 2, use_torch=use_torch, init_missing_embed_with=missing)
    label, known = "a", torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    before = made({label: torch.tensor([2])})[label].detach().clone()
    made.load_node_embeds({label: known})
    found = made({label: torch.tensor([1, 2]), "b": torch.tensor([], dtype=torch.int64)})
    assert list(found) == [label]
    expected = {"average": known.mean(0, keepdim=True), "zero": torch.zeros(1, 2), "random": before}[missing]
    torch.testing.assert_close(found[label].detach(), torch.cat([known[1:], expected]))
    assert (made.dgl_emb is None) == use_torch


@pytest.mark.parametrize("norm", ["DAD", "DA", "AD"])
def test_labels_spread_as_the_formula_says(norm: str) -> None:
    ring = dgl.add_reverse_edges(dgl.graph((torch.tensor([0, 1, 1]), torch.tensor([1, 2, 3]))))
    labels, mask = torch.tensor([0, 1, 1, 1]), torch.tensor([True, False, True, False])
    adjacency = torch.zeros(4, 4)
    adjacency[ring.edges()[1], ring.edges()[0]] = 1
    degrees = adjacency.sum(1)
    left, right = {"DAD": (-0.5, -0.5), "DA": (-1, 0), "AD": (0, -1)}[norm]
    steps = torch.diag(degrees**left) @ adjacency @ torch.diag(degrees**right)
    known = torch.nn.functional.one_hot(labels).float() * mask[:, None]
    said = known
    for _ in range(3):
        said = 0.9 * steps @ said + 0.1 * known
    torch.testing.assert_close(LabelPropagation(3, 0.9, norm)(ring, labels, mask), said.clamp(0, 1))
