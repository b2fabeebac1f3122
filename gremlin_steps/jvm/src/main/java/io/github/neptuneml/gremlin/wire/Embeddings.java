package io.github.neptuneml.gremlin.wire;

import io.github.neptuneml.gremlin.failure.Failure;
import io.github.neptuneml.gremlin.failure.NeptuneMLException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.tinkerpop.shaded.jackson.databind.JsonNode;
import org.apache.tinkerpop.shaded.jackson.databind.ObjectMapper;

/** Embeddings as they travel: rows of little-endian float32 (docs/wire.md, section 6). */
public final class Embeddings {

    private static final ObjectMapper MAPPER = new ObjectMapper();

    private Embeddings() {
    }

    /** Reads a worker's answer; one row per item. */
    static List<byte[]> read(final byte[] json, final EndpointDescription endpoint, final int items) {
        try {
            final JsonNode root = MAPPER.readTree(json);
            if (root == null || !root.isObject()) throw new IllegalArgumentException("it is no JSON object");
            final String version = root.path("artifactVersion").asText("");
            if (!version.equals(endpoint.version))
                throw Failure.WRONG_VERSION.with(endpoint.name(), endpoint.version, "the answer came from '" + version + "'");
            return rows(root, items);
        } catch (final NeptuneMLException e) {
            throw e;
        } catch (final IOException | RuntimeException e) {
            throw Failure.MALFORMED_ANSWER.with(endpoint.name(), e.getMessage());
        }
    }

    private static List<byte[]> rows(final JsonNode root, final int items) throws IOException {
        if (!root.path("embeddings").isTextual()) throw new IllegalArgumentException("'embeddings' is missing");
        final byte[] all = root.path("embeddings").binaryValue();
        final int bytes = Float.BYTES * root.path("width").asInt(0);
        if (bytes <= 0 || all.length != (long) items * bytes)
            throw new IllegalArgumentException(all.length + " bytes of embeddings for " + items + " items");
        final ByteBuffer floats = ByteBuffer.wrap(all).order(ByteOrder.LITTLE_ENDIAN);
        while (floats.hasRemaining())
            if (!Float.isFinite(floats.getFloat())) throw new IllegalArgumentException("an embedding is not finite");
        final List<byte[]> rows = new ArrayList<>(items);
        for (int item = 0; item < items; item++) rows.add(Arrays.copyOfRange(all, item * bytes, (item + 1) * bytes));
        return rows;
    }

    /** Candidates that the model does not know, to be ranked among those that it does. */
    public static JsonPart candidates(final List<String> ids, final List<byte[]> rows) {
        return json -> {
            json.writeStartObject();
            json.writeArrayFieldStart("ids");
            for (final String id : ids) json.writeString(id);
            json.writeEndArray();
            json.writeBinaryField("embeddings", joined(rows));
            json.writeEndObject();
        };
    }

    private static byte[] joined(final List<byte[]> rows) {
        final ByteBuffer joined = ByteBuffer.allocate(rows.stream().mapToInt(row -> row.length).sum());
        rows.forEach(joined::put);
        return joined.array();
    }
}
