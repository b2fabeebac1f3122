package io.github.neptuneml.gremlin.sampling;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.apache.tinkerpop.gremlin.structure.Element;
import org.apache.tinkerpop.gremlin.structure.Property;
import org.apache.tinkerpop.gremlin.structure.util.CloseableIterator;
import org.apache.tinkerpop.shaded.jackson.core.JsonGenerator;

/** Properties of elements, one column per key. */
final class Columns {

    private final List<String> keys;
    private final List<Object[]> rows;

    private Columns(final List<String> keys, final List<Object[]> rows) {
        this.keys = keys;
        this.rows = rows;
    }

    static Columns read(final List<? extends Element> elements, final List<String> keys, final VisibleGraph graph) {
        if (keys.isEmpty()) return new Columns(keys, List.of());
        final List<Object[]> rows = new ArrayList<>(elements.size());
        for (final Element element : elements) rows.add(row(element, keys, graph));
        return new Columns(keys, rows);
    }

    /** The texts of an element's properties, by the keys' positions; null where it has none. */
    static Object[] row(final Element element, final List<String> keys, final VisibleGraph graph) {
        final Object[] row = new Object[keys.size()];
        final Iterator<Property<?>> properties = graph.properties(element, keys);
        try {
            while (properties.hasNext()) {
                final Property<?> property = properties.next();
                final int column = keys.indexOf(property.key());
                if (column >= 0) row[column] = PropertyText.with(row[column], property.value());
            }
        } finally {
            CloseableIterator.closeIterator(properties);
        }
        for (int column = 0; column < row.length; column++) row[column] = PropertyText.orNone(row[column]);
        return row;
    }

    void write(final JsonGenerator json) throws IOException {
        json.writeObjectFieldStart("properties");
        for (int column = 0; column < keys.size(); column++) {
            json.writeArrayFieldStart(keys.get(column));
            for (final Object[] row : rows) write(row[column], json);
            json.writeEndArray();
        }
        json.writeEndObject();
    }

    static void writeRow(final List<String> keys, final Object[] row, final JsonGenerator json) throws IOException {
        json.writeStartObject();
        for (int column = 0; column < row.length; column++) {
            if (row[column] == null) continue;
            json.writeFieldName(keys.get(column));
            write(row[column], json);
        }
        json.writeEndObject();
    }

    /** A text, several, or null. */
    private static void write(final Object cell, final JsonGenerator json) throws IOException {
        if (cell == null) json.writeNull();
        else if (cell instanceof String) json.writeString((String) cell);
        else {
            json.writeStartArray();
            for (final Object text : (List<?>) cell) json.writeString((String) text);
            json.writeEndArray();
        }
    }
}
