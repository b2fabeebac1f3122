"""Stand-ins for the public graphs that models are judged on, as export folders with published protocols' splits.

Sizes, degrees and shares follow the data sets that they stand for; what is planted is written beside each.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neptuneml_plugin.artifacts import PARTS
from tests.triples import Parts, write_triples

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Rng = np.random.Generator
CONFIGURATION = "training-data-configuration.json"


@dataclass(frozen=True)
class Vertices:
    """Vertices of one label, `<label>-<row>`."""

    label: str
    count: int
    #: Each a cell per vertex; a matrix is a list of numbers.
    features: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Edges:
    """Edges of one label."""

    source: str
    label: str
    target: str
    ends: Ints
    features: Mapping[str, Floats] = field(default_factory=dict)


@dataclass(frozen=True)
class Planted:
    """A graph and what is to be learnt of it."""

    vertices: Sequence[Vertices]
    edges: Sequence[Edges]
    #: Label of the elements.
    of: str
    #: `classification`, `regression` or `link_prediction`.
    task: str
    #: Part -> rows of the elements; those of no part have no label that anything sees.
    parts: Mapping[str, Ints]
    #: Of every element; None for link prediction.
    answers: npt.NDArray[Any] | None = None


def citations(rng: Rng, nodes: int = 2700, classes: int = 7, *, same: float = 0.75, own: float = 0.25) -> Planted:
    """Papers of few labels, as Cora's public split: 20 of each class train, 500 validate, 1,000 test.

    Words are mostly any, some of the paper's class; most citations stay within a class.
    """
    topics = rng.choice(classes, nodes, p=_uneven(classes))
    words = _words(rng, topics, 500, 18, own)
    cites = _cited(rng, topics, 2 * nodes, same)
    train = np.concatenate([np.flatnonzero(topics == topic)[: max(2, nodes // 135)] for topic in range(classes)])
    others = rng.permutation(np.setdiff1d(np.arange(nodes), train))
    valid, test = np.split(others[: nodes * 5 // 9], [nodes * 5 // 27])
    return Planted(
        [Vertices("paper", nodes, {"words": words})],
        [Edges("paper", "cites", "paper", cites)],
        "paper",
        "classification",
        dict(zip(PARTS, (train, valid, test), strict=True)),
        topics,
    )


def heterophilous(rng: Rng, nodes: int = 2200, classes: int = 5) -> Planted:
    """Pages that link to pages of the next class, seldom to their own, as Chameleon and Squirrel; half train."""
    topics = rng.integers(classes, size=nodes)
    links = _cited(rng, (topics - 1) % classes, 8 * nodes, 0.6, topics)
    return Planted(
        [Vertices("page", nodes, {"words": _words(rng, topics, 300, 10, 0.15)})],
        [Edges("page", "links", "page", links)],
        "page",
        "classification",
        _dealt(rng, nodes, (0.48, 0.32, 0.2)),
        topics,
    )


def members(rng: Rng, nodes: int = 2500, classes: int = 5) -> Planted:
    """Members of communities, of whom nothing is known but who knows whom; one in ten trains."""
    communities = rng.integers(classes, size=nodes)
    return Planted(
        [Vertices("member", nodes)],
        [Edges("member", "knows", "member", _cited(rng, communities, 3 * nodes, 0.7))],
        "member",
        "classification",
        _dealt(rng, nodes, (0.1, 0.1, 0.8)),
        communities,
    )


def films(rng: Rng, nodes: int = 2939) -> Planted:
    """Films of three genres, as IMDB's protocol: 300 train, 300 validate, the others test.

    Directors and actors have a genre that most (some) of their films are of; plots tell a little.
    """
    genres = rng.choice(3, nodes, p=(0.27, 0.37, 0.36))
    directors, actors = nodes * 3 // 4, nodes * 9 // 5
    directed = _staffed(rng, genres, directors, 1, 0.7)
    acted = _staffed(rng, genres, actors, 3, 0.55)
    order = rng.permutation(nodes)
    held = round(nodes * 300 / 2939)
    return Planted(
        [
            Vertices("movie", nodes, {"plot": _words(rng, genres, 600, 8, 0.12)}),
            Vertices("director", directors),
            Vertices("actor", actors),
        ],
        [Edges("movie", "directed_by", "director", directed), Edges("movie", "stars", "actor", acted)],
        "movie",
        "classification",
        dict(zip(PARTS, np.split(order, [held, 2 * held]), strict=True)),
        genres,
    )


def noise(rng: Rng, nodes: int = 1000) -> Planted:
    """Classes that neither words nor edges know of."""
    graph = citations(rng, nodes, 4)
    return Planted(
        graph.vertices,
        graph.edges,
        graph.of,
        graph.task,
        _dealt(rng, nodes, (0.6, 0.2, 0.2)),
        rng.integers(4, size=nodes),
    )


def acquaintances(rng: Rng, nodes: int = 1500) -> Planted:
    """People who know people of their community, most often friends of friends; interests show the community."""
    communities = rng.integers(20, size=nodes)
    first = _cited(rng, communities, 4 * nodes, 0.9)
    ends = np.unique(np.concatenate([first, _closed(rng, first, nodes)]), axis=0)
    return Planted(
        [Vertices("person", nodes, {"interests": _words(rng, communities, 200, 8, 0.5)})],
        [Edges("person", "knows", "person", ends)],
        "knows",
        "link_prediction",
        _dealt(rng, len(ends), (0.8, 0.1, 0.1)),
    )


#: Standard deviation of the noise of `purchases`: no model is better.
UNEXPLAINED = 0.8


def purchases(rng: Rng, users: int = 800, items: int = 1200) -> Planted:
    """Ratings: a bias of either end, four hidden tastes of which features show one, and noise."""
    tastes, kinds = rng.normal(size=(users, 4)), rng.normal(size=(items, 4))
    ends = _pairs(rng, users, items, 30 * users)
    biases = rng.normal(0, 0.4, users)[ends[:, 0]] + rng.normal(0, 0.5, items)[ends[:, 1]]
    fit = 0.3 * (tastes[ends[:, 0]] * kinds[ends[:, 1]]).sum(1)
    stars = 3.5 + biases + fit + rng.normal(0, UNEXPLAINED, len(ends))
    return Planted(
        [Vertices("user", users, {"age": tastes[:, 0]}), Vertices("item", items, {"price": kinds[:, 0]})],
        [Edges("user", "bought", "item", ends)],
        "bought",
        "regression",
        _dealt(rng, len(ends), (0.8, 0.1, 0.1)),
        np.round(stars, 3),
    )


def applicants(rng: Rng, nodes: int = 4000) -> Planted:
    """People whose own numbers tell by thresholds and interactions whether they repay; acquaintances tell nothing.

    As tables of credit: income and debt have a long tail. One answer of 20 is turned round, so .95 is the best.
    """
    income, debt = np.exp(rng.normal(10, 0.9, nodes)), np.exp(rng.normal(8.5, 1.2, nodes))
    age, years = rng.uniform(18, 80, nodes), rng.exponential(6, nodes)
    burden, young = debt / income, age < 35
    repays = np.where(young, (burden < 0.15) | (years > 8), (burden < 0.45) & ((age < 62) | (income > 20_000)))
    repays ^= rng.random(nodes) < 0.05
    numbers = {"income": income, "debt": debt, "age": age, "years": years}
    return Planted(
        [Vertices("person", nodes, numbers)],
        [Edges("person", "knows", "person", _cited(rng, np.zeros(nodes, np.int64), 4 * nodes, 0))],
        "person",
        "classification",
        _dealt(rng, nodes, (0.6, 0.2, 0.2)),
        repays.astype(np.int64),
    )


def authors(rng: Rng, nodes: int = 2000, areas: int = 4) -> Planted:
    """Authors of the area that most of their papers' venues are of: two edges away, and nothing nearer tells.

    As DBLP's protocol, without its words. Nothing is left to chance, but of as many papers of two areas that of
    the first paper counts, which edges tell only by how few authors it has: .85 by a draw among them, .92 so.
    """
    papers, venues = 2 * nodes, max(areas * 5, nodes // 25)
    scopes, leaning = np.arange(venues) % areas, rng.integers(areas, size=nodes)
    weights = rng.pareto(2.5, nodes) + 0.5
    first = np.concatenate([np.arange(nodes), rng.choice(nodes, papers - nodes, p=weights / weights.sum())])
    wanted = np.where(rng.random(papers) < 0.75, leaning[first], rng.integers(areas, size=papers))
    published = np.stack([np.arange(papers), areas * rng.integers(venues // areas, size=papers) + wanted], 1)
    second = np.stack([rng.integers(nodes, size=papers // 2), rng.choice(papers, papers // 2)], 1)
    wrote = np.unique(np.concatenate([np.stack([first, np.arange(papers)], 1), second]), axis=0)
    # Of as many papers of two areas that of the first paper counts.
    counts = np.zeros((nodes, areas))
    np.add.at(counts, (wrote[:, 0], scopes[published[wrote[:, 1], 1]]), 1)
    counts[np.arange(nodes), scopes[published[np.arange(nodes), 1]]] += 0.5
    return Planted(
        [
            Vertices("author", nodes, {"years": rng.exponential(10, nodes)}),
            Vertices("paper", papers, {"pages": rng.normal(10, 3, papers)}),
            Vertices("venue", venues, {"scope": _words(rng, scopes, 60, 25, 0.6)}),
        ],
        [
            Edges("author", "wrote", "paper", wrote),
            Edges("paper", "published_in", "venue", published),
        ],
        "author",
        "classification",
        _dealt(rng, nodes, (0.3, 0.2, 0.5)),
        counts.argmax(1),
    )


def houses(rng: Rng, nodes: int = 3000) -> Planted:
    """Prices with a long tail: a product of the house's own numbers, its district's level, and noise."""
    districts = nodes // 15
    area, rooms, built = (
        np.exp(rng.normal(4.5, 0.4, nodes)),
        rng.integers(1, 8, nodes),
        rng.uniform(1900, 2020, nodes),
    )
    level = rng.normal(0, 0.5, districts)
    where = rng.integers(districts, size=nodes)
    incomes = np.exp(10 + 0.7 * level + rng.normal(0, 0.2, districts))
    worth = np.log(area) + 0.05 * rooms + 0.6 * ((built - 1960) / 60) ** 2 + level[where]
    return Planted(
        [
            Vertices("house", nodes, {"area": area, "rooms": rooms, "built": built}),
            Vertices("district", districts, {"income": incomes}),
        ],
        [Edges("house", "in", "district", np.stack([np.arange(nodes), where], 1))],
        "house",
        "regression",
        _dealt(rng, nodes, (0.6, 0.2, 0.2)),
        np.round(1000 * np.exp(worth + rng.normal(0, 0.25, nodes))),
    )


def accounts(rng: Rng, nodes: int = 5000) -> Planted:
    """Accounts of which one in twenty is fraud: rings share devices, and have amounts and hours of their own."""
    fraud = rng.random(nodes) < 0.05
    devices = nodes // 2
    rings = max(2, devices // 60)
    hours = np.where(fraud & (rng.random(nodes) < 0.6), rng.normal(3, 1.5, nodes), rng.uniform(0, 24, nodes)) % 24
    amount = np.exp(
        np.where(fraud & (rng.random(nodes) < 0.5), rng.normal(4.5, 0.3, nodes), rng.normal(4, 1, nodes))
    )
    rows = np.repeat(np.arange(nodes), 2)
    ringed = fraud[rows] & (rng.random(len(rows)) < 0.7)
    used = np.where(ringed, rng.integers(rings, size=len(rows)), rng.integers(devices, size=len(rows)))
    sent = _cited(rng, np.zeros(nodes, np.int64), 2 * nodes, 0)
    return Planted(
        [
            Vertices("account", nodes, {"amount": amount, "hour": hours, "age": rng.exponential(300, nodes)}),
            Vertices("device", devices),
        ],
        [
            Edges("account", "uses", "device", np.unique(np.stack([rows, used], 1), axis=0)),
            Edges("account", "pays", "account", sent),
        ],
        "account",
        "classification",
        _dealt(rng, nodes, (0.6, 0.2, 0.2)),
        fraud.astype(np.int64),
    )


def loans(rng: Rng, nodes: int = 3000) -> Planted:
    """Loans of which one in 33 defaults, told by thresholds of their own numbers; who guarantees whom is noise."""
    debt, drift, rate = (rng.normal(size=nodes) for _ in range(3))
    risk = 2 * (debt > 1) + 1.5 * (np.abs(drift) > 1.3) + rng.normal(0, 0.7, nodes)
    return Planted(
        [Vertices("loan", nodes, {"debt": np.exp(debt), "drift": drift, "rate": rate})],
        [Edges("loan", "guarantees", "loan", _cited(rng, np.zeros(nodes, np.int64), 3 * nodes, 0))],
        "loan",
        "classification",
        _dealt(rng, nodes, (0.6, 0.2, 0.2)),
        (risk > np.quantile(risk, 0.97)).astype(np.int64),
    )


def baskets(rng: Rng, customers: int = 800, products: int = 1000, kinds: int = 15) -> Planted:
    """Purchases of customers without features, who buy of two kinds; a product's words show its kind."""
    kind = rng.integers(kinds, size=products)
    popular = rng.pareto(1.5, products) + 0.3
    rows = np.repeat(np.arange(customers), 1 + rng.poisson(11, customers))
    likes = rng.integers(kinds, size=(customers, 2))
    wanted = likes[rows, rng.integers(2, size=len(rows))]
    bought = rng.choice(products, len(rows), p=popular / popular.sum())
    for each in range(kinds):
        chosen, members = (
            np.flatnonzero((wanted == each) & (rng.random(len(rows)) < 0.8)),
            np.flatnonzero(kind == each),
        )
        if len(members):
            bought[chosen] = rng.choice(members, len(chosen), p=popular[members] / popular[members].sum())
    ends = np.unique(np.stack([rows, bought], 1), axis=0)
    return Planted(
        [
            Vertices("customer", customers),
            Vertices("product", products, {"words": _words(rng, kind, 200, 8, 0.8)}),
        ],
        [Edges("customer", "bought", "product", ends)],
        "bought",
        "link_prediction",
        _dealt(rng, len(ends), (0.8, 0.1, 0.1)),
    )


def relatives(rng: Rng, families: int = 60, generations: int = 3) -> Parts:
    """Return who is whose relative, over some generations, and where people live; a knowledge graph of rules.

    Parents and children are inverse, spouses and siblings go both ways, grandparents and uncles follow from two
    steps; spouses live together, and three in five who have none where their parents do. Of all that is true 15 %
    are missing.
    """
    couples = [(2 * n, 2 * n + 1) for n in range(families)]
    homes = rng.integers(families, size=2 * families).tolist()
    spouses, parents = list[tuple[int, int]](), dict[int, tuple[int, int]]()
    for _ in range(generations):
        born = []
        for couple in couples:
            spouses.append(couple)
            homes[couple[1]] = homes[couple[0]]
            for _ in range(1 + rng.poisson(1.5)):
                parents[len(homes)] = couple
                born.append(len(homes))
                homes.append(homes[couple[0]] if rng.random() < 0.6 else int(rng.integers(families)))
        order = rng.permutation(born).tolist()
        pairs = zip(order[::2], order[1::2], strict=False)
        couples = [(a, b) for a, b in pairs if parents[a] != parents[b] and rng.random() < 0.9]
    children = [(parent, child) for child, both in parents.items() for parent in both]
    siblings = [(a, b) for a in parents for b in parents if a != b and parents[a] == parents[b]]
    of_sibling = {a: [b for c, b in siblings if c == a] for a in parents}
    true = {
        "parent_of": children,
        "child_of": [(child, parent) for parent, child in children],
        "married_to": [*spouses, *((b, a) for a, b in spouses)],
        "sibling_of": siblings,
        "grandparent_of": [(old, child) for p, child in children for old in parents.get(p, ())],
        "uncle_of": [(near, child) for p, child in children for near in of_sibling.get(p, ())],
    }
    triples = [(f"person-{a}", name, f"person-{b}") for name, ends in true.items() for a, b in ends]
    triples += [(f"person-{person}", "lives_in", f"town-{home}") for person, home in enumerate(homes)]
    known = rng.permutation(len(triples))[: round(0.85 * len(triples))]
    dealt = _dealt(rng, len(known), (0.8, 0.1, 0.1))
    return {part: [triples[row] for row in known[rows]] for part, rows in dealt.items()}


#: By the name of the row: what it is judged by, and how it is made.
PLANTED: Mapping[str, tuple[str, Callable[..., Planted | Parts]]] = {
    "citations": ("acc", citations),
    "members": ("acc", members),
    "films": ("f1_macro", films),
    "heterophilous": ("acc", heterophilous),
    "acquaintances": ("mrr", acquaintances),
    "purchases": ("rmse", purchases),
    "noise": ("acc", noise),
    "applicants": ("acc", applicants),
    "authors": ("acc", authors),
    "houses": ("rmse", houses),
    "accounts": ("average_precision", accounts),
    "loans": ("average_precision", loans),
    "baskets": ("mrr", baskets),
    "relatives": ("mrr", relatives),
}


def planted(name: str, folder: Path, *sizes: int, seed: int = 0) -> Path:
    """Write a graph, of its own size or another, as an export folder."""
    made = PLANTED[name][1](np.random.default_rng(seed), *sizes)
    if isinstance(made, Planted):
        return write_planted(made, folder)
    ids = {end for triples in made.values() for head, _, tail in triples for end in (head, tail)}
    return write_triples(folder, made, {name: name.partition("-")[0] for name in ids})


def write_planted(graph: Planted, folder: Path) -> Path:
    """Write a graph as an export folder, split by files."""
    entries: dict[str, list[dict[str, Any]]] = {"nodes": [], "edges": []}
    for vertices in graph.vertices:
        ids = [f"{vertices.label}-{row}" for row in range(vertices.count)]
        entry: dict[str, Any] = {"file_name": f"nodes/{vertices.label}.csv", "node": ["~id", vertices.label]}
        _element(graph, folder, entry, vertices, [("~id", ids)])
        entries["nodes"].append(entry)
    for edges in graph.edges:
        entry = {
            "file_name": f"edges/{edges.label}.csv",
            "source": ["~from", edges.source],
            "relation": ["", edges.label],
            "dest": ["~to", edges.target],
        }
        sides = zip(("~from", "~to"), (edges.source, edges.target), edges.ends.T, strict=True)
        _element(
            graph, folder, entry, edges, [(name, [f"{kind}-{r}" for r in rows]) for name, kind, rows in sides]
        )
        entries["edges"].append(entry)
    document = {"version": "v2.0", "query_engine": "gremlin", "graph": entries}
    (folder / CONFIGURATION).write_text(json.dumps(document), encoding="utf-8")
    return folder


def _element(
    graph: Planted,
    folder: Path,
    entry: dict[str, Any],
    element: Vertices | Edges,
    keys: Sequence[tuple[str, list[str]]],
) -> None:
    """Complete the entry of a file and write it, with its splits where it is the target."""
    count = len(keys[0][1])
    columns = dict(keys)
    if isinstance(element, Edges):
        columns = {"~id": [f"{element.label}-{row}" for row in range(count)], **columns}
    columns["~label"] = [element.label] * count
    for name, values in element.features.items():
        columns[name] = [_cell(value) for value in values]
    entry |= {"separator": ",", "features": [_feature(*each) for each in element.features.items()]}
    if element.label == graph.of:
        if graph.answers is not None:
            columns["answer"] = [f"c{a}" if graph.task == "classification" else str(a) for a in graph.answers]
        files = {part: f"{element.label}-{part}.csv" for part in PARTS}
        for part, name in files.items():
            _write(folder / name, {key: [ids[row] for row in graph.parts[part]] for key, ids in keys})
        label = ["answer" if graph.answers is not None else "", graph.task]
        entry["labels"] = [{"label": label, "custom_split_filenames": files}]
    _write(folder / entry["file_name"], columns)


def _feature(name: str, values: npt.NDArray[Any]) -> dict[str, Any]:
    listed = {"separator": ";", "norm": "none"} if values.ndim > 1 else {"norm": "min-max"}
    return {"feature": [name, name, "numerical"], "imputer": "mean", **listed}


def _cell(value: Any) -> str:
    return ";".join(f"{each:g}" for each in value) if np.ndim(value) else f"{value:.6g}"


def _write(path: Path, columns: Mapping[str, Sequence[str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [",".join(columns), *(",".join(row) for row in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


def _uneven(classes: int) -> Floats:
    weights = np.linspace(3, 1, classes)
    return np.asarray(weights / weights.sum())


def _words(rng: Rng, topics: Ints, vocabulary: int, length: int, own: float) -> Ints:
    """Return which words texts have, (texts, vocabulary): each is with probability `own` one of its topic's."""
    frequencies = 1 / np.arange(3, vocabulary + 3)
    frequencies /= frequencies.sum()
    words = np.zeros((len(topics), vocabulary), np.int64)
    for topic in np.unique(topics):
        rows = np.flatnonzero(topics == topic)
        typical = rng.permutation(frequencies)
        lengths = 1 + rng.poisson(length - 1, len(rows))
        texts = np.repeat(rows, lengths)
        drawn = rng.choice(vocabulary, len(texts), p=own * typical + (1 - own) * frequencies)
        words[texts, drawn] = 1
    return words


def _cited(rng: Rng, wanted: Ints, count: int, same: float, found: Ints | None = None) -> Ints:
    """Draw edges, (edges, 2), distinct: with probability `same` to a vertex of the class that the source wants."""
    found = wanted if found is None else found
    weights = rng.pareto(2.5, len(found)) + 0.3
    sources = rng.choice(len(found), count, p=weights / weights.sum())
    targets = rng.choice(len(found), count, p=weights / weights.sum())
    stay = rng.random(count) < same
    for each in np.unique(found):
        rows, members = np.flatnonzero(stay & (wanted[sources] == each)), np.flatnonzero(found == each)
        targets[rows] = rng.choice(members, len(rows), p=weights[members] / weights[members].sum())
    kept = sources != targets
    return np.unique(np.stack([sources, targets], 1)[kept], axis=0)


def _staffed(rng: Rng, genres: Ints, people: int, each: int, same: float) -> Ints:
    """Return edges from films to people, of whom a share `same` has the film's genre."""
    leaning = rng.integers(3, size=people)
    weights = rng.pareto(2.0, people) + 0.2
    rows = np.repeat(np.arange(len(genres)), each)
    staff = rng.choice(people, len(rows), p=weights / weights.sum())
    for genre in range(3):
        chosen = np.flatnonzero((genres[rows] == genre) & (rng.random(len(rows)) < same))
        members = np.flatnonzero(leaning == genre)
        staff[chosen] = rng.choice(members, len(chosen), p=weights[members] / weights[members].sum())
    return np.unique(np.stack([rows, staff], 1), axis=0)


def _closed(rng: Rng, ends: Ints, count: int) -> Ints:
    """Return edges from vertices to the neighbours of their neighbours, two for each vertex at most."""
    by_source = {source: ends[ends[:, 0] == source, 1] for source in np.unique(ends[:, 0])}
    found = []
    for source in rng.integers(count, size=2 * count):
        middle = rng.choice(by_source[source]) if source in by_source else -1
        if middle in by_source:
            found.append((source, rng.choice(by_source[middle])))
    closed = np.array(found, np.int64).reshape(-1, 2)
    kept: Ints = closed[closed[:, 0] != closed[:, 1]]
    return kept


def _pairs(rng: Rng, users: int, items: int, count: int) -> Ints:
    popular = rng.pareto(1.5, items) + 0.3
    drawn = np.stack([rng.integers(users, size=count), rng.choice(items, count, p=popular / popular.sum())], 1)
    return np.unique(drawn, axis=0)


def _dealt(rng: Rng, count: int, shares: Sequence[float]) -> dict[str, Ints]:
    cuts = np.round(np.cumsum(shares)[:2] * count).astype(np.int64)
    return dict(zip(PARTS, np.split(rng.permutation(count), cuts), strict=True))
