package io.github.neptuneml.gremlin.step;

import io.github.neptuneml.gremlin.NeptuneML;
import io.github.neptuneml.gremlin.failure.Failure;
import java.math.BigDecimal;
import java.util.Map;

/** The values that predicates take; anything else is refused with the predicate's name. */
final class OptionValues {

    private OptionValues() {
    }

    static int limit(final Object value) {
        if (value instanceof Number) {
            try {
                final int limit = new BigDecimal(value.toString()).intValueExact();
                if (limit >= 1) return limit;
            } catch (final ArithmeticException | NumberFormatException e) {
                // refused below
            }
        }
        throw Failure.WRONG_VALUE.with(NeptuneML.LIMIT, "a whole number from 1 up", shown(value));
    }

    /** @return a Double, or {@link NeptuneML#TUNED} */
    static Object threshold(final Object value) {
        if (NeptuneML.TUNED.equals(value)) return value;
        if (value instanceof Number) {
            final double threshold = ((Number) value).doubleValue();
            if (threshold >= 0 && threshold <= 1) return threshold;
        }
        throw Failure.WRONG_VALUE.with(NeptuneML.THRESHOLD, "a number from 0 to 1 or 'tuned'", shown(value));
    }

    static String text(final String predicate, final Object value) {
        if (value instanceof String && !((String) value).isBlank()) return (String) value;
        throw Failure.WRONG_VALUE.with(predicate, "a text", shown(value));
    }

    static boolean flag(final String predicate, final Object value) {
        if (value instanceof Boolean) return (Boolean) value;
        throw Failure.WRONG_VALUE.with(predicate, "nothing, true or false", shown(value));
    }

    /** Null where the predicate is absent. */
    static Boolean flagIn(final Map<String, Object> options, final String predicate) {
        return options.containsKey(predicate) ? (Boolean) flag(predicate, options.get(predicate)) : null;
    }

    private static String shown(final Object value) {
        return value instanceof String ? "'" + value + "'" : String.valueOf(value);
    }
}
