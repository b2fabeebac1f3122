"""Stand-ins for public graphs: what is planted is there, and peers find it."""

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from neptuneml_plugin.artifacts import PARTS
from neptuneml_plugin.training.data import load_data
from tests.quality import peers as quality_peers
from tests.quality.__main__ import cases
from tests.quality.peers import peers
from tests.quality.planted import (
    PLANTED,
    Planted,
    accounts,
    applicants,
    authors,
    baskets,
    citations,
    films,
    heterophilous,
    houses,
    loans,
    members,
    planted,
    purchases,
    relatives,
    write_planted,
)
from tests.training.graphs import processed_export, trained

SIZES: Mapping[str, tuple[int, ...]] = {
    "citations": (400,),
    "members": (300,),
    "films": (300,),
    "heterophilous": (200,),
    "acquaintances": (200,),
    "purchases": (40, 60),
    "noise": (200,),
    "applicants": (300,),
    "authors": (200,),
    "houses": (300,),
    "accounts": (300,),
    "loans": (300,),
    "baskets": (60, 80),
    "relatives": (20,),
}


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def alike(graph: Planted) -> float:
    """Return the share of edges whose ends have the same answer."""
    assert graph.answers is not None
    sources, targets = graph.answers[graph.edges[0].ends].T
    return float((sources == targets).mean())


def test_every_graph_is_a_row_and_is_processed(tmp_path: Path) -> None:
    assert {case.name for case in cases()} >= set(PLANTED) == set(SIZES)
    for name, sizes in SIZES.items():
        data = load_data(processed_export(planted(name, tmp_path / name / "export", *sizes)))
        for samples in data.samples:
            rows = [samples.splits[part] for part in PARTS]
            assert all(len(each) for each in rows), name
            assert len(set(np.concatenate(rows).tolist())) == sum(map(len, rows)), name


def test_citations_have_few_labels_and_stay_within_a_class() -> None:
    graph = citations(rng())
    assert graph.answers is not None
    assert np.bincount(graph.answers[graph.parts["train"]]).tolist() == [20] * 7
    assert [len(graph.parts[part]) for part in PARTS] == [140, 500, 1000]
    assert 0.75 < alike(graph) < 0.85
    words = graph.vertices[0].features["words"]
    assert 8 < words.sum(1).mean() < 18


def test_members_have_edges_within_their_community_and_nothing_else() -> None:
    graph = members(rng())
    assert not graph.vertices[0].features
    assert alike(graph) == pytest.approx(0.76, abs=0.03)


def test_films_are_split_as_the_protocol_says_and_directors_have_a_genre() -> None:
    graph = films(rng())
    assert graph.answers is not None
    assert [len(graph.parts[part]) for part in PARTS] == [300, 300, 2339]
    directed = graph.edges[0].ends
    of_one = directed[np.argsort(directed[:, 1], kind="stable")]
    same = of_one[1:, 1] == of_one[:-1, 1]
    agree = graph.answers[of_one[1:, 0]] == graph.answers[of_one[:-1, 0]]
    assert agree[same].mean() > agree[~same].mean() + 0.1


def test_pages_link_to_other_classes() -> None:
    graph = heterophilous(rng())
    assert graph.answers is not None
    assert alike(graph) < 0.15
    sources, targets = graph.answers[graph.edges[0].ends].T
    assert ((sources - targets) % 5 == 1).mean() > 0.6


def test_ratings_are_biases_tastes_and_noise() -> None:
    graph = purchases(rng(), 300, 300)
    assert graph.answers is not None
    assert graph.answers.std() == pytest.approx(1.19, abs=0.1)
    assert len(np.unique(graph.edges[0].ends, axis=0)) == len(graph.edges[0].ends)


def test_applicants_are_told_by_their_own_numbers_and_not_by_acquaintances() -> None:
    graph = applicants(rng())
    assert graph.answers is not None
    assert alike(graph) == pytest.approx(0.5, abs=0.03)
    numbers = graph.vertices[0].features
    old = numbers["age"] >= 35
    owes = numbers["debt"] / numbers["income"] > 0.45
    assert graph.answers[old & owes].mean() == pytest.approx(0.05, abs=0.03)


def test_authors_are_of_the_area_that_most_of_their_venues_are_of() -> None:
    graph = authors(rng())
    assert graph.answers is not None
    wrote, published = (edges.ends for edges in graph.edges)
    areas = np.zeros((len(graph.answers), 4))
    np.add.at(areas, (wrote[:, 0], published[wrote[:, 1], 1] % 4), 1)
    assert areas.sum(1).min() >= 1
    most = areas.max(1)
    assert (areas[np.arange(len(areas)), graph.answers] == most).all()
    assert ((areas == most[:, None]).sum(1) == 1).mean() > 0.7


def test_prices_have_a_long_tail_and_a_district() -> None:
    graph = houses(rng())
    assert graph.answers is not None
    assert graph.answers.mean() > 1.2 * np.median(graph.answers)
    district = graph.edges[0].ends[:, 1]
    logs = np.log(graph.answers)
    means = np.bincount(district, logs) / np.bincount(district)
    assert np.var(logs - means[district]) < 0.7 * np.var(logs)


def test_frauds_are_few_and_share_devices() -> None:
    graph = accounts(rng())
    assert graph.answers is not None
    assert graph.answers.mean() == pytest.approx(0.05, abs=0.01)
    uses = graph.edges[0].ends
    frauds = np.bincount(uses[:, 1], graph.answers[uses[:, 0]])
    assert frauds.max() > 3
    assert alike(graph) > 0.9  # payments lead anywhere


def test_loans_that_default_are_few_and_told_by_their_own_numbers() -> None:
    graph = loans(rng())
    assert graph.answers is not None
    assert graph.answers.mean() == pytest.approx(0.03, abs=0.002)
    numbers = graph.vertices[0].features
    is_risky = (numbers["debt"] > np.e) & (np.abs(numbers["drift"]) > 1.3)
    assert graph.answers[is_risky].mean() > 0.5
    assert graph.answers[~is_risky].mean() < 0.03
    assert graph.answers[graph.edges[0].ends].all(1).mean() < 0.01


def test_customers_buy_of_few_kinds() -> None:
    graph = baskets(rng())
    customers, products = graph.vertices
    assert not customers.features
    ends, words = graph.edges[0].ends, products.features["words"].astype(float)
    words = words / np.linalg.norm(words, axis=1, keepdims=True)
    order = np.lexsort((ends[:, 1], ends[:, 0]))
    bought = words[ends[order, 1]]
    same = ends[order][1:, 0] == ends[order][:-1, 0]
    close = (bought[1:] * bought[:-1]).sum(1)
    assert close[same].mean() > close[~same].mean() + 0.01


def test_relatives_follow_from_relatives() -> None:
    parts = relatives(rng())
    triples = [triple for part in PARTS for triple in parts[part]]
    ends = {name: {(a, b) for a, relation, b in triples if relation == name} for _, name, _ in triples}
    assert len(triples) == len(set(triples))
    parents, homes = ends["parent_of"], dict(ends["lives_in"])
    backwards = {"child_of": parents, "married_to": ends["married_to"], "sibling_of": ends["sibling_of"]}
    for name, others in backwards.items():
        assert np.mean([(b, a) in others for a, b in ends[name]]) == pytest.approx(0.85, abs=0.03), name
    for name, first in {"grandparent_of": parents, "uncle_of": ends["sibling_of"]}.items():
        followed = {(a, d) for a, b in first for c, d in parents if b == c}
        assert len(followed & ends[name]) > 0.8 * len(followed), name
    assert np.mean([homes[a] == homes[b] for a, b in ends["married_to"] if homes.keys() >= {a, b}]) == 1
    married = {a for pair in ends["married_to"] for a in pair}
    stays = [homes[a] == homes[b] for a, b in parents if b not in married and homes.keys() >= {a, b}]
    assert np.mean(stays) == pytest.approx(0.6, abs=0.07)


def test_only_elements_of_a_part_are_named_in_its_file(tmp_path: Path) -> None:
    graph = citations(rng(), 400)
    write_planted(graph, tmp_path)
    for part in PARTS:
        with (tmp_path / f"paper-{part}.csv").open(encoding="utf-8") as file:
            assert [row["~id"] for row in csv.DictReader(file)] == [f"paper-{row}" for row in graph.parts[part]]


def test_peers_find_what_is_planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality_peers, "EPOCHS", 40)
    few = peers(processed_export(planted("citations", tmp_path / "few" / "export", 1000)))
    assert few.keys() == {"gcn", "appnp", "label_propagation"}
    assert min(few["gcn"]["acc"], few["appnp"]["acc"]) > 0.35
    assert peers(processed_export(planted("films", tmp_path / "films" / "export", 300))).keys() == few.keys()
    links = peers(processed_export(planted("acquaintances", tmp_path / "links" / "export", 300)))
    assert links["adamic_adar"]["mrr"] >= links["common_neighbours"]["mrr"] > 0.05
    for name in ("purchases", "baskets", "relatives"):
        assert peers(processed_export(planted(name, tmp_path / name / "export", *SIZES[name]))) == {}, name


def test_a_report_says_that_there_is_no_signal(tmp_path: Path) -> None:
    source = processed_export(planted("noise", tmp_path / "export", 200))
    warnings = trained(source, tmp_path / "training").warnings
    assert any("does not beat the trivial competitor 'majority'" in warning for warning in warnings)
