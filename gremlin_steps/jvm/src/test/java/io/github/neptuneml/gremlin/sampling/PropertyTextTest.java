package io.github.neptuneml.gremlin.sampling;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import java.math.BigDecimal;
import java.sql.Timestamp;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.ZonedDateTime;
import java.util.Arrays;
import java.util.Date;
import java.util.List;
import java.util.UUID;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Values become the texts that an export writes (neptuneml_plugin/export/values.py). */
class PropertyTextTest {

    private static Arguments row(final Object expected, final Object... values) {
        return arguments(expected, Arrays.asList(values));
    }

    static Stream<Arguments> values() {
        return Stream.of(
                row("3", 3), row("-9223372036854775808", Long.MIN_VALUE), row("1", (byte) 1),
                row("0.1", 0.1f), row("1.0E10", 1e10), row("NaN", Double.NaN), row("-Infinity", Double.NEGATIVE_INFINITY),
                row("true", true), row("ä;\"\n", "ä;\"\n"), row("x", 'x'),
                row("1.50", new BigDecimal("1.50")),
                row("00000000-0000-0001-0000-000000000002", new UUID(1, 2)),
                row("2020-01-02T03:04:05Z", Date.from(Instant.parse("2020-01-02T03:04:05Z"))),
                row("2020-01-02T03:04:05.678Z", new Date(Instant.parse("2020-01-02T03:04:05.678Z").toEpochMilli())),
                row("1969-12-31T23:59:59Z", new Timestamp(-1000)),
                row("1970-01-01T00:00:00Z", new java.sql.Date(0)),
                row("2020-01-02T01:04:05Z", OffsetDateTime.parse("2020-01-02T03:04:05+02:00")),
                row("2020-01-02T03:04:05Z", ZonedDateTime.parse("2020-01-02T03:04:05Z[UTC]")),
                row("2020-01-02T03:04:05.000001Z", Instant.parse("2020-01-02T03:04:05.000001Z")),
                row(List.of("a", "b"), "a", "b"), row(List.of("1", "2"), List.of(1, 2)), row(List.of("1", "2", "3"), List.of(1, 2), 3),
                row("a", List.of("a")), row("a", "a", null), row(List.of("", "a"), "", "a"),
                row(null), row(null, (Object) null), row(null, List.of()), row(null, ""));
    }

    @ParameterizedTest(name = "{1} is {0}")
    @MethodSource("values")
    void becomesText(final Object expected, final List<Object> values) {
        Object cell = null;
        for (final Object value : values) cell = PropertyText.with(cell, value);
        assertEquals(expected, PropertyText.orNone(cell));
    }
}
