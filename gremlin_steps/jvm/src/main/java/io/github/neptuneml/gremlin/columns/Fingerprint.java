package io.github.neptuneml.gremlin.columns;

import io.github.neptuneml.gremlin.sampling.PropertyText;
import io.github.neptuneml.gremlin.sampling.VisibleProperties;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Consumer;
import org.apache.tinkerpop.gremlin.structure.Element;
import org.apache.tinkerpop.gremlin.structure.Property;

/** The number of rows, and a hash of their ids and properties in which the order of rows plays no part. */
final class Fingerprint implements Consumer<Property<?>> {

    private long rows;
    private long sum;
    private long row;

    void add(final Element element, final VisibleProperties properties) {
        row = hash(element.id());
        properties.forEach(element, this);
        sum += mixed(row);
        rows++;
    }

    /** Takes a property of the present row; theirs is no order either. */
    @Override
    public void accept(final Property<?> property) {
        row += mixed(hash(property.key()) + Long.rotateLeft(hash(property.value()), 1));
    }

    /** The map that a client receives. */
    Map<String, Object> encoded() {
        final Map<String, Object> members = new LinkedHashMap<>();
        members.put("version", ColumnsStep.VERSION);
        members.put("rows", rows);
        members.put("fingerprint", sum);
        return members;
    }

    private static long hash(final Object value) {
        if (value == null) return 0;
        if (value instanceof Double || value instanceof Float) return mixed(Double.doubleToLongBits(((Number) value).doubleValue()));
        if (value instanceof Long || value instanceof Integer) return mixed(((Number) value).longValue());
        if (value instanceof Collection) return hash(((Collection<?>) value).toArray());
        if (value.getClass().isArray()) return mixed(Arrays.deepHashCode(new Object[] {value}));
        return hash(PropertyText.text(value));
    }

    /** Not {@code hashCode()}, by which "Aa" is "BB". */
    private static long hash(final String text) {
        long hash = text.length();
        for (int i = 0; i < text.length(); i++) hash = hash * 0x100000001B3L + text.charAt(i);
        return mixed(hash);
    }

    /** Spreads a number over all bits: the last step of MurmurHash3 (https://github.com/aappleby/smhasher). */
    private static long mixed(final long number) {
        long bits = (number ^ number >>> 33) * 0xFF51AFD7ED558CCDL;
        bits = (bits ^ bits >>> 33) * 0xC4CEB9FE1A85EC53L;
        return bits ^ bits >>> 33;
    }
}
