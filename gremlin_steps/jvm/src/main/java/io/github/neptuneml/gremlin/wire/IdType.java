package io.github.neptuneml.gremlin.wire;

import java.util.Map;
import java.util.UUID;
import java.util.function.Function;

/** How element ids, which travel as text, become the graph's own again (by Java class, recorded at export). */
final class IdType {

    private static final Map<String, Function<String, Object>> CONVERSIONS = Map.of(
            "String", text -> text,
            "Integer", Integer::valueOf,
            "Long", Long::valueOf,
            "Short", Short::valueOf,
            "Byte", Byte::valueOf,
            "Float", Float::valueOf,
            "Double", Double::valueOf,
            "UUID", UUID::fromString);

    private IdType() {
    }

    /**
     * Converts an id. A class of a graph's own is left as text, which the graph's look-up understands or does not find.
     *
     * @throws IllegalArgumentException if the text is no id of that type
     */
    static Object convert(final String text, final String type) {
        return CONVERSIONS.getOrDefault(type, Function.identity()::apply).apply(text);
    }
}
