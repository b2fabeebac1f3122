package io.github.neptuneml.gremlin.columns;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.apache.tinkerpop.gremlin.structure.Element;
import org.apache.tinkerpop.gremlin.structure.Property;
import org.apache.tinkerpop.gremlin.structure.Vertex;

/** Rows of one label, for edges also of one label at either end, with ids of one class. */
final class Block {

    private final Class<?> idClass;
    private final String label;
    private final String sourceLabel;
    private final String targetLabel;
    private final Part ids = new Part.Texts();
    private final Part sources = new Part.Texts();
    private final Part targets = new Part.Texts();
    private final Map<String, Column> columns = new LinkedHashMap<>();
    private int rows;

    /**
     * Makes a block for what is like its first row.
     *
     * @param source of an edge, else null; so is target
     */
    Block(final Element first, final Vertex source, final Vertex target) {
        idClass = first.id().getClass();
        label = first.label();
        sourceLabel = source == null ? null : source.label();
        targetLabel = target == null ? null : target.label();
    }

    /** Whether an element belongs into this block. */
    boolean takes(final Element element, final Vertex source, final Vertex target) {
        return element.id().getClass() == idClass && element.label().equals(label)
                && Objects.equals(sourceLabel, source == null ? null : source.label())
                && Objects.equals(targetLabel, target == null ? null : target.label());
    }

    /** Takes a row and returns how many characters or bytes it takes, about. */
    int add(final Element element, final Vertex source, final Vertex target, final Iterator<? extends Property<?>> properties) {
        int size = ids.add(element.id());
        if (source != null) size += sources.add(source.id()) + targets.add(target.id());
        while (properties.hasNext()) {
            final Property<?> property = properties.next();
            if (property.value() != null) size += column(property.key()).add(rows, property.value());
        }
        rows++;
        return size;
    }

    private Column column(final String key) {
        final Column known = columns.get(key);
        if (known != null) return known;
        final Column fresh = new Column();
        columns.put(key, fresh);
        return fresh;
    }

    /** The map that a client receives; docs/readers.md says what is in it. */
    Map<String, Object> encoded() {
        final Map<String, Object> block = new LinkedHashMap<>();
        block.put("version", ColumnsStep.VERSION);
        block.put("rows", rows);
        block.put("label", label);
        block.put("idType", idClass.getSimpleName());
        block.put("ids", ids.encoded());
        if (sourceLabel != null) {
            block.put("sourceLabel", sourceLabel);
            block.put("targetLabel", targetLabel);
            block.put("sources", sources.encoded());
            block.put("targets", targets.encoded());
        }
        final List<Object> properties = new ArrayList<>();
        columns.forEach((key, column) -> properties.add(column.encoded(key, rows)));
        block.put("properties", properties);
        return block;
    }
}
