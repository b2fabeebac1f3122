package io.github.neptuneml.gremlin.wire;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import java.io.IOException;
import java.time.Instant;
import java.util.Date;
import java.util.UUID;
import java.util.stream.Stream;
import org.apache.tinkerpop.shaded.jackson.databind.ObjectMapper;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Values and ids become what they were in the graph, or nothing. */
class ValueTypeTest {

    private static Object value(final String json, final String type) throws IOException {
        return ValueType.convert(new ObjectMapper().readTree(json), type);
    }

    static Stream<Arguments> values() {
        return Stream.of(
                arguments("\"novel\"", "String", "novel"), arguments("1", "String", "1"), arguments("true", "String", "true"),
                arguments("true", "Boolean", true), arguments("\"FALSE\"", "Boolean", false),
                arguments("127", "Byte", (byte) 127), arguments("-300", "Short", (short) -300),
                arguments("2147483647", "Integer", Integer.MAX_VALUE), arguments("\"7\"", "Integer", 7), arguments("7.0", "Integer", 7),
                arguments("9007199254740993", "Long", 9007199254740993L), arguments("1.5", "Float", 1.5f), arguments("1", "Double", 1.0),
                arguments("0", "Date", new Date(0)), arguments("\"1970-01-02\"", "Date", new Date(86_400_000)),
                arguments("\"1970-01-01T00:00:01\"", "Date", new Date(1000)), arguments("\"1970-01-01T00:00:01Z\"", "Date", new Date(1000)),
                arguments("\"1970-01-01T02:00:00+02:00\"", "Date", new Date(0)),
                arguments("\"2024-02-29T12:00:00.250Z\"", "Date", Date.from(Instant.parse("2024-02-29T12:00:00.250Z"))));
    }

    @ParameterizedTest
    @MethodSource("values")
    void valuesAreOfThePropertysType(final String json, final String type, final Object expected) throws IOException {
        assertEquals(expected, value(json, type));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
        "128|Byte", "40000|Short", "2147483648|Integer", "7.5|Integer", "\"x\"|Integer", "9223372036854775808|Long", "\"\"|Double",
        "\"yes\"|Boolean", "1|Boolean", "\"soon\"|Date", "\"1970-13-01\"|Date", "null|String", "{}|String", "[1]|Integer", "1|Money"})
    void otherValuesAreRefused(final String json, final String type) {
        assertThrows(RuntimeException.class, () -> value(json, type));
    }

    static Stream<Arguments> ids() {
        final UUID uuid = new UUID(1, 2);
        return Stream.of(arguments("7", "String", "7"), arguments("7", "Integer", 7), arguments("7", "Long", 7L), arguments("7", "Short", (short) 7),
                arguments("7", "Byte", (byte) 7), arguments("7.5", "Float", 7.5f), arguments("7.5", "Double", 7.5),
                arguments(uuid.toString(), "UUID", uuid), arguments("4-2", "RelationIdentifier", "4-2"));
    }

    @ParameterizedTest
    @MethodSource("ids")
    void idsAreOfTheirClassAndThoseOfAGraphsOwnStayTexts(final String text, final String type, final Object expected) {
        assertEquals(expected, IdType.convert(text, type));
    }

    @ParameterizedTest
    @CsvSource({"x, Integer", "7.5, Long", "300, Byte", "7, UUID", "'', Double"})
    void otherIdsAreRefused(final String text, final String type) {
        assertThrows(IllegalArgumentException.class, () -> IdType.convert(text, type));
    }

    @ParameterizedTest
    @CsvSource({"Person, Person", "Person::Admin, Admin;Person", "Admin::Person, Admin;Person", "c::a::b, a;b;c", "a:b, a:b", "a;b, a;b"})
    void labelsOfSeveralPartsAreSortedAndJoined(final String label, final String onWire) {
        assertEquals(onWire, Labels.onWire(label));
    }
}
