package io.github.neptuneml.gremlin.wire;

import java.math.BigDecimal;
import java.time.Instant;
import java.time.LocalDate;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.Date;
import java.util.Map;
import java.util.function.Function;
import org.apache.tinkerpop.shaded.jackson.databind.JsonNode;

/** How answers' values become the property's original type again. */
final class ValueType {

    private static final Map<String, Function<JsonNode, Object>> CONVERSIONS = Map.of(
            "String", JsonNode::asText,
            "Boolean", ValueType::bool,
            "Byte", node -> number(node).byteValueExact(),
            "Short", node -> number(node).shortValueExact(),
            "Integer", node -> number(node).intValueExact(),
            "Long", node -> number(node).longValueExact(),
            "Float", node -> number(node).floatValue(),
            "Double", node -> number(node).doubleValue(),
            "Date", ValueType::date);

    private ValueType() {
    }

    /** @throws RuntimeException (arithmetic, number format, date) if the value is none of that type */
    static Object convert(final JsonNode node, final String type) {
        final Function<JsonNode, Object> conversion = CONVERSIONS.get(type);
        if (conversion == null) throw new IllegalArgumentException("unknown data type '" + type + "'");
        if (!node.isValueNode() || node.isNull()) throw new IllegalArgumentException("value " + node + " is no " + type);
        return conversion.apply(node);
    }

    private static BigDecimal number(final JsonNode node) {
        return new BigDecimal(node.asText());
    }

    private static Object bool(final JsonNode node) {
        final String text = node.asText();
        if (text.equalsIgnoreCase("true")) return true;
        if (text.equalsIgnoreCase("false")) return false;
        throw new IllegalArgumentException("value " + node + " is no Boolean");
    }

    private static Object date(final JsonNode node) {
        if (node.isNumber()) return new Date(node.longValue());
        final String text = node.asText();
        if (!text.contains("T")) return Date.from(LocalDate.parse(text).atStartOfDay().toInstant(ZoneOffset.UTC));
        final boolean zoned = text.endsWith("Z") || text.matches(".*[+-]\\d\\d:?\\d\\d$");
        return Date.from(zoned ? OffsetDateTime.parse(text).toInstant() : Instant.parse(text + "Z"));
    }
}
