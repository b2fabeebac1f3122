"""Scripts in gremlin-lang, made from the Gremlin texts of a request: they only read (decision 33)."""

import json
import re

from neptuneml_plugin.export.elements import Element

_READ_ONLY = "ReadOnlyStrategy"
#: Draws the same each time, from elements in the same order.
_SEEDED = "new SeedStrategy(seed:0)"
_RANDOM = re.compile(r"\b(sample|coin|shuffle)\b")
#: A name that no filter gives a step of its own. TinkerPop hides names that begin with `~`.
_ORIGIN = '"exported element"'
_OWN_SOURCE = re.compile(r"\s*g\s*\.")


def filter_script(element: Element, label: str, steps: str, *, is_exact: bool) -> str:
    """Return the script that gives the ids of those elements of a label from which `steps` lead anywhere.

    Back at the element, since the steps may end at other elements (`out('x')`) or at values (`values('x').is(1)`).

    Args:
        element: whether vertices or edges.
        label: as the graph spells it.
        steps: the filter.
        is_exact: whether `hasLabel` finds elements of more labels too, so that the whole label is compared.
    """
    start = "V()" if element is Element.NODE else "E()"
    of_label = f"where(__.label().is({_text(label)}))" if is_exact else f"hasLabel({_text(label)})"
    return f"{_source(steps)}.{start}.{of_label}.as({_ORIGIN}).{steps}.select({_ORIGIN}).dedup().id()"


def query_script(query: str) -> str:
    """Return the script of a query, which begins with `g.`."""
    return _OWN_SOURCE.sub(f"{_source(query)}.", query, count=1)


def _source(steps: str) -> str:
    strategies = [_READ_ONLY, _SEEDED] if _RANDOM.search(steps) else [_READ_ONLY]
    return f"g.withStrategies({', '.join(strategies)})"


def _text(value: str) -> str:
    # JSON's escapes are those of Java, which gremlin-lang reads.
    return json.dumps(value)
