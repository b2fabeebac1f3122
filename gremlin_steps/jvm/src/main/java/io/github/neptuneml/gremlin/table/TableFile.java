package io.github.neptuneml.gremlin.table;

import io.github.neptuneml.gremlin.table.PredictionTable.Kind;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.LongBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import org.apache.tinkerpop.shaded.jackson.databind.JsonNode;
import org.apache.tinkerpop.shaded.jackson.databind.ObjectMapper;

/** Reads a table (docs/wire.md, section 5) and believes nothing: what is out of bounds makes it no table. */
public final class TableFile {
    private static final byte[] MAGIC = "NMLTAB01".getBytes(StandardCharsets.US_ASCII);
    private static final int SIZES_END = 32;
    private static final int WORD = 8;
    private static final ObjectMapper JSON = new ObjectMapper();

    private TableFile() {
    }

    /**
     * Reads a table; its entries stay in the buffer.
     *
     * @param file the whole file, from position 0
     * @param limitBytes how much memory the table may take, its index included
     * @param conversion of a class to the property's type
     * @throws IOException if it is no such file; the message says where
     */
    public static PredictionTable read(final ByteBuffer file, final long limitBytes,
                                       final Function<JsonNode, Object> conversion) throws IOException {
        final ByteBuffer buffer = file.duplicate().order(ByteOrder.LITTLE_ENDIAN);
        try {
            return new Reader(buffer, limitBytes, conversion).read();
        } catch (final RuntimeException e) {
            throw new IOException(e.getMessage() == null ? e.toString() : e.getMessage());
        }
    }

    private static final class Reader {
        private final ByteBuffer file;
        private final long limitBytes;
        private final Function<JsonNode, Object> conversion;

        Reader(final ByteBuffer file, final long limitBytes, final Function<JsonNode, Object> conversion) {
            this.file = file;
            this.limitBytes = limitBytes;
            this.conversion = conversion;
        }

        PredictionTable read() throws IOException {
            final byte[] magic = new byte[MAGIC.length];
            if (file.remaining() < SIZES_END) throw new IllegalArgumentException("it is cut off in its sizes");
            file.get(magic);
            if (!Arrays.equals(magic, MAGIC)) throw new IllegalArgumentException("it does not begin with NMLTAB01");
            final int rows = size("rows");
            final int ranks = size("ranks");
            final int header = size("header bytes");
            final long expected = SIZES_END + header + WORD * (rows + (long) rows * ranks);
            if (header % WORD != 0 || file.capacity() != expected)
                throw new IllegalArgumentException("it has " + file.capacity() + " bytes instead of " + expected);
            if (RowIndex.bytes(rows) + file.capacity() > limitBytes)
                throw new IllegalArgumentException("with its index it is larger than 'tableLimitMib' allows");
            return table(rows, ranks, header);
        }

        private int size(final String name) {
            final long size = file.getLong();
            if (size < 0 || size > Integer.MAX_VALUE / 2) throw new IllegalArgumentException(size + " " + name);
            return (int) size;
        }

        private PredictionTable table(final int rows, final int ranks, final int header) throws IOException {
            final byte[] text = new byte[header];
            file.get(text);
            final JsonNode json = JSON.readTree(text);
            final Kind kind = Kind.valueOf(json.path("kind").asText().toUpperCase(Locale.ROOT));
            final List<Object> classes = classes(json.path("classes"));
            final LongBuffer hashes = part(WORD * rows).asLongBuffer();
            final ByteBuffer entries = part(WORD * rows * ranks);
            if (rows > 0) check(kind, ranks, classes.size(), entries);
            return new PredictionTable(kind, hashes, entries, ranks, classes, RowIndex.bytes(rows) + file.capacity());
        }

        private List<Object> classes(final JsonNode json) {
            final List<Object> classes = new ArrayList<>();
            for (final JsonNode node : json) classes.add(conversion.apply(node));
            return List.copyOf(classes);
        }

        private ByteBuffer part(final int bytes) {
            final ByteBuffer part = file.slice().order(ByteOrder.LITTLE_ENDIAN);
            part.limit(bytes);
            file.position(file.position() + bytes);
            return part;
        }

        private static void check(final Kind kind, final int ranks, final int classes, final ByteBuffer entries) {
            final boolean fits = kind == Kind.CLASSES ? ranks >= 1 && ranks <= classes : ranks == (kind == Kind.VALUES ? 1 : 0);
            if (!fits) throw new IllegalArgumentException(ranks + " ranks of " + kind + " with " + classes + " classes");
            for (int at = 0; at < entries.limit(); at += WORD)
                if (kind == Kind.VALUES ? Double.isInfinite(entries.getDouble(at)) : !isClass(entries, at, classes))
                    throw new IllegalArgumentException("entry " + at / WORD + " is out of bounds");
        }

        private static boolean isClass(final ByteBuffer entries, final int at, final int classes) {
            final int position = entries.getInt(at);
            return position == -1 || position >= 0 && position < classes && Float.isFinite(entries.getFloat(at + Integer.BYTES));
        }
    }
}
