package io.github.neptuneml.gremlin.wire;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** What an endpoint reads around an element that it answers for inductively (docs/wire.md, sections 1 and 6). */
public final class InductiveSchema {

    /** One edge type of the model and the keys of the properties that it reads. */
    public static final class EdgeType {
        public final String from;
        public final String label;
        public final String to;
        public final List<String> properties;
        /** The place among the schema's edge types. */
        public final int index;

        EdgeType(final String from, final String label, final String to, final List<String> properties, final int index) {
            this.from = from;
            this.label = label;
            this.to = to;
            this.properties = properties;
            this.index = index;
        }
    }

    private final List<Integer> fanouts;
    private final Map<String, List<String>> nodes;
    private final List<EdgeType> edges;
    private final Map<String, List<EdgeType>> byLabel = new HashMap<>();
    private final int maxNewCandidates;

    InductiveSchema(final List<Integer> fanouts, final Map<String, List<String>> nodes, final List<EdgeType> edges,
                    final int maxNewCandidates) {
        this.fanouts = List.copyOf(fanouts);
        this.nodes = Map.copyOf(nodes);
        this.edges = List.copyOf(edges);
        this.maxNewCandidates = maxNewCandidates;
        for (final EdgeType type : edges) byLabel.computeIfAbsent(type.label, label -> new ArrayList<>()).add(type);
    }

    /** One per hop, the element's own edges first; all edges where it is negative. */
    public List<Integer> fanouts() {
        return fanouts;
    }

    public boolean knows(final String vertexLabel) {
        return nodes.containsKey(vertexLabel);
    }

    /** The keys of the properties that are read of a vertex. */
    public List<String> properties(final String vertexLabel) {
        return nodes.get(vertexLabel);
    }

    public List<EdgeType> edges() {
        return edges;
    }

    public Set<String> edgeLabels() {
        return byLabel.keySet();
    }

    /** The keys that are read together, of vertices or edges; without those of which nothing is read. */
    public Set<List<String>> propertyKeys() {
        return Stream.concat(nodes.values().stream(), edges.stream().map(type -> type.properties))
                .filter(keys -> !keys.isEmpty()).collect(Collectors.toSet());
    }

    /** The type of an edge, or null if the model has none such. */
    public EdgeType type(final String from, final String label, final String to) {
        for (final EdgeType type : byLabel.getOrDefault(label, List.of()))
            if (type.from.equals(from) && type.to.equals(to)) return type;
        return null;
    }

    /** How many candidates that the model does not know a query may bring (decision 29). */
    public int maxNewCandidates() {
        return maxNewCandidates;
    }
}
