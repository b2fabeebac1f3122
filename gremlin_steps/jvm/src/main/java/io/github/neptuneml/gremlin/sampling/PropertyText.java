package io.github.neptuneml.gremlin.sampling;

import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.ZonedDateTime;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Date;
import java.util.List;

/** A property's values as an export writes them: Java's own text, moments as ISO-8601 in UTC. */
final class PropertyText {

    private PropertyText() {
    }

    /** A text, a list of texts where there are several values, or null where there is none. */
    static Object of(final List<Object> values) {
        final List<String> texts = new ArrayList<>();
        for (final Object value : values) add(value, texts);
        if (texts.size() > 1) return texts;
        return texts.isEmpty() || texts.get(0).isEmpty() ? null : texts.get(0);
    }

    private static void add(final Object value, final List<String> texts) {
        if (value instanceof Collection) for (final Object part : (Collection<?>) value) add(part, texts);
        else if (value != null) texts.add(text(value));
    }

    private static String text(final Object value) {
        if (value instanceof Date) return Instant.ofEpochMilli(((Date) value).getTime()).toString();
        if (value instanceof OffsetDateTime) return ((OffsetDateTime) value).toInstant().toString();
        if (value instanceof ZonedDateTime) return ((ZonedDateTime) value).toInstant().toString();
        return value.toString();
    }
}
