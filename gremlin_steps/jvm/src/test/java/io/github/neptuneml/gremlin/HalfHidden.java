package io.github.neptuneml.gremlin;

import java.util.List;
import org.apache.tinkerpop.gremlin.structure.Graph;
import org.apache.tinkerpop.gremlin.structure.T;
import org.apache.tinkerpop.gremlin.structure.Vertex;
import org.apache.tinkerpop.gremlin.structure.VertexProperty;
import org.apache.tinkerpop.gremlin.tinkergraph.structure.TinkerGraph;

/**
 * {@code me -e1-> friend -e2-> far}, and what some rule hides: a vertex on the way ({@code VERTEX}, in the room "closed")
 * with its own friend ({@code BEHIND}), and the closed edge {@code me -e6-> far} with its property ({@code EDGE}).
 */
final class HalfHidden {

    static final String[] KNOWS = {"person", "knows", "person"};

    private HalfHidden() {
    }

    static Graph create() {
        final Graph graph = TinkerGraph.open();
        for (final String id : List.of("me", "friend", "far", "VERTEX", "BEHIND")) person(graph, id, id.equals("VERTEX") ? "closed" : "open");
        knows(graph, "me", "friend", "e1", "open");
        knows(graph, "friend", "far", "e2", "open");
        knows(graph, "me", "VERTEX", "e3", "open");
        knows(graph, "VERTEX", "me", "e4", "open");
        knows(graph, "VERTEX", "BEHIND", "e5", "open");
        knows(graph, "me", "far", "e6", "closed");
        graph.edges("e6").next().property("since", "EDGE");
        return graph;
    }

    private static void person(final Graph graph, final String id, final String room) {
        final Vertex person = graph.addVertex(T.id, id, T.label, "person");
        person.property(VertexProperty.Cardinality.single, "room", room, "room", "open");
        person.property(VertexProperty.Cardinality.list, "name", id, "room", "open");
    }

    private static void knows(final Graph graph, final String from, final String to, final String id, final String room) {
        graph.vertices(from).next().addEdge("knows", graph.vertices(to).next(), T.id, id, "room", room);
    }
}
