package io.github.neptuneml.gremlin.wire;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.apache.tinkerpop.gremlin.structure.Edge;
import org.apache.tinkerpop.gremlin.structure.Vertex;
import org.apache.tinkerpop.shaded.jackson.core.JsonFactory;
import org.apache.tinkerpop.shaded.jackson.core.JsonGenerator;

/** The body of one request: what is asked, and of which elements (docs/wire.md, section 2). */
public final class Invocation {

    private static final JsonFactory JSON = new JsonFactory();

    private interface Item {
        void write(JsonGenerator json) throws IOException;
    }

    private final Task task;
    private final List<Item> items = new ArrayList<>();
    private final int topk;
    private String property;
    private String edgeType;
    private String predictedType;
    private boolean tails;
    private Object threshold;
    private boolean score;
    private boolean embed;
    private final Map<String, JsonPart> parts = new LinkedHashMap<>();

    private Invocation(final Task task, final int topk) {
        this.task = task;
        this.topk = topk;
    }

    /** Asks for values of a property. */
    public static Invocation ofProperty(final EndpointDescription endpoint, final int topk) {
        final Invocation invocation = new Invocation(endpoint.task, topk);
        invocation.property = endpoint.property;
        invocation.edgeType = endpoint.relations.isEmpty() ? null : endpoint.relations.get(0).label;
        return invocation;
    }

    /** Asks for the other ends of edges: tails, or else heads. */
    public static Invocation ofLinks(final String edgeType, final String predictedType, final boolean tails, final int topk) {
        final Invocation invocation = new Invocation(Task.LINK_PREDICTION, topk);
        invocation.edgeType = edgeType;
        invocation.predictedType = predictedType;
        invocation.tails = tails;
        return invocation;
    }

    /** Asks for the embeddings of vertices of one label. */
    public static Invocation ofEmbeddings(final String nodeType) {
        final Invocation invocation = new Invocation(Task.LINK_PREDICTION, 1);
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
        items.add(json -> json.writeStringField("nodeId", String.valueOf(vertex.id())));
    }

    /** @param properties what the model reads of the edge, or null */
    public void addEdge(final Edge edge, final JsonPart properties) {
        items.add(json -> {
            json.writeStringField("headNodeId", String.valueOf(edge.outVertex().id()));
            json.writeStringField("tailNodeId", String.valueOf(edge.inVertex().id()));
            json.writeStringField("edgeId", String.valueOf(edge.id()));
            if (properties == null) return;
            json.writeFieldName("properties");
            properties.write(json);
        });
    }

    /**
     * Adds the known end of wanted edges.
     *
     * @param type the vertex's label, or null where only one is possible
     * @param exclude ids that the answer must not hold
     */
    public void addEnd(final Vertex vertex, final String type, final Collection<String> exclude) {
        final String end = tails ? "head" : "tail";
        items.add(json -> {
            json.writeStringField(end + "NodeId", String.valueOf(vertex.id()));
            if (type != null) json.writeStringField(end + "NodeType", type);
            if (exclude.isEmpty()) return;
            json.writeArrayFieldStart("exclude");
            for (final String id : exclude) json.writeString(id);
            json.writeEndArray();
        });
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
        json.writeNumberField("deadlineMs", deadlineMillis);
        json.writeStringField("requestId", UUID.randomUUID().toString());
        json.writeStringField("artifactVersion", artifactVersion);
        json.writeEndObject();
    }

    private void writeItems(final JsonGenerator json) throws IOException {
        final boolean nodes = embed || task == Task.NODE_CLASS || task == Task.NODE_REGRESSION;
        json.writeArrayFieldStart(nodes ? "nodes" : "edges");
        for (final Item item : items) {
            json.writeStartObject();
            item.write(json);
            json.writeEndObject();
        }
        json.writeEndArray();
    }
}
