package io.github.neptuneml.gremlin;

import io.github.neptuneml.gremlin.table.XxHash64;
import java.nio.file.Path;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.tinkerpop.shaded.jackson.databind.JsonNode;
import org.apache.tinkerpop.shaded.jackson.databind.ObjectMapper;
import org.apache.tinkerpop.shaded.jackson.databind.node.ArrayNode;
import org.apache.tinkerpop.shaded.jackson.databind.node.ObjectNode;

/** An endpoint of {@link FakeService}: its description and its answers by item, best first. */
public final class FakeEndpoint {

    private static final ObjectMapper MAPPER = new ObjectMapper();

    final String name;
    final List<String> versions = new ArrayList<>();
    String version;
    String status = "InService";
    private final String task;
    private final ObjectNode target = MAPPER.createObjectNode();
    private final ArrayNode nodes = MAPPER.createArrayNode();
    private final Map<String, List<Object[]>> answers = new LinkedHashMap<>();
    private final Map<String, List<Object[]>> answersByHash = new LinkedHashMap<>();
    private Double threshold;
    private List<String> addresses;
    private ObjectNode inductive;
    private final Map<String, byte[]> idTables = new LinkedHashMap<>();
    private byte[] table;
    private long tableBytes;
    private Path tablePath = Path.of("");

    private FakeEndpoint(final String name, final String task) {
        this.name = name;
        this.task = task;
        update(name + "-1");
    }

    public static FakeEndpoint node(final String name, final String task, final String label, final String property, final String dataType) {
        final FakeEndpoint endpoint = new FakeEndpoint(name, task);
        endpoint.target.put("element", "node").put("label", label).put("property", property).put("dataType", dataType);
        return endpoint;
    }

    public static FakeEndpoint edge(final String name, final String task, final String from, final String label,
                                    final String to, final String property, final String dataType) {
        final FakeEndpoint endpoint = new FakeEndpoint(name, task);
        endpoint.target.put("element", "edge").put("from", from).put("label", label).put("to", to)
                .put("property", property).put("dataType", dataType);
        return endpoint;
    }

    /** Link prediction over relations, each a {@code from, label, to}. */
    public static FakeEndpoint links(final String name, final String[]... relations) {
        final FakeEndpoint endpoint = new FakeEndpoint(name, "link_prediction");
        final ArrayNode edges = endpoint.target.put("element", "edge").putArray("edges");
        for (final String[] relation : relations)
            edges.addObject().put("from", relation[0]).put("label", relation[1]).put("to", relation[2]);
        return endpoint;
    }

    public FakeEndpoint ids(final String label, final String idType, final int count) {
        nodes.addObject().put("label", label).put("idType", idType).put("count", count);
        return this;
    }

    public FakeEndpoint tuned(final double value) {
        threshold = value;
        return this;
    }

    /** Can be asked inductively, with these fan-outs; {@link #reads} says what it reads. */
    public FakeEndpoint inductive(final int... fanouts) {
        inductive = MAPPER.createObjectNode().put("maxNewCandidates", 3);
        for (final int fanout : fanouts) inductive.withArray("fanouts").add(fanout);
        inductive.putObject("nodes");
        inductive.putArray("edges");
        return this;
    }

    public FakeEndpoint reads(final String label, final String... keys) {
        final ArrayNode list = ((ObjectNode) inductive.path("nodes")).putArray(label);
        for (final String key : keys) list.add(key);
        return this;
    }

    public FakeEndpoint reads(final String[] edge, final String... keys) {
        final ArrayNode list = inductive.withArray("edges").addObject()
                .put("from", edge[0]).put("label", edge[1]).put("to", edge[2]).putArray("properties");
        for (final String key : keys) list.add(key);
        return this;
    }

    /** Other workers than the fake service itself. */
    public FakeEndpoint addresses(final List<String> urls) {
        addresses = urls;
        return this;
    }

    public FakeEndpoint status(final String newStatus) {
        status = newStatus;
        return this;
    }

    /** A new version; the old ones stay loadable. */
    public final FakeEndpoint update(final String newVersion) {
        version = newVersion;
        versions.add(newVersion);
        return this;
    }

    /**
     * An answer for an item: a node's id, an edge's {@code head>tail}, a link's known end; {@code "*"} answers all.
     *
     * @param valueOrId a value, or the id of a predicted vertex
     */
    public FakeEndpoint answer(final String item, final Object valueOrId, final double score) {
        answersByHash.put(hashed(item), answers.computeIfAbsent(item, key -> new ArrayList<>()));
        answers.get(item).add(new Object[] {valueOrId, score});
        return this;
    }

    /** The endpoint has a table of all its answers, which must be of single ids. */
    public FakeEndpoint tabled() {
        return tabled(TableBytes.of(task, answers));
    }

    /** The endpoint has this table, good or bad, and sends it in blocks. */
    public FakeEndpoint tabled(final byte[] file) {
        table = file;
        tableBytes = file.length;
        return this;
    }

    /** Has a table that says that the model knows these vertices of a label. */
    public FakeEndpoint knows(final String label, final String... known) {
        idTables.put(label, TableBytes.ofIds(known));
        return this;
    }

    /** The table lies there too. */
    public FakeEndpoint tabledAt(final Path path) {
        tablePath = path;
        return this;
    }

    byte[] table(final String label) {
        return idTables.containsKey(label) ? idTables.get(label) : label.equals(target.path("label").asText()) ? table : null;
    }

    ObjectNode description(final String serviceUrl, final String version) {
        final ObjectNode description = MAPPER.createObjectNode()
                .put("name", name).put("status", status).put("version", version).put("task", task)
                .put("token", "token-of-" + version);
        description.set("target", target);
        description.putObject("schema").set("nodes", nodes);
        final ArrayNode tables = description.putArray("tables");
        idTables.forEach((label, file) -> tables.addObject().put("label", label).put("bytes", file.length).put("path", ""));
        if (table != null)
            tables.addObject().put("label", target.path("label").asText()).put("bytes", tableBytes).put("path", tablePath.toString());
        if (threshold == null) description.putNull("threshold");
        else description.put("threshold", threshold);
        description.set("inductive", inductive);
        final ArrayNode list = description.putArray("addresses");
        if (!status.equals("InService") && !status.equals("Updating")) return description;
        for (final String address : addresses == null ? List.of(serviceUrl) : addresses) list.add(address);
        return description;
    }

    /** Fills the columns of an answer. */
    void answer(final FakeService.Request request, final String answeringVersion, final ObjectNode columns) {
        final List<Object> distinct = new ArrayList<>();
        final ArrayNode counts = MAPPER.createArrayNode();
        final ArrayNode contents = MAPPER.createArrayNode();
        final ArrayNode scores = MAPPER.createArrayNode();
        for (final JsonNode item : request.items()) {
            final List<Object[]> given = answer(item, request.parameters());
            counts.add(given.size());
            for (final Object[] answer : given) {
                final Object content = "VERSION".equals(answer[0]) ? answeringVersion : answer[0];
                if (task.endsWith("class") && !distinct.contains(content)) distinct.add(content);
                contents.add(MAPPER.valueToTree(task.endsWith("class") ? distinct.indexOf(content) : content));
                scores.add((double) answer[1]);
            }
        }
        if (task.endsWith("class")) columns.set("classes", MAPPER.valueToTree(distinct));
        columns.set(task.endsWith("class") ? "indices" : task.equals("link_prediction") ? "ids" : "values", contents);
        if (request.parameters().path("score").asBoolean() || task.equals("link_prediction")) columns.set("scores", scores);
        for (final JsonNode count : counts)
            if (count.asInt() != 1) columns.set("counts", counts);
        if (request.parameters().path("packed").asBoolean()) pack(columns);
    }

    private static void pack(final ObjectNode columns) {
        for (final String name : List.of("values", "scores", "indices", "counts")) {
            if (!columns.has(name)) continue;
            final boolean integers = name.equals("indices") || name.equals("counts");
            final ByteBuffer bytes = ByteBuffer.allocate((integers ? Integer.BYTES : Double.BYTES) * columns.get(name).size()).order(ByteOrder.LITTLE_ENDIAN);
            for (final JsonNode number : columns.get(name)) {
                if (integers) bytes.putInt(number.asInt());
                else bytes.putDouble(number.asDouble());
            }
            columns.put(name, bytes.array());
        }
    }

    private List<Object[]> answer(final JsonNode item, final JsonNode parameters) {
        final List<Object[]> list = new ArrayList<>();
        final Set<String> exclude = new HashSet<>();
        for (final JsonNode id : item.path("exclude")) exclude.add(id.asText());
        for (final Object[] answer : known(item)) {
            if (list.size() == parameters.path("topk").asInt(1) || exclude.contains(answer[0].toString())) continue;
            if ((double) answer[1] >= lowest(parameters)) list.add(answer);
        }
        return list;
    }

    private double lowest(final JsonNode parameters) {
        return parameters.path("threshold").isTextual() ? threshold : parameters.path("threshold").asDouble(0);
    }

    private List<Object[]> known(final JsonNode item) {
        final List<Object[]> any = answers.getOrDefault("*", List.of());
        if (item.has("nodeHash")) return answersByHash.getOrDefault(item.path("nodeHash").asText(), any);
        if (item.has("headNodeHash"))
            return answersByHash.getOrDefault(item.path("headNodeHash").asText() + ">" + item.path("tailNodeHash").asText(), any);
        return answers.getOrDefault(key(item), any);
    }

    private static String hashed(final String key) {
        return Stream.of(key.split(">")).map(id -> Long.toString(XxHash64.of(id, 0))).collect(Collectors.joining(">"));
    }

    private static String key(final JsonNode item) {
        if (item.has("nodeId")) return item.path("nodeId").asText();
        if (item.has("headNodeId") && item.has("tailNodeId"))
            return item.path("headNodeId").asText() + ">" + item.path("tailNodeId").asText();
        return item.path(item.has("headNodeId") ? "headNodeId" : "tailNodeId").asText();
    }
}
