package io.github.neptuneml.gremlin;

import io.github.neptuneml.gremlin.table.XxHash64;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.apache.tinkerpop.shaded.jackson.databind.ObjectMapper;
import org.apache.tinkerpop.shaded.jackson.databind.node.ObjectNode;

/** Writes tables as docs/wire.md, section 5, says. */
public final class TableBytes {
    private static final int LARGEST_K = 8;
    private static final ObjectMapper MAPPER = new ObjectMapper();

    private TableBytes() {
    }

    /** A table of answers by id, each a class or number and a score, best first. */
    public static byte[] of(final String task, final Map<String, List<Object[]>> answers) {
        if (!task.endsWith("class")) return write("values", List.of(), 1, answers);
        final List<Object> classes = answers.values().stream().flatMap(List::stream).map(answer -> answer[0])
                .distinct().collect(Collectors.toList());
        return write("classes", classes, Math.min(classes.size(), LARGEST_K), answers);
    }

    /** A table that says which ids a model knows. */
    public static byte[] ofIds(final String... ids) {
        return write("ids", List.of(), 0, Arrays.stream(ids).collect(Collectors.toMap(id -> id, id -> List.of())));
    }

    private static byte[] write(final String kind, final List<Object> classes, final int ranks, final Map<String, List<Object[]>> answers) {
        final TreeMap<Long, List<Object[]>> rows = new TreeMap<>(Long::compareUnsigned);
        answers.forEach((id, list) -> rows.put(XxHash64.of(id, 0), list));
        final byte[] header = header(kind, classes);
        final ByteBuffer file = ByteBuffer.allocate(32 + header.length + 8 * rows.size() * (1 + ranks)).order(ByteOrder.LITTLE_ENDIAN);
        file.put("NMLTAB01".getBytes(StandardCharsets.US_ASCII)).putLong(rows.size()).putLong(ranks).putLong(header.length).put(header);
        rows.keySet().forEach(file::putLong);
        for (final List<Object[]> list : rows.values())
            for (int rank = 0; rank < ranks; rank++) put(file, classes, rank < list.size() ? list.get(rank) : null);
        return file.array();
    }

    private static void put(final ByteBuffer file, final List<Object> classes, final Object[] answer) {
        if (classes.isEmpty()) file.putDouble(answer == null ? Double.NaN : (double) answer[0]);
        else file.putInt(answer == null ? -1 : classes.indexOf(answer[0])).putFloat(answer == null ? 0 : (float) (double) answer[1]);
    }

    private static byte[] header(final String kind, final List<Object> classes) {
        final ObjectNode json = MAPPER.createObjectNode().put("kind", kind);
        if (!classes.isEmpty()) json.set("classes", MAPPER.valueToTree(new ArrayList<>(classes)));
        final byte[] text = json.toString().getBytes(StandardCharsets.UTF_8);
        final byte[] padded = new byte[(text.length + 7) / 8 * 8];
        Arrays.fill(padded, (byte) ' ');
        System.arraycopy(text, 0, padded, 0, text.length);
        return padded;
    }
}
