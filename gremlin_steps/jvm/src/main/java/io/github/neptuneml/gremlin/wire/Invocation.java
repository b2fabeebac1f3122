package io.github.neptuneml.gremlin.wire;

import io.github.neptuneml.gremlin.table.XxHash64;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.apache.tinkerpop.gremlin.structure.Edge;
import org.apache.tinkerpop.gremlin.structure.Vertex;
import org.apache.tinkerpop.shaded.jackson.core.JsonFactory;
import org.apache.tinkerpop.shaded.jackson.core.JsonGenerator;

/** The body of one request: what is asked, and of which elements (docs/wire.md, section 2). */
public final class Invocation {

    private static final JsonFactory JSON = new JsonFactory();

    private final Task task;
    private final int topk;
    /** What an item consists of. */
    private final String[] members;
    /** For each member, what each item says; null where it says nothing. */
    private final List<List<Object>> columns = new ArrayList<>();
    /** For each item, the ids that its answer must not hold; empty where that is so of none. */
    private final List<Collection<String>> excludes = new ArrayList<>();
    /** The members as hashes of ids, in their order; empty where ids are wanted. */
    private List<String> hashes = List.of();
    private String property;
    private String edgeType;
    private String predictedType;
    private boolean tails;
    private Object threshold;
    private boolean score;
    private boolean embed;
    private final List<JsonPart> edgeProperties = new ArrayList<>();
    private final Map<String, JsonPart> parts = new LinkedHashMap<>();

    private Invocation(final Task task, final int topk, final String... members) {
        this.task = task;
        this.topk = topk;
        this.members = members;
        for (int member = 0; member < members.length; member++) columns.add(new ArrayList<>());
    }

    /** Asks for values of a property. */
    public static Invocation ofProperty(final EndpointDescription endpoint, final int topk) {
        final Invocation invocation = endpoint.nodeLabel != null
                ? new Invocation(endpoint.task, topk, "nodeId")
                : new Invocation(endpoint.task, topk, "headNodeId", "tailNodeId", "edgeId");
        if (endpoint.takesHashes) invocation.hashes = endpoint.nodeLabel != null ? List.of("nodeHash") : List.of("headNodeHash", "tailNodeHash");
        invocation.property = endpoint.property;
        invocation.edgeType = endpoint.relations.isEmpty() ? null : endpoint.relations.get(0).label;
        return invocation;
    }

    /** Asks for the other ends of edges: tails, or else heads. */
    public static Invocation ofLinks(final String edgeType, final String predictedType, final boolean tails, final int topk) {
        final String end = tails ? "head" : "tail";
        final Invocation invocation =
                new Invocation(Task.LINK_PREDICTION, topk, end + "NodeId", end + "NodeType");
        invocation.edgeType = edgeType;
        invocation.predictedType = predictedType;
        invocation.tails = tails;
        return invocation;
    }

    /** Asks for the embeddings of vertices of one label. */
    public static Invocation ofEmbeddings(final String nodeType) {
        final Invocation invocation = new Invocation(Task.LINK_PREDICTION, 1, "nodeId");
        invocation.predictedType = nodeType;
        invocation.embed = true;
        return invocation;
    }

    /** Adds a member to {@code data}: {@code subgraph} or {@code newCandidates}. */
    public Invocation with(final String member, final JsonPart part) {
        parts.put(member, part);
        return this;
    }

    /** Leaves out what scores lower; a number, {@code "tuned"} or null for no threshold. */
    public Invocation threshold(final Object numberOrTuned) {
        threshold = numberOrTuned;
        return this;
    }

    /** Asks for the score of each value. */
    public Invocation score(final boolean wanted) {
        score = wanted;
        return this;
    }

    public void addNode(final Vertex vertex) {
        columns.get(0).add(vertex.id());
    }

    public void addEdge(final Edge edge) {
        columns.get(0).add(edge.outVertex().id());
        columns.get(1).add(edge.inVertex().id());
        columns.get(2).add(edge.id());
    }

    /** @param properties what the model reads of the edge, or null */
    public void addEdge(final Edge edge, final JsonPart properties) {
        edgeProperties.add(properties);
        addEdge(edge);
    }

    /**
     * Adds the known end of wanted edges.
     *
     * @param type the vertex's label, or null where only one is possible
     * @param exclude ids that the answer must not hold
     */
    public void addEnd(final Vertex vertex, final String type, final Collection<String> exclude) {
        columns.get(0).add(vertex.id());
        columns.get(1).add(type);
        excludes.add(Set.copyOf(exclude));
    }

    /** The same question about some of the items. */
    Invocation only(final List<Integer> positions) {
        final Invocation part = new Invocation(task, topk, members);
        for (int member = 0; member < members.length; member++)
            for (final int position : positions) part.columns.get(member).add(columns.get(member).get(position));
        if (!excludes.isEmpty()) for (final int position : positions) part.excludes.add(excludes.get(position));
        part.hashes = hashes;
        part.property = property;
        part.edgeType = edgeType;
        part.predictedType = predictedType;
        part.tails = tails;
        part.threshold = threshold;
        part.score = score;
        return part;
    }

    /** What is asked of every item; equal for equal questions. */
    Object question() {
        return Arrays.asList(task, property, topk, edgeType, predictedType, tails, threshold, score);
    }

    Item item(final int position) {
        return new Item(excludes.isEmpty() ? Set.of() : excludes.get(position),
                columns.stream().map(column -> column.get(position)).toArray());
    }

    int size() {
        return columns.get(0).size();
    }

    int topk() {
        return topk;
    }

    Task task() {
        return task;
    }

    /** Whether it carries a part of the graph. */
    boolean isInductive() {
        return !parts.isEmpty();
    }

    boolean wantsScores() {
        return score || task == Task.LINK_PREDICTION;
    }

    /**
     * Encodes the request.
     *
     * @param requestId what logs call it
     * @throws RequestTooLarge if that takes more bytes than allowed
     */
    byte[] toJson(final String artifactVersion, final String requestId, final long deadlineMillis, final long mostBytes) {
        final ByteArrayOutputStream bytes = new BoundedBytes(256 + 32 * size(), mostBytes);
        try (JsonGenerator json = JSON.createGenerator(bytes)) {
            json.writeStartObject();
            json.writeStringField("version", "v1");
            json.writeStringField("mode", mode());
            json.writeObjectFieldStart("data");
            writeParameters(json, artifactVersion, requestId, deadlineMillis);
            writeItems(json);
            for (final Map.Entry<String, JsonPart> part : parts.entrySet()) {
                json.writeFieldName(part.getKey());
                part.getValue().write(json);
            }
            json.writeEndObject();
            json.writeEndObject();
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
        return bytes.toByteArray();
    }

    private String mode() {
        if (embed) return "embed";
        return task != Task.LINK_PREDICTION ? "predict" : tails ? "predict_tail" : "predict_head";
    }

    private void writeParameters(final JsonGenerator json, final String artifactVersion, final String requestId,
                                 final long deadlineMillis) throws IOException {
        json.writeObjectFieldStart("globalParameters");
        if (property != null) json.writeStringField("property", property);
        if (edgeType != null) json.writeStringField("edgeType", edgeType);
        if (embed) json.writeStringField("nodeType", predictedType);
        else if (predictedType != null) json.writeStringField(tails ? "tailNodeType" : "headNodeType", predictedType);
        if (!task.isRegression() && !embed) json.writeNumberField("topk", topk);
        if (threshold instanceof Double) json.writeNumberField("threshold", (Double) threshold);
        else if (threshold != null) json.writeStringField("threshold", threshold.toString());
        if (score) json.writeBooleanField("score", true);
        json.writeBooleanField("columns", true);
        if (!embed) json.writeBooleanField("packed", true);
        json.writeNumberField("deadlineMs", deadlineMillis);
        json.writeStringField("requestId", requestId);
        json.writeStringField("artifactVersion", artifactVersion);
        json.writeEndObject();
    }

    private void writeItems(final JsonGenerator json) throws IOException {
        json.writeObjectFieldStart("items");
        if (!hashes.isEmpty() && !isInductive()) {
            for (int member = 0; member < hashes.size(); member++) writeHashes(json, hashes.get(member), columns.get(member));
        } else {
            for (int member = 0; member < members.length; member++) writeMember(json, members[member], columns.get(member));
            if (excludes.stream().anyMatch(exclude -> !exclude.isEmpty())) writeExclude(json);
            if (edgeProperties.stream().anyMatch(Objects::nonNull)) writeEdgeProperties(json);
        }
        json.writeEndObject();
    }

    /** A number for each id costs a worker less than its text does, which it would hash itself. */
    private static void writeHashes(final JsonGenerator json, final String name, final List<Object> ids) throws IOException {
        final ByteBuffer packed = ByteBuffer.allocate(Long.BYTES * ids.size()).order(ByteOrder.LITTLE_ENDIAN);
        for (final Object id : ids) packed.putLong(XxHash64.of(id.toString(), 0));
        json.writeBinaryField(name, packed.array());
    }

    private static void writeMember(final JsonGenerator json, final String name, final List<Object> column) throws IOException {
        if (!column.isEmpty() && column.stream().noneMatch(Objects::nonNull)) return;
        json.writeArrayFieldStart(name);
        for (final Object each : column) json.writeString(each == null ? null : each.toString());
        json.writeEndArray();
    }

    private void writeEdgeProperties(final JsonGenerator json) throws IOException {
        json.writeArrayFieldStart("properties");
        for (final JsonPart properties : edgeProperties) {
            if (properties == null) json.writeNull();
            else properties.write(json);
        }
        json.writeEndArray();
    }

    private void writeExclude(final JsonGenerator json) throws IOException {
        json.writeArrayFieldStart("exclude");
        for (final Collection<String> exclude : excludes) {
            if (exclude.isEmpty()) json.writeNull();
            else json.writeArray(exclude.toArray(new String[0]), 0, exclude.size());
        }
        json.writeEndArray();
    }
}
