package io.github.neptuneml.gremlin.columns;

import io.github.neptuneml.gremlin.sampling.VisibleProperties;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.tinkerpop.gremlin.structure.Edge;
import org.apache.tinkerpop.gremlin.structure.Element;
import org.apache.tinkerpop.gremlin.structure.Vertex;

/** A batch of rows, which makes a block for each type that is in it, in the order in which they come. */
final class Blocks {

    private final Map<List<Object>, Block> blocks = new LinkedHashMap<>();
    private final VisibleProperties properties;
    private Block last;
    private int rows;
    private int size;

    Blocks(final VisibleProperties properties) {
        this.properties = properties;
    }

    /** Takes a row. */
    void add(final Element element) {
        final Vertex source = element instanceof Edge ? ((Edge) element).outVertex() : null;
        final Vertex target = element instanceof Edge ? ((Edge) element).inVertex() : null;
        if (last == null || !last.takes(element, source, target))
            last = blocks.computeIfAbsent(type(element, source, target), type -> new Block(element, source, target));
        final int before = last.size();
        last.begin(element, source, target);
        properties.forEach(element, last);
        rows++;
        size += last.size() - before;
    }

    int rows() {
        return rows;
    }

    /** How many characters and bytes all rows take, about. */
    int size() {
        return size;
    }

    private static List<Object> type(final Element element, final Vertex source, final Vertex target) {
        if (source == null) return Identities.type(element);
        return List.of(Identities.type(element), Identities.type(source), Identities.type(target));
    }

    Collection<Block> all() {
        return blocks.values();
    }
}
