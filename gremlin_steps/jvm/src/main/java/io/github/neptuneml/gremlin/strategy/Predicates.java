package io.github.neptuneml.gremlin.strategy;

import static io.github.neptuneml.gremlin.strategy.Place.COLUMNS;
import static io.github.neptuneml.gremlin.strategy.Place.KEY;
import static io.github.neptuneml.gremlin.strategy.Place.LINK;
import static io.github.neptuneml.gremlin.strategy.Place.PROPERTIES;
import static io.github.neptuneml.gremlin.strategy.Place.SOURCE;

import io.github.neptuneml.gremlin.NeptuneML;
import io.github.neptuneml.gremlin.failure.Failure;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/** The table of predicates and where each belongs. What is not in it is refused, with the nearest that is. */
final class Predicates {

    private static final Map<String, Set<Place>> PLACES = new LinkedHashMap<>();

    static {
        PLACES.put(NeptuneML.ENDPOINT, EnumSet.of(SOURCE, PROPERTIES, LINK));
        PLACES.put(NeptuneML.IAM_ROLE_ARN, EnumSet.of(SOURCE, PROPERTIES, LINK));
        PLACES.put(NeptuneML.LIMIT, EnumSet.of(SOURCE, PROPERTIES, LINK));
        PLACES.put(NeptuneML.THRESHOLD, EnumSet.of(SOURCE, PROPERTIES, LINK));
        PLACES.put(NeptuneML.CLASSIFICATION, EnumSet.of(PROPERTIES));
        PLACES.put(NeptuneML.REGRESSION, EnumSet.of(PROPERTIES));
        PLACES.put(NeptuneML.PREDICTION, EnumSet.of(LINK));
        PLACES.put(NeptuneML.SCORE, EnumSet.of(KEY, PROPERTIES, LINK));
        PLACES.put(NeptuneML.INDUCTIVE_INFERENCE, EnumSet.of(SOURCE, PROPERTIES, LINK));
        PLACES.put(NeptuneML.DETERMINISTIC, EnumSet.of(SOURCE, PROPERTIES, LINK));
        PLACES.put(NeptuneML.DISABLE_INDUCTIVE_INFERENCE_METADATA_CACHE, EnumSet.of(SOURCE, PROPERTIES, LINK));
        PLACES.put(NeptuneML.FILTER_EXISTING_EDGES, EnumSet.of(LINK));
        PLACES.put(NeptuneML.FILTER_BEFORE_LIMIT, EnumSet.of(LINK));
        PLACES.put(NeptuneML.COLUMNS, EnumSet.of(COLUMNS));
    }

    private Predicates() {
    }

    /**
     * Refuses a predicate that is unknown, or that means nothing there.
     *
     * @param where the place, as the user wrote it
     */
    static void require(final String predicate, final Place place, final String where) {
        requireKnown(predicate);
        if (!PLACES.get(predicate).contains(place)) throw misplaced(predicate, where);
    }

    /** Refuses a predicate on a step that takes none. */
    static void refuse(final String predicate, final String where) {
        requireKnown(predicate);
        throw misplaced(predicate, where);
    }

    static RuntimeException misplaced(final String predicate, final String where) {
        return Failure.MISPLACED_PREDICATE.with(predicate, where, places(predicate));
    }

    private static void requireKnown(final String predicate) {
        if (PLACES.containsKey(predicate)) return;
        final String nearest = nearest(predicate);
        throw Failure.UNKNOWN_PREDICATE.with(predicate, nearest, places(nearest));
    }

    private static String places(final String predicate) {
        return PLACES.get(predicate).stream().map(Place::toString).collect(Collectors.joining(" or "));
    }

    /** One that begins so, however long it is, before one that takes fewer changes. */
    static String nearest(final String predicate) {
        final String wanted = predicate.toLowerCase(Locale.ROOT);
        final Comparator<String> begun = Comparator.comparing(known -> !known.toLowerCase(Locale.ROOT).startsWith(wanted));
        return PLACES.keySet().stream()
                .min(begun.thenComparingInt(known -> distance(wanted, known.toLowerCase(Locale.ROOT)))).orElseThrow();
    }

    /** Levenshtein's edit distance. */
    private static int distance(final String a, final String b) {
        int[] previous = new int[b.length() + 1];
        for (int j = 0; j <= b.length(); j++) previous[j] = j;
        for (int i = 1; i <= a.length(); i++) {
            final int[] current = new int[b.length() + 1];
            current[0] = i;
            for (int j = 1; j <= b.length(); j++) {
                final int substitution = previous[j - 1] + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
                current[j] = Math.min(substitution, 1 + Math.min(previous[j], current[j - 1]));
            }
            previous = current;
        }
        return previous[b.length()];
    }
}
