package io.github.neptuneml.gremlin.table;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.neptuneml.gremlin.table.PredictionTable.Kind;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import java.util.Random;
import org.apache.tinkerpop.shaded.jackson.databind.JsonNode;
import org.apache.tinkerpop.shaded.jackson.databind.ObjectMapper;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Tables as the worker's side writes them, and files that are none. */
class TableFileTest {
    private static final Path GOLDEN = Path.of("..", "..", "tests", "golden", "table");
    private static final long LIMIT_BYTES = 1 << 20;

    private static byte[] golden(final String name) throws IOException {
        return Files.readAllBytes(GOLDEN.resolve(name + ".bin"));
    }

    private static PredictionTable read(final byte[] file) throws IOException {
        return TableFile.read(ByteBuffer.wrap(file), LIMIT_BYTES, JsonNode::asText);
    }

    @ParameterizedTest
    @ValueSource(strings = {"classes", "many_classes", "typed_classes", "booleans", "values", "ids", "empty"})
    void goldenTables(final String name) throws IOException {
        final JsonNode expected = new ObjectMapper().readTree(GOLDEN.resolve(name + ".json").toFile());
        final PredictionTable table = read(golden(name));
        assertEquals(expected.path("kind").asText(), table.kind().name().toLowerCase(Locale.ROOT));
        for (final JsonNode row : expected.path("rows")) assertRow(table, row);
        for (final JsonNode id : expected.path("unknown")) assertEquals(-1, table.place(id.asText()), id.asText());
    }

    private static void assertRow(final PredictionTable table, final JsonNode expected) {
        final int place = table.place(expected.path("id").asText());
        assertTrue(place >= 0, expected.toString());
        for (int rank = 0; rank < table.ranks(); rank++) {
            final JsonNode answer = expected.path("answers").path(rank);
            if (answer.isMissingNode()) {
                assertEquals(null, table.value(place, rank), expected.toString());
                return;
            }
            if (table.kind() == Kind.VALUES) assertEquals(answer.path("value").doubleValue(), table.value(place, rank));
            else assertEquals(answer.path("value").asText(), table.value(place, rank));
            if (table.kind() == Kind.CLASSES) assertEquals(answer.path("score").doubleValue(), table.score(place, rank));
        }
    }

    @Test
    void coversAsManyAnswersAsThereAre() throws IOException {
        assertTrue(read(golden("classes")).covers(3));
        assertTrue(read(golden("classes")).covers(100), "all classes stand in it");
        assertTrue(read(golden("many_classes")).covers(8));
        assertFalse(read(golden("many_classes")).covers(9), "of ten classes eight stand in it");
        assertTrue(read(golden("values")).covers(1));
        assertFalse(read(golden("ids")).covers(1));
    }

    @ParameterizedTest
    @ValueSource(strings = {"classes", "values", "ids", "empty"})
    void aFileCutOffAnywhereIsNoTable(final String name) throws IOException {
        final byte[] whole = golden(name);
        for (int bytes = 0; bytes < whole.length; bytes++) {
            final byte[] cut = Arrays.copyOf(whole, bytes);
            assertThrows(IOException.class, () -> read(cut), bytes + " bytes");
        }
        assertThrows(IOException.class, () -> read(Arrays.copyOf(whole, whole.length + 8)));
    }

    /** The sizes come first: rows at 8, ranks at 16, header bytes at 24. */
    @ParameterizedTest
    @CsvSource({"0, 0", "8, -1", "8, 9223372036854775807", "8, 2147483647", "8, 1", "16, -1", "16, 2", "16, 1152921504606846976",
        "24, -8", "24, 9223372036854775807", "24, 0", "24, 4"})
    void wrongSizesAreNoTable(final int at, final long number) throws IOException {
        final byte[] file = golden("classes");
        ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN).putLong(at, number);
        assertThrows(IOException.class, () -> read(file));
    }

    @Test
    void hashesMustAscendAndEntriesStayInBounds() throws IOException {
        final byte[] unordered = golden("values");
        final int hashes = unordered.length - 4 * 16;
        System.arraycopy(unordered, hashes, unordered, hashes + 8, 8);
        assertTrue(assertThrows(IOException.class, () -> read(unordered)).getMessage().contains("hash 1"));
        final byte[] infinite = golden("values");
        ByteBuffer.wrap(infinite).order(ByteOrder.LITTLE_ENDIAN).putDouble(infinite.length - 8, Double.POSITIVE_INFINITY);
        assertTrue(assertThrows(IOException.class, () -> read(infinite)).getMessage().contains("entry 3"));
        for (final int position : new int[] {3, -2, Integer.MAX_VALUE, Integer.MIN_VALUE}) {
            final byte[] file = golden("classes");
            ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN).putInt(file.length - 8, position);
            assertThrows(IOException.class, () -> read(file), "class " + position);
        }
        final byte[] score = golden("booleans");
        ByteBuffer.wrap(score).order(ByteOrder.LITTLE_ENDIAN).putFloat(score.length - 4, Float.NaN);
        assertThrows(IOException.class, () -> read(score));
    }

    /** Whatever is wrong with a file, it is refused or read; nothing else comes out. */
    @Test
    void anyDamageIsAnIoExceptionOrHarmless() throws IOException {
        final JsonNode rows = new ObjectMapper().readTree(GOLDEN.resolve("classes.json").toFile()).path("rows");
        final Random random = new Random(5);
        int refused = 0;
        for (int attempt = 0; attempt < 5000; attempt++) {
            final byte[] file = golden("classes");
            for (int i = 0; i < 3; i++) file[random.nextInt(file.length)] = (byte) random.nextInt();
            try {
                final PredictionTable table = read(file);
                for (final JsonNode row : rows) {
                    final int place = table.place(row.path("id").asText());
                    for (int rank = 0; place >= 0 && rank < table.ranks(); rank++) table.value(place, rank);
                }
            } catch (final IOException e) {
                refused++;
            }
        }
        assertTrue(refused > 1000, refused + " refused");
    }

    @Test
    void aTableThatIsTooLargeWithItsIndexIsNotBuilt() throws IOException {
        final byte[] file = golden("values");
        final long needed = file.length + RowIndex.bytes(4);
        assertEquals(needed, TableFile.read(ByteBuffer.wrap(file), needed, JsonNode::asText).bytes());
        assertThrows(IOException.class, () -> TableFile.read(ByteBuffer.wrap(file), needed - 1, JsonNode::asText));
    }

    @Test
    void aConversionThatFailsMakesItNoTable() {
        assertThrows(IOException.class, () -> TableFile.read(ByteBuffer.wrap(golden("classes")), LIMIT_BYTES, json -> Integer.valueOf(json.asText())));
    }
}
