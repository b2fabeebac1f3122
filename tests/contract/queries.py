"""One table of ML queries on air-routes, with answers, and its rendering for each client.

A query is a list of steps `[name, argument, …]`; an argument `{"child": [step, …]}` is an anonymous traversal.
"""

from typing import Any

from neptuneml_plugin.testing import FakeEndpoint, edge_endpoint, link_endpoint, node_endpoint

Steps = list[list[Any]]

ROUTE = ("airport", "route", "airport")
#: ATL, ANC and AUS are the vertices 1, 2 and 3 of air-routes.
ENDPOINTS: dict[str, FakeEndpoint] = {
    "country": node_endpoint(
        "airport",
        "country",
        "String",
        "Integer",
        {
            "1": [{"value": "US", "score": 0.75}, {"value": "CA", "score": 0.25}],
            "2": [{"value": "CA", "score": 0.5}, {"value": "US", "score": 0.375}],
        },
    ),
    "elevation": node_endpoint(
        "airport", "elev", "Double", "Integer", {"1": [{"value": 1026.5}], "3": [{"value": 0.0}]}
    ),
    "distance": edge_endpoint(ROUTE, "dist", "Double", "Integer", {"3->1": [{"value": 811.25}]}),
    "routes": link_endpoint(ROUTE, "Integer", {"3": [{"id": "2", "score": 0.9}, {"id": "1", "score": 0.8}]}),
}

_COUNTRY: Steps = [["with", "Neptune#ml.endpoint", "country"]]
_CLASSIFY: Steps = [["properties", "country"], ["with", "Neptune#ml.classification"], ["value"]]

#: Name -> steps and the answers, in order.
QUERIES: dict[str, tuple[Steps, list[Any]]] = {
    "classification": ([*_COUNTRY, ["V", 1, 2], *_CLASSIFY], ["US", "CA"]),
    "several classes": (
        [*_COUNTRY, ["with", "Neptune#ml.limit", 2], ["V", 2], *_CLASSIFY],
        ["CA", "US"],
    ),
    "a threshold": (
        [*_COUNTRY, ["with", "Neptune#ml.threshold", 0.6], ["V", 1, 2], *_CLASSIFY],
        ["US"],
    ),
    "nested": (
        [*_COUNTRY, ["V", 1, 2], ["where", {"child": [*_CLASSIFY, ["is", "CA"]]}], ["values", "code"]],
        ["ANC"],
    ),
    "vertex regression": (
        [
            ["with", "Neptune#ml.endpoint", "elevation"],
            ["V", 1, 2, 3],
            ["values", "elev"],
            ["with", "Neptune#ml.regression"],
        ],
        [1026.5, 0.0],
    ),
    "edge regression": (
        [
            ["with", "Neptune#ml.endpoint", "distance"],
            ["V", 3],
            ["outE", "route"],
            ["where", {"child": [["inV"], ["has", "code", "ATL"]]}],
            ["properties", "dist"],
            ["with", "Neptune#ml.regression"],
            ["value"],
        ],
        [811.25],
    ),
    "links": (
        [
            ["with", "Neptune#ml.endpoint", "routes"],
            ["with", "Neptune#ml.limit", 2],
            ["V", 3],
            ["out", "route"],
            ["with", "Neptune#ml.prediction"],
            ["hasLabel", "airport"],
            ["values", "code"],
        ],
        ["ANC", "ATL"],
    ),
}  # fmt: skip


def to_groovy(steps: Steps, start: str = "g") -> str:
    """Return the query's text for a Gremlin Console."""
    return start + "".join(f".{name}({', '.join(map(_groovy_value, values))})" for name, *values in steps)


def _groovy_value(value: Any) -> str:
    if isinstance(value, dict):
        return to_groovy(value["child"], "__")
    return f"'{value}'" if isinstance(value, str) else f"{value}d" if isinstance(value, float) else str(value)
