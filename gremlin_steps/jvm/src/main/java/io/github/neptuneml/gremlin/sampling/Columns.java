package io.github.neptuneml.gremlin.sampling;

import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import org.apache.tinkerpop.gremlin.structure.Element;
import org.apache.tinkerpop.gremlin.structure.Property;
import org.apache.tinkerpop.gremlin.structure.util.CloseableIterator;
import org.apache.tinkerpop.shaded.jackson.core.JsonGenerator;

/** Properties of elements, one column per key. */
final class Columns {

    private final List<String> keys;
    private final List<Map<String, Object>> rows;

    private Columns(final List<String> keys, final List<Map<String, Object>> rows) {
        this.keys = keys;
        this.rows = rows;
    }

    static Columns read(final List<? extends Element> elements, final List<String> keys, final VisibleGraph graph) {
        if (keys.isEmpty()) return new Columns(keys, List.of());
        final List<Map<String, Object>> rows = new ArrayList<>(elements.size());
        for (final Element element : elements) rows.add(row(element, keys, graph));
        return new Columns(keys, rows);
    }

    /** The texts of an element's properties; absent where it has none. */
    static Map<String, Object> row(final Element element, final List<String> keys, final VisibleGraph graph) {
        final Map<String, List<Object>> values = new HashMap<>();
        final Iterator<Property<?>> properties = graph.properties(element, keys);
        try {
            while (properties.hasNext()) {
                final Property<?> property = properties.next();
                values.computeIfAbsent(property.key(), key -> new ArrayList<>(1)).add(property.value());
            }
        } finally {
            CloseableIterator.closeIterator(properties);
        }
        final Map<String, Object> row = new HashMap<>();
        values.forEach((key, several) -> {
            final Object text = PropertyText.of(several);
            if (text != null) row.put(key, text);
        });
        return row;
    }

    void write(final JsonGenerator json) throws IOException {
        json.writeObjectFieldStart("properties");
        for (final String key : keys) {
            json.writeArrayFieldStart(key);
            for (final Map<String, Object> row : rows) write(row.get(key), json);
            json.writeEndArray();
        }
        json.writeEndObject();
    }

    static void writeRow(final Map<String, Object> row, final JsonGenerator json) throws IOException {
        json.writeStartObject();
        for (final Map.Entry<String, Object> cell : row.entrySet()) {
            json.writeFieldName(cell.getKey());
            write(cell.getValue(), json);
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
