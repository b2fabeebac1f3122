package io.github.neptuneml.gremlin.wire;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.neptuneml.gremlin.Settings;
import io.github.neptuneml.gremlin.failure.NeptuneMLException;
import java.io.IOException;
import java.io.StringWriter;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;
import org.apache.tinkerpop.shaded.jackson.core.JsonGenerator;
import org.apache.tinkerpop.shaded.jackson.databind.JsonNode;
import org.apache.tinkerpop.shaded.jackson.databind.ObjectMapper;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class EmbeddingsTest {

    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final EndpointDescription ENDPOINT = new DescriptionReader().read(
            ("{\"status\":\"InService\",\"version\":\"v1\",\"addresses\":[\"http://w:1\"],\"token\":\"t\",\"task\":\"link_prediction\",\"target\":"
                    + "{\"element\":\"edge\",\"edges\":[{\"from\":\"a\",\"label\":\"b\",\"to\":\"c\"}]}}").getBytes(StandardCharsets.UTF_8),
            EndpointReference.parse("e", Settings.build().serviceUrl("http://s:1").create()));

    private static byte[] floats(final float... values) {
        final ByteBuffer bytes = ByteBuffer.allocate(Float.BYTES * values.length).order(ByteOrder.LITTLE_ENDIAN);
        for (final float value : values) bytes.putFloat(value);
        return bytes.array();
    }

    private static List<byte[]> read(final String members, final byte[] rows, final int items) {
        final String json = "{\"artifactVersion\":\"v1\"," + members.replace('\'', '"').replace("ROWS", Base64.getEncoder().encodeToString(rows)) + "}";
        return Embeddings.read(json.getBytes(StandardCharsets.UTF_8), ENDPOINT, items);
    }

    @Test
    void eachItemHasItsRow() {
        final List<byte[]> rows = read("'width':2,'embeddings':'ROWS'", floats(1, 2, 3, 4, 5, 6), 3);
        assertEquals(3, rows.size());
        assertArrayEquals(floats(3, 4), rows.get(1));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
        "`'width':2,'embeddings':'ROWS'` | 2 | 16 bytes of embeddings for 3 items", "`'width':3,'embeddings':'ROWS'` | 2 | 16 bytes",
        "`'width':0,'embeddings':'ROWS'` | 2 | 16 bytes", "`'embeddings':'ROWS'` | 2 | 16 bytes", "`'width':2` | 2 | 'embeddings' is missing",
        "`'width':2,'embeddings':[1,2]` | 2 | 'embeddings' is missing", "`'width':2,'embeddings':'?'` | 2 | ?"})
    void rowsThatDoNotFitAreRefused(final String members, final int rows, final String problem) {
        final String text = assertThrows(NeptuneMLException.ConstraintViolationException.class,
                () -> read(members, floats(new float[2 * rows]), 3)).getMessage();
        assertTrue(text.contains(problem), text);
    }

    @ParameterizedTest
    @CsvSource({"NaN", "Infinity", "-Infinity"})
    void numbersThatAreNotFiniteAreRefused(final float value) {
        assertThrows(NeptuneMLException.ConstraintViolationException.class, () -> read("'width':1,'embeddings':'ROWS'", floats(value), 1));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', value = {"[1] | no JSON object", "{\"artifactVersion\":\"v2\"} | 'v2'", "{} | ''", "{ | e"})
    void whatIsNoAnswerOfThisVersionIsRefused(final String json, final String problem) {
        final String text = assertThrows(NeptuneMLException.ConstraintViolationException.class,
                () -> Embeddings.read(json.getBytes(StandardCharsets.UTF_8), ENDPOINT, 1)).getMessage();
        assertTrue(text.contains("'e'") && text.contains(problem), text);
    }

    @Test
    void candidatesAreIdsAndTheirRowsInOrder() throws IOException {
        final StringWriter written = new StringWriter();
        try (JsonGenerator json = MAPPER.getFactory().createGenerator(written)) {
            Embeddings.candidates(List.of("x", "y"), List.of(floats(1, 2), floats(3, 4))).write(json);
        }
        final JsonNode candidates = MAPPER.readTree(written.toString());
        assertEquals(List.of("x", "y"), MAPPER.convertValue(candidates.path("ids"), List.class));
        assertArrayEquals(floats(1, 2, 3, 4), candidates.path("embeddings").binaryValue());
    }
}
