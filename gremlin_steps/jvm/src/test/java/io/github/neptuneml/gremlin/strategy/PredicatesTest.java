package io.github.neptuneml.gremlin.strategy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.neptuneml.gremlin.NeptuneML;
import io.github.neptuneml.gremlin.failure.NeptuneMLException;
import java.lang.reflect.Field;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

class PredicatesTest {

    /** All constants that are predicates. */
    static List<String> predicates() {
        return Arrays.stream(NeptuneML.class.getFields()).map(PredicatesTest::value).filter(NeptuneML::isPredicate)
                .filter(value -> !Set.of(NeptuneML.PREFIX, NeptuneML.OWN_PREFIX).contains(value)).map(String.class::cast).collect(Collectors.toList());
    }

    private static Object value(final Field field) {
        try {
            return field.get(null);
        } catch (final IllegalAccessException e) {
            throw new AssertionError(e);
        }
    }

    @ParameterizedTest
    @MethodSource("predicates")
    void everyPredicateBelongsSomewhereAndElsewhereIsToldWhere(final String predicate) {
        int places = 0;
        for (final Place place : Place.values()) {
            try {
                Predicates.require(predicate, place, "V()");
                places++;
            } catch (final NeptuneMLException.InvalidParameterException e) {
                assertTrue(e.getMessage().contains("'" + predicate + "' means nothing on V(); it belongs "), e.getMessage());
            }
        }
        assertTrue(places > 0, "it has a place");
        assertThrows(NeptuneMLException.InvalidParameterException.class, () -> Predicates.refuse(predicate, "V()"));
        assertEquals(predicate, Predicates.nearest(predicate));
    }

    @ParameterizedTest
    @CsvSource({"Neptune#ml.endpiont, Neptune#ml.endpoint", "Neptune#ML.LIMIT, Neptune#ml.limit", "neptune#ml.treshold, Neptune#ml.threshold",
        "Neptune#ml.class, Neptune#ml.classification", "Neptune#ml.inductive, Neptune#ml.inductiveInference",
        "Neptune#ml.disable, Neptune#ml.disableInductiveInferenceMetadataCache", "Neptune#ml.scores, Neptune#ml.score",
        "Neptune#ml.filterExisting, Neptune#ml.filterExistingEdges"})
    void aMisspeltOneIsToldTheNearest(final String written, final String meant) {
        assertEquals(meant, Predicates.nearest(written));
        final String text = assertThrows(NeptuneMLException.InvalidParameterException.class,
                () -> Predicates.require(written, Place.SOURCE, "g")).getMessage();
        assertTrue(text.contains("'" + written + "'; the nearest is '" + meant + "'"), text);
    }
}
