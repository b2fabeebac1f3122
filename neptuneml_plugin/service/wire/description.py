"""An endpoint's description, and the pin of an invocation (`docs/wire.md`, sections 1 and 2)."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from neptuneml_plugin.artifacts import EdgeType, Manifest, Target, table_name
from neptuneml_plugin.service.endpoints.inductive import Inductive
from neptuneml_plugin.service.endpoints.record import Status


@dataclass(frozen=True)
class Version:
    """What is served."""

    manifest: Manifest
    #: The artifact's folder.
    artifact: Path
    #: How a caller gathers around an element; None where the model cannot be asked so.
    inductive: Inductive | None = None
    #: Where the workers listen that run just now, and the token that all of them ask for.
    addresses: tuple[str, ...] = ()
    token: str = field(default="", repr=False)
    #: The approximate indices that they have, one mapping for each.
    indices: tuple[Mapping[str, Any], ...] = ()


def render_description(
    name: str, status: Status, failure_reason: str | None, version: Version | None
) -> dict[str, Any]:
    """Describe an endpoint at one version.

    Args:
        name: the endpoint's id.
        status: its state.
        failure_reason: why it does not answer, or why its last update failed.
        version: what is served; None while nothing is.
    """
    addresses = version.addresses if version else ()
    described: dict[str, Any] = {"name": name, "status": status.value}
    if failure_reason is not None:
        described["failureReason"] = failure_reason
    if version is not None:
        manifest = version.manifest
        described |= {
            "version": manifest.version,
            "task": manifest.task.value,
            "target": _target(manifest.target),
            "schema": _schema(manifest),
            "threshold": manifest.threshold,
            "modes": ["transductive"] if version.inductive is None else ["transductive", "inductive"],
            "tables": _tables(manifest, version.artifact),
            "idHashes": manifest.target.property_name is not None,
            "inductive": None if version.inductive is None else _inductive(version.inductive),
        }
        if version.indices:
            described["indices"] = list(version.indices)
    return described | {"addresses": list(addresses), "token": version.token if version and addresses else ""}


def etag(document: Mapping[str, Any]) -> str:
    """Return a strong validator of a description."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:32]


def _target(target: Target) -> dict[str, Any]:
    if target.property_name is None:
        return {"element": "edge", "edges": [_edge(edge) for edge in target.edges]}
    element = (
        {"element": "edge", **_edge(target.edges[0])}
        if target.edges
        else {"element": "node", "label": target.node}
    )
    return element | {
        "property": target.property_name,
        "dataType": target.data_type,
        "multiLabel": target.multi_label,
    }


def _schema(manifest: Manifest) -> dict[str, Any]:
    nodes = [{"label": node.label, "idType": node.id_type, "count": node.count} for node in manifest.schema.nodes]
    edges = [{**_edge(edge.type), "count": edge.count} for edge in manifest.schema.edges]
    return {"nodes": nodes, "edges": edges}


def _tables(manifest: Manifest, artifact: Path) -> list[dict[str, Any]]:
    named = [(node.label, table_name(position)) for position, node in enumerate(manifest.schema.nodes)]
    return [
        {"label": label, "bytes": manifest.files[name].size, "path": str(artifact / name)}
        for label, name in named
        if name in manifest.files
    ]


def _inductive(inductive: Inductive) -> dict[str, Any]:
    return {
        "fanouts": list(inductive.fanouts),
        "nodes": {label: list(properties) for label, properties in inductive.nodes},
        "edges": [{**_edge(edge), "properties": list(properties)} for edge, properties in inductive.edges],
        "maxNewCandidates": inductive.max_new_candidates,
    }


def _edge(edge: EdgeType) -> dict[str, Any]:
    return {"from": edge.source, "label": edge.label, "to": edge.target}


def pinned_version(body: bytes) -> str | None:
    """Return an invocation's `artifactVersion`; None where there is none, or the worker will refuse the body."""
    if b'"artifactVersion"' not in body:
        return None
    try:
        version = json.loads(body)["data"]["globalParameters"]["artifactVersion"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return version if isinstance(version, str) else None
