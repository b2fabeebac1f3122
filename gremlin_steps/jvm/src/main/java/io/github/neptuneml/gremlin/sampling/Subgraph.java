package io.github.neptuneml.gremlin.sampling;

import io.github.neptuneml.gremlin.wire.InductiveSchema;
import io.github.neptuneml.gremlin.wire.InductiveSchema.EdgeType;
import io.github.neptuneml.gremlin.wire.JsonPart;
import io.github.neptuneml.gremlin.wire.Labels;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.tinkerpop.gremlin.structure.Edge;
import org.apache.tinkerpop.gremlin.structure.Vertex;
import org.apache.tinkerpop.shaded.jackson.core.JsonGenerator;

/** A sampled neighbourhood in columns (docs/wire.md, section 6). */
public final class Subgraph implements JsonPart {

    /** The vertices of one label. */
    private static final class Vertices {
        final List<Vertex> vertices = new ArrayList<>();
        Columns properties;
    }

    /** The messages along one edge type in one direction. */
    private static final class Messages {
        final List<Edge> edges = new ArrayList<>();
        final List<Integer> sources = new ArrayList<>();
        final List<Integer> targets = new ArrayList<>();
        final List<Long> drawnFrom = new ArrayList<>();
        Columns properties;
    }

    private final InductiveSchema schema;
    private final Map<String, Vertices> nodes = new LinkedHashMap<>();
    private final Map<Object, Integer> positions = new HashMap<>();
    private final Messages[] forward;
    private final Messages[] backward;

    Subgraph(final InductiveSchema schema) {
        this.schema = schema;
        this.forward = new Messages[schema.edges().size()];
        this.backward = new Messages[schema.edges().size()];
    }

    /** Adds a vertex of a known label and says whether it is new. */
    boolean add(final Vertex vertex) {
        final String label = Labels.onWire(vertex.label());
        if (!schema.knows(label)) return false;
        final Vertices known = nodes.computeIfAbsent(label, type -> new Vertices());
        if (positions.putIfAbsent(vertex.id(), known.vertices.size()) != null) return false;
        known.vertices.add(vertex);
        return true;
    }

    /** Adds a message from one vertex to another, which goes against the edge's direction if it is reverse. */
    void addMessage(final EdgeType type, final boolean reverse, final Edge edge, final Vertex from, final Vertex to, final long drawnFrom) {
        final Messages[] all = reverse ? backward : forward;
        if (all[type.index] == null) all[type.index] = new Messages();
        final Messages messages = all[type.index];
        messages.edges.add(edge);
        messages.sources.add(positions.get((reverse ? to : from).id()));
        messages.targets.add(positions.get((reverse ? from : to).id()));
        messages.drawnFrom.add(drawnFrom);
    }

    void readProperties(final VisibleGraph graph) {
        nodes.forEach((label, known) -> known.properties = Columns.read(known.vertices, schema.properties(label), graph));
        for (final EdgeType type : schema.edges())
            for (final Messages messages : new Messages[] {forward[type.index], backward[type.index]})
                if (messages != null) messages.properties = Columns.read(messages.edges, type.properties, graph);
    }

    @Override
    public void write(final JsonGenerator json) throws IOException {
        json.writeStartObject();
        json.writeArrayFieldStart("nodes");
        for (final Map.Entry<String, Vertices> entry : nodes.entrySet()) write(entry.getKey(), entry.getValue(), json);
        json.writeEndArray();
        json.writeArrayFieldStart("edges");
        for (final EdgeType type : schema.edges()) {
            if (forward[type.index] != null) write(type, false, forward[type.index], json);
            if (backward[type.index] != null) write(type, true, backward[type.index], json);
        }
        json.writeEndArray();
        json.writeEndObject();
    }

    private static void write(final String label, final Vertices known, final JsonGenerator json) throws IOException {
        json.writeStartObject();
        json.writeStringField("type", label);
        json.writeArrayFieldStart("ids");
        for (final Vertex vertex : known.vertices) json.writeString(String.valueOf(vertex.id()));
        json.writeEndArray();
        known.properties.write(json);
        json.writeEndObject();
    }

    private static void write(final EdgeType type, final boolean reverse, final Messages messages, final JsonGenerator json)
            throws IOException {
        json.writeStartObject();
        json.writeStringField("from", type.from);
        json.writeStringField("label", type.label);
        json.writeStringField("to", type.to);
        json.writeBooleanField("reverse", reverse);
        write("sources", messages.sources, json);
        write("targets", messages.targets, json);
        write("drawnFrom", messages.drawnFrom, json);
        messages.properties.write(json);
        json.writeEndObject();
    }

    private static void write(final String name, final List<? extends Number> numbers, final JsonGenerator json) throws IOException {
        json.writeArrayFieldStart(name);
        for (final Number number : numbers) json.writeNumber(number.longValue());
        json.writeEndArray();
    }
}
