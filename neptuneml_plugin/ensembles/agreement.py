"""Whether artifacts can answer as one."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from neptuneml_plugin.artifacts import Manifest, Target, Task, edge_folder, node_folder
from neptuneml_plugin.ensembles.definition import ENSEMBLE_MODEL, Combine, Definition
from neptuneml_plugin.errors import InvalidSettings
from neptuneml_plugin.filerecords import FileRecord

#: Of ids, which rows are in the order of.
IDS = ("ids.npy", "id_offsets.npy")
#: Of the training edges, which requests may leave out.
TRAINING_EDGES = ("tails_indptr.npy", "tails_indices.npy")


def check_agreement(definition: Definition, manifests: Sequence[Manifest], source: str) -> None:
    """Refuse members that do not fit each other, or what is to become of their answers.

    Args:
        definition: of the ensemble.
        manifests: of its members, in their order.
        source: where the definition comes from, for messages.

    Raises:
        InvalidSettings: with every problem found.
    """
    problems = list(_problems(definition, manifests))
    if problems:
        raise InvalidSettings(source, problems)


def labels_of(target: Target) -> tuple[str, ...]:
    """Return the vertex labels that a target is about."""
    ends = (label for edge in target.edges for label in (edge.source, edge.target))
    return tuple(dict.fromkeys((target.node, *ends) if target.node else ends))


def _problems(definition: Definition, manifests: Sequence[Manifest]) -> Iterator[str]:
    first = manifests[0]
    for at, manifest in enumerate(manifests):
        if manifest.model == ENSEMBLE_MODEL:
            yield f"members[{at}]: is an ensemble itself; name its members"
    if definition.combine != Combine.AVERAGE and first.task is not Task.LINK_PREDICTION:
        yield f"combine: '{definition.combine}' is for links, and members[0] is a {first.task}"
    elif definition.combine == Combine.FILTER:
        yield from _unfit_filter(definition, *manifests)
    else:
        for at, manifest in enumerate(manifests[1:], start=1):
            yield from _differences(at, first, manifest)
    yield from _unfit_ends(definition, first)


def _differences(at: int, first: Manifest, other: Manifest) -> Iterator[str]:
    if other.task is not first.task:
        yield f"members[{at}]: is a {other.task}, and members[0] a {first.task}"
    elif other.target != first.target:
        yield f"members[{at}]: predicts {_said(other.target)}, and members[0] {_said(first.target)}"
    else:
        yield from _other_ids(at, first, other, labels_of(first.target))
        for edge in first.target.edges if first.task is Task.LINK_PREDICTION else ():
            mine = _records(first.files, edge_folder(first.schema.edge(edge)), TRAINING_EDGES)
            theirs = _records(other.files, edge_folder(other.schema.edge(edge)), TRAINING_EDGES)
            if mine != theirs:
                yield f"members[{at}]: knows other training edges {edge} than members[0]; process the graph once"


def _other_ids(at: int, first: Manifest, other: Manifest, labels: Iterable[str]) -> Iterator[str]:
    for label in labels:
        mine = _records(first.files, node_folder(first.schema.node(label)), IDS)
        theirs = _records(other.files, node_folder(other.schema.node(label)), IDS)
        if mine != theirs:
            yield (
                f"members[{at}]: knows other '{label}' vertices than members[0], or in another order; "
                "transform both for the same processed graph"
            )


def _records(files: Mapping[str, FileRecord], folder: str, names: Iterable[str]) -> list[FileRecord | None]:
    return [files.get(f"{folder}/{name}") for name in names]


def _unfit_filter(definition: Definition, links: Manifest, classifier: Manifest) -> Iterator[str]:
    ends, target = labels_of(links.target), classifier.target
    if classifier.task is not Task.NODE_CLASS or target.multi_label:
        yield f"members[1]: must tell one class of a vertex, and is a {classifier.task}"
    elif target.node not in ends:
        yield f"members[1]: classifies '{target.node}' vertices; those that members[0] links are {', '.join(ends)}"
    else:
        yield from _other_ids(1, links, classifier, (target.node,))
        yield from _unknown("keep", definition.keep, target)
        if not definition.keep:
            yield "keep: is missing; name the classes of the candidates that stay"


def _unfit_ends(definition: Definition, first: Manifest) -> Iterator[str]:
    """Yield what is to become of the answers and makes no sense for the task."""
    is_class, is_link = first.task.is_class, first.task is Task.LINK_PREDICTION
    said = {
        "threshold": definition.threshold is not None and not (is_class or is_link),
        "temperature": definition.temperature != 1 and not (is_class or is_link),
        "clip": definition.clip is not None and (is_class or is_link),
        "drop": bool(definition.drop) and not is_class,
        "rename": bool(definition.rename) and not is_class,
        "keep": bool(definition.keep) and definition.combine != Combine.FILTER,
    }
    for name, unfit in said.items():
        if unfit:
            yield f"{name}: means nothing for a {first.task} that is combined by '{definition.combine}'"
    if is_class:
        yield from _unknown("drop", definition.drop, first.target)
        if definition.rename and first.target.data_type != "String":
            yield f"rename: is for classes that are texts, and these are of the type {first.target.data_type}"
        else:
            yield from _unknown("rename", definition.rename, first.target)
        renamed = [definition.rename.get(str(name), name) for name in kept_classes(definition, first.target)]
        if not renamed:
            yield "drop: leaves no class"
        if len(set(renamed)) < len(renamed):
            yield "rename: gives two classes one name"


def kept_classes(definition: Definition, target: Target) -> tuple[str | int | float | bool, ...]:
    """Return the classes of the members that the ensemble answers, by their names there."""
    return tuple(name for name in target.classes if not _is_in(name, definition.drop))


def positions(definition: Iterable[object], target: Target) -> list[int]:
    """Return the positions of some classes among all."""
    named = list(definition)
    return [at for at, name in enumerate(target.classes) if _is_in(name, named)]


def _unknown(member: str, named: Iterable[object], target: Target) -> Iterator[str]:
    for name in named:
        if not _is_in(name, target.classes):
            known = ", ".join(map(repr, target.classes[:8]))
            yield f"{member}: {name!r} is no class of '{target.property_name}'; there are {known}"


def _is_in(name: object, classes: Iterable[object]) -> bool:
    """Tell whether a class is among others; 1 is not True."""
    return any(name == other and type(name) is type(other) for other in classes)


def _said(target: Target) -> str:
    of = ", ".join(map(str, target.edges)) or f"'{target.node}' vertices"
    if target.property_name is None:
        return f"links {of}"
    classes = f" ({', '.join(map(str, target.classes[:8]))})" if target.classes else ""
    return f"'{target.property_name}' of {of}{classes}"
