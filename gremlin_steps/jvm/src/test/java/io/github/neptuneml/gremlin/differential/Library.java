package io.github.neptuneml.gremlin.differential;

import io.github.neptuneml.gremlin.FakeEndpoint;
import io.github.neptuneml.gremlin.FakeService;
import java.util.Iterator;
import org.apache.tinkerpop.gremlin.structure.Direction;
import org.apache.tinkerpop.gremlin.structure.Edge;
import org.apache.tinkerpop.gremlin.structure.Element;
import org.apache.tinkerpop.gremlin.structure.Graph;
import org.apache.tinkerpop.gremlin.structure.T;
import org.apache.tinkerpop.gremlin.structure.Vertex;

/**
 * A small lending library whose elements store what its endpoints predict: each endpoint answers an element's stored
 * value, or its stored neighbours in the graph's own order. So a query means the same with and without predictions.
 */
final class Library {

    private static final String[] GENRES = {"poetry", "essay", "novel", "poetry", "novel", "poetry", null, "essay"};
    private static final String[] MOODS = {"calm", "tense", "calm", null, "dull"};
    private static final int READERS = 7;

    private Library() {
    }

    /** Readers 1 to 7 who know each other in a ring with chords, books 11 to 18, loans between them. */
    static Graph fill(final Graph graph) {
        for (int i = 1; i <= READERS; i++) {
            final Vertex reader = graph.addVertex(T.id, i, T.label, "Reader", "name", "r" + i, "tenant", i == 5 ? "b" : "a");
            if (i != 4) reader.property("age", 20.0 + (i * 7) % 5);
        }
        for (int i = 0; i < GENRES.length; i++) {
            final Vertex book = graph.addVertex(T.id, 11 + i, T.label, "Book", "name", "b" + i, "tenant", i == 2 ? "b" : "a");
            if (GENRES[i] != null) book.property("genre", GENRES[i]);
        }
        int edge = 100;
        for (int i = 1; i <= READERS; i++) {
            for (int step = 1; step <= 3; step += 2) connect(graph, edge++, i, "knows", 1 + (i - 1 + step) % READERS);
            for (int step = 0; step < i % 4; step++) connect(graph, edge++, i, "borrowed", 11 + (i * 3 + step * 2) % GENRES.length);
        }
        return graph;
    }

    private static void connect(final Graph graph, final int id, final int from, final String label, final int to) {
        final Edge edge = graph.vertices(from).next().addEdge(label, graph.vertices(to).next(), T.id, id, "tenant", id % 6 == 0 ? "b" : "a");
        if (!label.equals("borrowed")) return;
        if (MOODS[id % MOODS.length] != null) edge.property("mood", MOODS[id % MOODS.length]);
        edge.property("days", (double) (id * 5 % 7));
    }

    /** Endpoints named after what they predict: the property, or edge label and direction. */
    static FakeService serve(final Graph graph) {
        final FakeEndpoint genre = FakeEndpoint.node("genre", "node_class", "Book", "genre", "String");
        final FakeEndpoint age = FakeEndpoint.node("age", "node_regression", "Reader", "age", "Double");
        final FakeEndpoint mood = FakeEndpoint.edge("mood", "edge_class", "Reader", "borrowed", "Book", "mood", "String");
        final FakeEndpoint days = FakeEndpoint.edge("days", "edge_regression", "Reader", "borrowed", "Book", "days", "Double");
        graph.vertices().forEachRemaining(vertex -> {
            stored(genre, vertex.id().toString(), vertex, "genre");
            stored(age, vertex.id().toString(), vertex, "age");
        });
        graph.edges().forEachRemaining(edge -> {
            final String item = edge.outVertex().id() + ">" + edge.inVertex().id();
            stored(mood, item, edge, "mood");
            stored(days, item, edge, "days");
        });
        return new FakeService().with(genre.tabled()).with(age.tabled()).with(mood).with(days)
                .with(links(graph, Direction.OUT, "knows", "Reader")).with(links(graph, Direction.IN, "knows", "Reader"))
                .with(links(graph, Direction.OUT, "borrowed", "Book")).with(links(graph, Direction.IN, "borrowed", "Book"));
    }

    private static void stored(final FakeEndpoint endpoint, final String item, final Element element, final String key) {
        if (element.property(key).isPresent()) endpoint.answer(item, element.value(key), 0.5);
    }

    private static FakeEndpoint links(final Graph graph, final Direction direction, final String label, final String to) {
        final FakeEndpoint endpoint = FakeEndpoint.links(label + direction, new String[] {"Reader", label, to})
                .ids("Reader", "Integer", READERS).ids("Book", "Integer", GENRES.length);
        graph.vertices().forEachRemaining(vertex -> {
            double score = 1;
            for (final Iterator<Vertex> others = vertex.vertices(direction, label); others.hasNext(); score /= 2)
                endpoint.answer(vertex.id().toString(), others.next().id().toString(), score);
        });
        return endpoint;
    }
}
