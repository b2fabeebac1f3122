package io.github.neptuneml.gremlin.step;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import io.github.neptuneml.gremlin.NeptuneML;
import io.github.neptuneml.gremlin.failure.NeptuneMLException;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.GraphTraversal;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.__;
import org.apache.tinkerpop.gremlin.process.traversal.step.filter.RangeGlobalStep;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** What predicates take and what they refuse, from whichever driver a number comes. */
class OptionValuesTest {

    private static Stream<Arguments> each(final String predicate, final Object... values) {
        return Arrays.stream(values).map(value -> arguments(predicate, value));
    }

    static Stream<Arguments> wrong() {
        final Object[] nothing = {null};
        return Stream.of(
                each(NeptuneML.LIMIT, 0, -1, 1.5, Double.NaN, Double.POSITIVE_INFINITY, 1L << 31, BigInteger.ONE.shiftLeft(40), "3", true, List.of(1)),
                each(NeptuneML.THRESHOLD, -0.1, 1.1, Double.NaN, "0.5", "Tuned", true),
                each(NeptuneML.ENDPOINT, "", " ", 1, true, List.of("a")),
                each(NeptuneML.IAM_ROLE_ARN, "", 1),
                each(NeptuneML.SCORE, "", 1),
                each(NeptuneML.FILTER_EXISTING_EDGES, "true", 1, 0, "yes"),
                each(NeptuneML.INDUCTIVE_INFERENCE, "false", 1),
                each(NeptuneML.DETERMINISTIC, "true"),
                each(NeptuneML.DISABLE_INDUCTIVE_INFERENCE_METADATA_CACHE, 1),
                each(NeptuneML.LIMIT, nothing), each(NeptuneML.THRESHOLD, nothing), each(NeptuneML.ENDPOINT, nothing),
                each(NeptuneML.INDUCTIVE_INFERENCE, nothing)).flatMap(rows -> rows);
    }

    @ParameterizedTest
    @MethodSource("wrong")
    void wrongValuesAreRefusedWithThePredicateAndTheValue(final String predicate, final Object value) {
        final Map<String, Object> options = new HashMap<>();
        options.put(predicate, value);
        final String text = assertThrows(NeptuneMLException.InvalidParameterException.class, () -> StepOptions.of(options)).getMessage();
        assertTrue(text.contains("'" + predicate + "' takes ") && text.contains(String.valueOf(value)), text);
    }

    @Test
    void wholeNumbersOfEveryClassAreLimits() {
        for (final Object one : new Object[] {1, 1L, (byte) 1, (short) 1, 1.0, 1f, BigInteger.ONE, new BigDecimal("1.00")})
            assertEquals(1, OptionValues.limit(one), one.getClass().toString());
        assertEquals(Integer.MAX_VALUE, OptionValues.limit((long) Integer.MAX_VALUE));
    }

    @Test
    void thresholdsAreFromZeroToOneOrTuned() {
        assertEquals(0.0, OptionValues.threshold(0));
        assertEquals(1.0, OptionValues.threshold(1L));
        assertEquals(0.25, OptionValues.threshold(new BigDecimal("0.25")));
        assertEquals(NeptuneML.TUNED, OptionValues.threshold(NeptuneML.TUNED));
    }

    @Test
    void flagsAreThereOrNot() {
        assertNull(OptionValues.flagIn(Map.of(), NeptuneML.DETERMINISTIC));
        assertEquals(false, OptionValues.flagIn(Map.of(NeptuneML.DETERMINISTIC, false), NeptuneML.DETERMINISTIC));
        assertTrue(StepOptions.isOn(Map.of(NeptuneML.FILTER_BEFORE_LIMIT, true), NeptuneML.FILTER_BEFORE_LIMIT));
        assertEquals(false, StepOptions.isOn(Map.of(NeptuneML.FILTER_BEFORE_LIMIT, false), NeptuneML.FILTER_BEFORE_LIMIT));
        assertEquals(false, StepOptions.isOn(Map.of(), NeptuneML.FILTER_BEFORE_LIMIT));
    }

    static Stream<Arguments> limits() {
        return Stream.of(arguments(__.limit(3), 3L), arguments(__.limit(0), 0L), arguments(__.range(2, 5), 5L),
                arguments(__.skip(2), Long.MAX_VALUE), arguments(__.range(0, -1), Long.MAX_VALUE));
    }

    @ParameterizedTest
    @MethodSource("limits")
    void aLimitsUpperEndIsReadOnEveryRelease(final GraphTraversal<?, ?> steps, final long expected) {
        assertEquals(expected, FollowingLimit.of((RangeGlobalStep<?>) steps.asAdmin().getStartStep()));
    }
}
