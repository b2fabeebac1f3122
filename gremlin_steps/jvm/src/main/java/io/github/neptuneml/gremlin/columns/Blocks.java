package io.github.neptuneml.gremlin.columns;

import java.util.Collection;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.tinkerpop.gremlin.structure.Edge;
import org.apache.tinkerpop.gremlin.structure.Element;
import org.apache.tinkerpop.gremlin.structure.Property;
import org.apache.tinkerpop.gremlin.structure.Vertex;

/** A batch of rows, which makes a block for each type that is in it, in the order in which they come. */
final class Blocks {

    private final Map<List<Object>, Block> blocks = new LinkedHashMap<>();
    private Block last;

    /** Takes a row and returns how many characters or bytes it takes, about. */
    int add(final Element element, final Iterator<? extends Property<?>> properties) {
        final Vertex source = element instanceof Edge ? ((Edge) element).outVertex() : null;
        final Vertex target = element instanceof Edge ? ((Edge) element).inVertex() : null;
        if (last == null || !last.takes(element, source, target))
            last = blocks.computeIfAbsent(type(element, source, target), type -> new Block(element, source, target));
        return last.add(element, source, target, properties);
    }

    private static List<Object> type(final Element element, final Vertex source, final Vertex target) {
        final Class<?> idClass = element.id().getClass();
        return source == null ? List.of(idClass, element.label()) : List.of(idClass, element.label(), source.label(), target.label());
    }

    Collection<Block> all() {
        return blocks.values();
    }
}
