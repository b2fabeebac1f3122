package io.github.neptuneml.gremlin.columns;

import java.lang.reflect.Array;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.ZonedDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** One property of the rows of a block: parts of one data type each, and which value is whose. */
final class Column {

    private static final int ABSENT = -1;
    private static final Set<Class<?>> OWN_NAMES =
            Set.of(Byte.class, Short.class, Integer.class, Long.class, Float.class, Double.class, Boolean.class);

    private final Map<String, Part> parts = new LinkedHashMap<>();
    private final Bytes codes = new Bytes();
    private Class<?> lastClass;
    private Part lastPart;
    private int lastCode;
    private int[] sizes = new int[64];
    private int rows;

    /** Takes a value of a row, which may be one of several; rows come in order. Returns what it takes, about. */
    int add(final int row, final Object value) {
        if (value == null) return 0;
        if (value.getClass() != lastClass) {
            if (value instanceof Collection) return addAll(row, (Collection<?>) value);
            if (value.getClass().isArray()) return addAll(row, listed(value));
            select(value);
        }
        pad(row + 1);
        sizes[row] = Math.max(sizes[row], 0) + 1;
        codes.putByte(lastCode);
        return lastPart.add(value);
    }

    /** An empty one is a property without values, which is not the same as no property. */
    private int addAll(final int row, final Collection<?> values) {
        if (values.isEmpty()) {
            pad(row + 1);
            sizes[row] = Math.max(sizes[row], 0);
        }
        int size = 0;
        for (final Object value : values) size += add(row, value);
        return size;
    }

    private static List<Object> listed(final Object array) {
        final List<Object> values = new ArrayList<>();
        for (int i = 0; i < Array.getLength(array); i++) values.add(Array.get(array, i));
        return values;
    }

    private void select(final Object value) {
        final String type = dataType(value);
        lastClass = value.getClass();
        lastPart = parts.computeIfAbsent(type, Part::of);
        lastCode = new ArrayList<>(parts.keySet()).indexOf(type);
    }

    private void pad(final int length) {
        if (sizes.length < length) sizes = Arrays.copyOf(sizes, Math.max(length, 2 * sizes.length));
        while (rows < length) sizes[rows++] = ABSENT;
    }

    /** Neptune's data type of a value. */
    static String dataType(final Object value) {
        if (OWN_NAMES.contains(value.getClass())) return value.getClass().getSimpleName();
        final boolean isMoment = value instanceof Date || value instanceof Instant
                || value instanceof OffsetDateTime || value instanceof ZonedDateTime;
        return isMoment ? "Date" : "String";
    }

    /** What travels; sizes are left out where every row has one value, codes where all values are of one type. */
    Map<String, Object> encoded(final String key, final int length) {
        pad(length);
        final Map<String, Object> column = new LinkedHashMap<>();
        column.put("key", key);
        final List<Object> values = new ArrayList<>();
        parts.values().forEach(part -> values.add(part.encoded()));
        column.put("types", new ArrayList<>(parts.keySet()));
        column.put("values", values);
        if (Arrays.stream(sizes, 0, rows).anyMatch(size -> size != 1)) column.put("sizes", encodedSizes());
        if (parts.size() > 1) column.put("codes", codes.content());
        return column;
    }

    private Object encodedSizes() {
        final Bytes bytes = new Bytes();
        for (int row = 0; row < rows; row++) bytes.putInt(sizes[row]);
        return bytes.content();
    }
}
