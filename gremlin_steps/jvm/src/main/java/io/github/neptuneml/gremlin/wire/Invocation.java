package io.github.neptuneml.gremlin.wire;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.UUID;
import org.apache.tinkerpop.gremlin.structure.Edge;
import org.apache.tinkerpop.gremlin.structure.Vertex;
import org.apache.tinkerpop.shaded.jackson.core.JsonFactory;
import org.apache.tinkerpop.shaded.jackson.core.JsonGenerator;

/** The body of one request: what is asked, and of which elements (docs/wire.md, section 2). */
public final class Invocation {

    private static final JsonFactory JSON = new JsonFactory();

    private final Task task;
    private final String[] members;
    private final List<Item> items;
    private final int topk;
    private String property;
    private String edgeType;
    private String predictedType;
    private boolean tails;
    private Object threshold;
    private boolean score;
    private boolean embed;
    private final List<JsonPart> edgeProperties = new ArrayList<>();
    private final Map<String, JsonPart> parts = new LinkedHashMap<>();

    private Invocation(final Task task, final int topk, final List<Item> items, final String... members) {
        this.task = task;
        this.topk = topk;
        this.items = items;
        this.members = members;
    }

    /** Asks for values of a property. */
    public static Invocation ofProperty(final EndpointDescription endpoint, final int topk) {
        final Invocation invocation = endpoint.nodeLabel != null
                ? new Invocation(endpoint.task, topk, new ArrayList<>(), "nodeId")
                : new Invocation(endpoint.task, topk, new ArrayList<>(), "headNodeId", "tailNodeId", "edgeId");
        invocation.property = endpoint.property;
        invocation.edgeType = endpoint.relations.isEmpty() ? null : endpoint.relations.get(0).label;
        return invocation;
    }

    /** Asks for the other ends of edges: tails, or else heads. */
    public static Invocation ofLinks(final String edgeType, final String predictedType, final boolean tails, final int topk) {
        final String end = tails ? "head" : "tail";
        final Invocation invocation =
                new Invocation(Task.LINK_PREDICTION, topk, new ArrayList<>(), end + "NodeId", end + "NodeType");
        invocation.edgeType = edgeType;
        invocation.predictedType = predictedType;
        invocation.tails = tails;
        return invocation;
    }

    /** Asks for the embeddings of vertices of one label. */
    public static Invocation ofEmbeddings(final String nodeType) {
        final Invocation invocation = new Invocation(Task.LINK_PREDICTION, 1, new ArrayList<>(), "nodeId");
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
        items.add(new Item(Set.of(), vertex.id()));
    }

    public void addEdge(final Edge edge) {
        addEdge(edge, null);
    }

    /** @param properties what the model reads of the edge, or null */
    public void addEdge(final Edge edge, final JsonPart properties) {
        edgeProperties.add(properties);
        items.add(new Item(Set.of(), edge.outVertex().id(), edge.inVertex().id(), edge.id()));
    }

    /**
     * Adds the known end of wanted edges.
     *
     * @param type the vertex's label, or null where only one is possible
     * @param exclude ids that the answer must not hold
     */
    public void addEnd(final Vertex vertex, final String type, final Collection<String> exclude) {
        items.add(new Item(exclude, vertex.id(), type));
    }

    /** The same question about some of the items. */
    Invocation only(final List<Integer> positions) {
        final Invocation part = new Invocation(task, topk, new ArrayList<>(positions.size()), members);
        positions.forEach(position -> part.items.add(items.get(position)));
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
        return items.get(position);
    }

    int size() {
        return items.size();
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
     * @throws RequestTooLarge if that takes more bytes than allowed
     */
    byte[] toJson(final String artifactVersion, final long deadlineMillis, final long mostBytes) {
        final ByteArrayOutputStream bytes = new BoundedBytes(256 + 32 * items.size(), mostBytes);
        try (JsonGenerator json = JSON.createGenerator(bytes)) {
            json.writeStartObject();
            json.writeStringField("version", "v1");
            json.writeStringField("mode", mode());
            json.writeObjectFieldStart("data");
            writeParameters(json, artifactVersion, deadlineMillis);
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

    private void writeParameters(final JsonGenerator json, final String artifactVersion, final long deadlineMillis)
            throws IOException {
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
        json.writeStringField("requestId", UUID.randomUUID().toString());
        json.writeStringField("artifactVersion", artifactVersion);
        json.writeEndObject();
    }

    private void writeItems(final JsonGenerator json) throws IOException {
        json.writeObjectFieldStart("items");
        for (int member = 0; member < members.length; member++) writeMember(json, member);
        if (items.stream().anyMatch(item -> !item.exclude.isEmpty())) writeExclude(json);
        if (edgeProperties.stream().anyMatch(Objects::nonNull)) writeEdgeProperties(json);
        json.writeEndObject();
    }

    private void writeMember(final JsonGenerator json, final int member) throws IOException {
        if (!items.isEmpty() && items.stream().noneMatch(item -> item.has(member))) return;
        json.writeArrayFieldStart(members[member]);
        for (final Item item : items) json.writeString(item.text(member));
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
        for (final Item item : items) {
            if (item.exclude.isEmpty()) json.writeNull();
            else json.writeArray(item.exclude.toArray(new String[0]), 0, item.exclude.size());
        }
        json.writeEndArray();
    }
}
