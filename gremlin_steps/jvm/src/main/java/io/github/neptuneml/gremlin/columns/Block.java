package io.github.neptuneml.gremlin.columns;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.apache.tinkerpop.gremlin.structure.Element;
import org.apache.tinkerpop.gremlin.structure.Property;
import org.apache.tinkerpop.gremlin.structure.Vertex;

/** Rows of one label, for edges also of one label at either end, with ids of one class each. */
final class Block implements Consumer<Property<?>> {

    private final Identities elements;
    private final Identities sources;
    private final Identities targets;
    private final Map<String, Column> columns = new LinkedHashMap<>();
    private int rows;
    private int size;

    /**
     * Makes a block for what is like its first row.
     *
     * @param source of an edge, else null; so is target
     */
    Block(final Element first, final Vertex source, final Vertex target) {
        elements = new Identities(first);
        sources = source == null ? null : new Identities(source);
        targets = target == null ? null : new Identities(target);
    }

    /** Whether an element belongs into this block. */
    boolean takes(final Element element, final Vertex source, final Vertex target) {
        if ((sources == null) != (source == null) || !elements.takes(element)) return false;
        return source == null || sources.takes(source) && targets.takes(target);
    }

    /** Begins a row. */
    void begin(final Element element, final Vertex source, final Vertex target) {
        size += elements.add(element);
        if (source != null) size += sources.add(source) + targets.add(target);
        rows++;
    }

    /** Takes a property of the row that was begun last. */
    @Override
    public void accept(final Property<?> property) {
        final Object value = property.value();
        if (value != null) size += column(property.key()).add(rows - 1, value);
    }

    private Column column(final String key) {
        final Column known = columns.get(key);
        if (known != null) return known;
        final Column fresh = new Column();
        columns.put(key, fresh);
        return fresh;
    }

    /** How many characters and bytes all rows take, about. */
    int size() {
        return size;
    }

    /** The map that a client receives; docs/readers.md says what is in it. */
    Map<String, Object> encoded() {
        final Map<String, Object> block = new Members();
        block.put("version", ColumnsStep.VERSION);
        block.put("rows", rows);
        elements.encode(block, "label", "idType", "ids");
        if (sources != null) {
            sources.encode(block, "sourceLabel", "sourceIdType", "sources");
            targets.encode(block, "targetLabel", "targetIdType", "targets");
        }
        final List<Object> properties = new ArrayList<>();
        columns.forEach((key, column) -> properties.add(column.encoded(key, rows)));
        block.put("properties", properties);
        return block;
    }

    /** Compared by identity: Gremlin Server looks for equal results, and would hash every byte of a block. */
    private static final class Members extends LinkedHashMap<String, Object> {
        private static final long serialVersionUID = 1;

        @Override
        public boolean equals(final Object other) {
            return this == other;
        }

        @Override
        public int hashCode() {
            return System.identityHashCode(this);
        }
    }
}
