package io.github.neptuneml.gremlin.differential;

import io.github.neptuneml.gremlin.NeptuneML;
import java.util.List;
import java.util.Map;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.GraphTraversal;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.__;
import org.apache.tinkerpop.gremlin.structure.Vertex;

/** The ways to read the {@link Library}: what is stored, or what is predicted, and where answers then come from. */
@SuppressWarnings("unchecked")
enum Reading {

    STORED, PREDICTED, FROM_TABLE, FROM_CACHE;

    static final List<Reading> PREDICTIONS = List.of(PREDICTED, FROM_TABLE, FROM_CACHE);

    private static final Map<String, String> TASKS = Map.of("genre", NeptuneML.CLASSIFICATION, "mood", NeptuneML.CLASSIFICATION,
            "age", NeptuneML.REGRESSION, "days", NeptuneML.REGRESSION);
    private static final int MANY = 1000;

    GraphTraversal<Object, Object> values(final String key) {
        return values(__.start(), key);
    }

    GraphTraversal<Object, Object> values(final GraphTraversal<?, ?> start, final String key) {
        return predicted(start.values(key), key);
    }

    GraphTraversal<Object, Object> properties(final String key) {
        return properties(__.start(), key);
    }

    GraphTraversal<Object, Object> properties(final GraphTraversal<?, ?> start, final String key) {
        return predicted(start.properties(key), key);
    }

    private GraphTraversal<Object, Object> predicted(final GraphTraversal<?, ?> read, final String key) {
        return (GraphTraversal<Object, Object>) (this == STORED ? read : read.with(TASKS.get(key)).with(NeptuneML.ENDPOINT, key));
    }

    /** The vertices that properties belong to. */
    static GraphTraversal<Object, Vertex> owners(final GraphTraversal<?, ?> properties) {
        return (GraphTraversal<Object, Vertex>) (GraphTraversal<?, ?>) properties.element();
    }

    GraphTraversal<Object, Vertex> out(final String label, final String to) {
        return out(__.start(), label, to);
    }

    GraphTraversal<Object, Vertex> out(final GraphTraversal<?, ?> start, final String label, final String to) {
        return linked(start.out(label), label + "OUT", to);
    }

    GraphTraversal<Object, Vertex> in(final String label, final String to) {
        return in(__.start(), label, to);
    }

    GraphTraversal<Object, Vertex> in(final GraphTraversal<?, ?> start, final String label, final String to) {
        return linked(start.in(label), label + "IN", to);
    }

    private GraphTraversal<Object, Vertex> linked(final GraphTraversal<?, ?> read, final String endpoint, final String to) {
        final GraphTraversal<?, ?> vertices = this == STORED ? read
                : read.with(NeptuneML.PREDICTION).with(NeptuneML.ENDPOINT, endpoint).with(NeptuneML.LIMIT, MANY);
        return (GraphTraversal<Object, Vertex>) vertices.hasLabel(to);
    }
}
