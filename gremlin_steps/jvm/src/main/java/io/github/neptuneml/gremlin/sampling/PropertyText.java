package io.github.neptuneml.gremlin.sampling;

import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.ZonedDateTime;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Date;
import java.util.List;

/** A property's values as an export writes them: Java's own text, moments as ISO-8601 in UTC; a list where there are several. */
public final class PropertyText {

    private PropertyText() {
    }

    /** The texts so far, null, one or a list, and those of one more value. */
    static Object with(final Object cell, final Object value) {
        if (value == null) return cell;
        if (!(value instanceof Collection)) return joined(cell, text(value));
        Object all = cell;
        for (final Object part : (Collection<?>) value) all = with(all, part);
        return all;
    }

    /** Nothing, if it is an empty text. */
    static Object orNone(final Object cell) {
        return "".equals(cell) ? null : cell;
    }

    @SuppressWarnings("unchecked")
    private static Object joined(final Object cell, final String text) {
        if (cell == null) return text;
        final List<String> texts = cell instanceof List ? (List<String>) cell : new ArrayList<>(List.of((String) cell));
        texts.add(text);
        return texts;
    }

    /** The text of one value. */
    public static String text(final Object value) {
        if (value instanceof String) return (String) value;
        if (value instanceof Date) return Instant.ofEpochMilli(((Date) value).getTime()).toString();
        if (value instanceof OffsetDateTime) return ((OffsetDateTime) value).toInstant().toString();
        if (value instanceof ZonedDateTime) return ((ZonedDateTime) value).toInstant().toString();
        return value.toString();
    }
}
