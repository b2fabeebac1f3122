package io.github.neptuneml.gremlin.sampling;

import io.github.neptuneml.gremlin.wire.InductiveSchema;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import org.apache.tinkerpop.gremlin.process.traversal.P;
import org.apache.tinkerpop.gremlin.process.traversal.Step;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.step.filter.HasStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.EdgeVertexStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.GraphStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.PropertiesStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.VertexStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.util.HasContainer;
import org.apache.tinkerpop.gremlin.structure.Direction;
import org.apache.tinkerpop.gremlin.structure.Edge;
import org.apache.tinkerpop.gremlin.structure.Element;
import org.apache.tinkerpop.gremlin.structure.Property;
import org.apache.tinkerpop.gremlin.structure.PropertyType;
import org.apache.tinkerpop.gremlin.structure.T;
import org.apache.tinkerpop.gremlin.structure.Vertex;
import org.apache.tinkerpop.gremlin.structure.util.CloseableIterator;

/** The part of the graph that a query may see, its own uncommitted changes included, as far as a model reads it. */
public final class VisibleGraph {

    private final Traversal.Admin<?, ?> query;
    private final Reading<Vertex, Edge> outEdges;
    private final Reading<Vertex, Edge> inEdges;
    private final Reading<Edge, Vertex> outVertex;
    private final Reading<Edge, Vertex> inVertex;
    private final Map<List<String>, Reading<Element, Property<?>>> properties = new HashMap<>();

    public VisibleGraph(final Traversal.Admin<?, ?> query, final InductiveSchema schema) {
        this.query = query;
        final String[] labels = edgeLabels(schema);
        final Reading.Compilation all = new Reading.Compilation(query);
        outEdges = edges(all, Direction.OUT, labels);
        inEdges = edges(all, Direction.IN, labels);
        outVertex = end(all, Direction.OUT);
        inVertex = end(all, Direction.IN);
        schema.propertyKeys().forEach(keys -> properties.put(keys, properties(all, keys)));
        all.compile();
    }

    /** No labels, which means all, where one was joined of several parts that the graph may hold in any order. */
    private static String[] edgeLabels(final InductiveSchema schema) {
        final boolean joined = schema.edgeLabels().stream().anyMatch(label -> label.contains(";"));
        return joined ? new String[0] : schema.edgeLabels().stream().sorted().toArray(String[]::new);
    }

    private static Reading<Vertex, Edge> edges(final Reading.Compilation all, final Direction direction, final String[] labels) {
        return all.add(child -> add(child, new VertexStep<>(child, Edge.class, direction, labels)),
                VertexStep.class, vertex -> vertex.edges(direction, labels));
    }

    private static Reading<Edge, Vertex> end(final Reading.Compilation all, final Direction direction) {
        return all.add(child -> add(child, new EdgeVertexStep(child, direction)),
                EdgeVertexStep.class, edge -> edge.vertices(direction));
    }

    @SuppressWarnings("unchecked")
    private static void add(final Traversal.Admin<?, ?> child, final Step<?, ?> step) {
        child.addStep((Step) step);
    }

    /** Whether no access rule of any strategy applies, so that other such queries see the same. */
    public boolean isWhole() {
        return outEdges.isPlain() && inEdges.isPlain() && outVertex.isPlain() && inVertex.isPlain()
                && properties.values().stream().allMatch(Reading::isPlain);
    }

    /** The edges of a vertex that the model may know; to be read to their end, or closed, before others are. */
    Iterator<Edge> edges(final Vertex vertex, final Direction direction) {
        return (direction == Direction.OUT ? outEdges : inEdges).from(vertex);
    }

    /** An edge's end, or null if it may not be seen. */
    public Vertex end(final Edge edge, final Direction direction) {
        final Reading<Edge, Vertex> reading = direction == Direction.OUT ? outVertex : inVertex;
        if (reading.isPlain()) return direction == Direction.OUT ? edge.outVertex() : edge.inVertex();
        final Iterator<Vertex> ends = reading.from(edge);
        try {
            return ends.hasNext() ? ends.next() : null;
        } finally {
            CloseableIterator.closeIterator(ends);
        }
    }

    Iterator<Property<?>> properties(final Element element, final List<String> keys) {
        return properties.get(keys).from(element);
    }

    private static Reading<Element, Property<?>> properties(final Reading.Compilation all, final List<String> keys) {
        final String[] names = keys.toArray(new String[0]);
        return all.add(child -> add(child, new PropertiesStep<>(child, PropertyType.PROPERTY, names)),
                PropertiesStep.class, element -> keyByKey(element, keys));
    }

    /** A key is looked up; for several at once TinkerGraph searches all of an element's properties. */
    private static Iterator<Property<?>> keyByKey(final Element element, final List<String> keys) {
        final List<Property<?>> found = new ArrayList<>(keys.size());
        for (final String key : keys) {
            final Iterator<? extends Property<?>> properties = element.properties(key);
            properties.forEachRemaining(found::add);
            CloseableIterator.closeIterator(properties);
        }
        return found.iterator();
    }

    /** All vertices of a label. */
    public Iterator<Vertex> vertices(final String label) {
        final Reading.Compilation alone = new Reading.Compilation(query);
        final Reading<Object, Vertex> reading = alone.add(child -> {
            add(child, new GraphStep<>(child, Vertex.class, false));
            add(child, new HasStep<>(child, new HasContainer(T.label.getAccessor(), P.eq(label))));
        }, null, null);
        alone.compile();
        return reading.from(label);
    }
}
