package io.github.neptuneml.gremlin.table;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Path;
import org.apache.tinkerpop.shaded.jackson.databind.JsonNode;
import org.apache.tinkerpop.shaded.jackson.databind.ObjectMapper;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The same hashes as Python's xxhash, which writes the tables. */
class XxHash64Test {
    private static final Path GOLDEN = Path.of("..", "..", "tests", "golden", "xxh64.json");

    @Test
    void goldenHashes() throws IOException {
        final JsonNode cases = new ObjectMapper().readTree(GOLDEN.toFile());
        for (final JsonNode one : cases)
            assertEquals(one.path("hash").asText(), hex(XxHash64.of(one.path("text").asText(), 0)), one.toString());
        assertEquals(true, cases.size() > 20);
    }

    /** The seed is 0x9E3779B97F4A7C15; lengths around the 4, 8 and 32 bytes that are taken together. */
    @ParameterizedTest
    @CsvSource({
        "'', c4349fc93c010000", "a, 9a7c6d2ea45568c9", "12, 176a4e822105469d", "1234, f24ce0bd128078c4",
        "12345678, ea80ce45f8880be3", "Zürich, 14943e3089d81904", "𝄞 clef, 207e557a1a000ce7",
        "0123456789abcdef0123456789abcde, 867198453d6ae3d2", "0123456789abcdef0123456789abcdef, 91c9c9c721ea6985",
        "0123456789abcdef0123456789abcdef0, e867af842eb3d07d", "8b1a9953-c461-41b3-a3b0-0e1b2c3d4e5f, 9e0dac149bd67c90"})
    void seededHashes(final String text, final String expected) {
        assertEquals(expected, hex(XxHash64.of(text, 0x9E3779B97F4A7C15L)));
    }

    private static String hex(final long hash) {
        return String.format("%016x", hash);
    }
}
