package io.github.neptuneml.gremlin.sampling;

import io.github.neptuneml.gremlin.wire.InductiveSchema;
import io.github.neptuneml.gremlin.wire.InductiveSchema.EdgeType;
import io.github.neptuneml.gremlin.wire.JsonPart;
import io.github.neptuneml.gremlin.wire.Labels;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import org.apache.tinkerpop.gremlin.process.traversal.util.TraversalInterruptedException;
import org.apache.tinkerpop.gremlin.structure.Direction;
import org.apache.tinkerpop.gremlin.structure.Edge;
import org.apache.tinkerpop.gremlin.structure.Vertex;
import org.apache.tinkerpop.gremlin.structure.util.CloseableIterator;

/** Gathers what lies around elements, as far as the model looks and the query sees. */
public final class Sampler {

    private final InductiveSchema schema;
    private final VisibleGraph graph;
    private final List<Integer> fanouts;
    private final long seed;

    /**
     * Makes a sampler.
     *
     * @param fanouts how many edges a vertex draws, per hop; all if negative
     * @param seed decides, together with the edges' ids, which edges are drawn
     */
    public Sampler(final InductiveSchema schema, final VisibleGraph graph, final List<Integer> fanouts, final long seed) {
        this.schema = schema;
        this.graph = graph;
        this.fanouts = fanouts;
        this.seed = seed;
    }

    /**
     * A sampler that gives an item the same neighbourhood whenever and with whatever else it is asked for: each hop draws
     * as many edges as the widest, because a vertex may be nearer to another item.
     */
    public static Sampler deterministic(final InductiveSchema schema, final VisibleGraph graph) {
        final int widest = schema.fanouts().stream().anyMatch(fanout -> fanout < 0) ? -1
                : schema.fanouts().stream().mapToInt(fanout -> fanout).max().orElse(0);
        return new Sampler(schema, graph, Collections.nCopies(schema.fanouts().size(), widest), 0);
    }

    public VisibleGraph graph() {
        return graph;
    }

    /**
     * Draws the neighbourhood of all these vertices at once: each vertex once, with edges drawn at its nearest hop.
     *
     * @param silent ids of edges that carry no messages
     */
    public Subgraph around(final Collection<Vertex> vertices, final Set<Object> silent) {
        final Subgraph subgraph = new Subgraph(schema);
        List<Vertex> frontier = new ArrayList<>();
        for (final Vertex vertex : vertices)
            if (subgraph.add(vertex)) frontier.add(vertex);
        for (final int fanout : fanouts) {
            final List<Vertex> next = new ArrayList<>();
            for (final Vertex vertex : frontier) {
                expand(vertex, false, fanout, silent, subgraph, next);
                expand(vertex, true, fanout, silent, subgraph, next);
            }
            frontier = next;
        }
        subgraph.readProperties(graph);
        return subgraph;
    }

    /** What the model reads of an edge that is asked about; null where that is nothing. */
    public JsonPart properties(final Edge edge, final Vertex head, final Vertex tail) {
        final EdgeType type = schema.type(Labels.onWire(head.label()), Labels.onWire(edge.label()), Labels.onWire(tail.label()));
        if (type == null || type.properties.isEmpty()) return null;
        final Object[] row = Columns.row(edge, type.properties, graph);
        return json -> Columns.writeRow(type.properties, row, json);
    }

    private void expand(final Vertex vertex, final boolean reverse, final int fanout, final Set<Object> silent,
                        final Subgraph subgraph, final List<Vertex> next) {
        final Draw[] draws = draw(vertex, reverse, fanout, silent);
        for (final EdgeType type : schema.edges()) {
            if (draws[type.index] == null) continue;
            for (final Draw.Drawn drawn : draws[type.index].drawn()) {
                if (subgraph.add(drawn.end)) next.add(drawn.end);
                subgraph.addMessage(type, reverse, drawn.edge, drawn.end, vertex, draws[type.index].seen());
            }
        }
    }

    /** By the edge type's index; null where there are none. */
    private Draw[] draw(final Vertex vertex, final boolean reverse, final int fanout, final Set<Object> silent) {
        final Draw[] draws = new Draw[schema.edges().size()];
        final Types types = new Types(Labels.onWire(vertex.label()), reverse);
        final long ownSeed = Draw.hash(vertex.id(), reverse ? ~seed : seed);
        final Iterator<Edge> edges = graph.edges(vertex, reverse ? Direction.OUT : Direction.IN);
        try {
            while (edges.hasNext()) {
                if (Thread.currentThread().isInterrupted()) throw new TraversalInterruptedException();
                final Edge edge = edges.next();
                if (!silent.isEmpty() && silent.contains(edge.id())) continue;
                final Vertex end = graph.end(edge, reverse ? Direction.IN : Direction.OUT);
                final EdgeType type = end == null ? null : types.of(edge.label(), end.label());
                if (type == null) continue;
                if (draws[type.index] == null) draws[type.index] = new Draw(fanout);
                draws[type.index].offer(edge, end, ownSeed);
            }
        } finally {
            CloseableIterator.closeIterator(edges);
        }
        return draws;
    }

    /** The types of a vertex's edges in one direction. The last is kept: a hub's edges are nearly all of one. */
    private final class Types {
        private final String near;
        private final boolean reverse;
        private String label;
        private String far;
        private EdgeType type;

        Types(final String near, final boolean reverse) {
            this.near = near;
            this.reverse = reverse;
        }

        EdgeType of(final String edgeLabel, final String farLabel) {
            if (!edgeLabel.equals(label) || !farLabel.equals(far)) {
                label = edgeLabel;
                far = farLabel;
                type = look(Labels.onWire(edgeLabel), Labels.onWire(farLabel));
            }
            return type;
        }

        private EdgeType look(final String onWire, final String end) {
            return reverse ? schema.type(near, onWire, end) : schema.type(end, onWire, near);
        }
    }
}
