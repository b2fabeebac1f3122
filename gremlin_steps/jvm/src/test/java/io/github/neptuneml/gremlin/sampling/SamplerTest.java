package io.github.neptuneml.gremlin.sampling;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.neptuneml.gremlin.wire.InductiveSchema;
import io.github.neptuneml.gremlin.wire.Schemas;
import java.io.IOException;
import java.io.StringWriter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.apache.tinkerpop.gremlin.structure.Direction;
import org.apache.tinkerpop.gremlin.structure.Edge;
import org.apache.tinkerpop.gremlin.structure.Graph;
import org.apache.tinkerpop.gremlin.structure.T;
import org.apache.tinkerpop.gremlin.structure.Vertex;
import org.apache.tinkerpop.gremlin.tinkergraph.structure.TinkerGraph;
import org.apache.tinkerpop.shaded.jackson.core.JsonGenerator;
import org.apache.tinkerpop.shaded.jackson.databind.JsonNode;
import org.apache.tinkerpop.shaded.jackson.databind.ObjectMapper;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Neighbourhoods of random graphs, with loops and parallel edges, against a plain walk over all edges. */
class SamplerTest {

    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final String[][] EDGES = {{"person", "knows", "person"}, {"person", "likes", "film"}};
    private static final int VERTICES = 14;

    private final Graph graph = TinkerGraph.open();

    /** Persons, the first two among them, and films, and companies and employments, which the model does not know. */
    private void fill(final int seed) {
        final Random random = new Random(seed);
        final String[] labels = {"person", "person", "film", "company"};
        for (int i = 0; i < VERTICES; i++) graph.addVertex(T.id, "v" + i, T.label, labels[i < 2 ? i : random.nextInt(labels.length)], "name", "name of v" + i);
        final String[] kinds = {"knows", "likes", "works"};
        for (int i = 0; i < 3 * VERTICES; i++)
            vertex(random).addEdge(kinds[random.nextInt(kinds.length)], vertex(random), T.id, "e" + i, "since", i);
    }

    private Vertex vertex(final Random random) {
        return graph.vertices("v" + random.nextInt(VERTICES)).next();
    }

    private List<Vertex> seeds() {
        return List.of(graph.vertices("v0").next(), graph.vertices("v1").next());
    }

    private static InductiveSchema schema(final Integer... fanouts) {
        return Schemas.of(Map.of("person", List.of("name"), "film", List.of()), List.of("since"), List.of(fanouts), EDGES);
    }

    private JsonNode sample(final InductiveSchema schema, final List<Vertex> seeds, final long seed) throws IOException {
        final VisibleGraph visible = new VisibleGraph(graph.traversal().V().asAdmin(), schema);
        return json(new Sampler(schema, visible, schema.fanouts(), seed).around(seeds, Set.of()));
    }

    private static JsonNode json(final Subgraph subgraph) throws IOException {
        final StringWriter text = new StringWriter();
        try (JsonGenerator json = MAPPER.getFactory().createGenerator(text)) {
            subgraph.write(json);
        }
        return MAPPER.readTree(text.toString());
    }

    private static Set<String> ids(final JsonNode subgraph) {
        final Set<String> ids = new HashSet<>();
        for (final JsonNode nodes : subgraph.path("nodes")) for (final JsonNode id : nodes.path("ids")) ids.add(id.asText());
        return ids;
    }

    /** Each message as {@code edge, from, to, reverse}, with how many it was drawn from. */
    private static Map<String, Long> messages(final JsonNode subgraph) {
        final Map<String, List<String>> ids = new HashMap<>();
        for (final JsonNode nodes : subgraph.path("nodes")) {
            final List<String> list = ids.computeIfAbsent(nodes.path("type").asText(), type -> new ArrayList<>());
            for (final JsonNode id : nodes.path("ids")) list.add(id.asText());
        }
        final Map<String, Long> messages = new TreeMap<>();
        for (final JsonNode edges : subgraph.path("edges"))
            for (int i = 0; i < edges.path("sources").size(); i++) {
                final String from = ids.get(edges.path("from").asText()).get(edges.path("sources").get(i).asInt());
                final String to = ids.get(edges.path("to").asText()).get(edges.path("targets").get(i).asInt());
                final String key = "e" + edges.path("properties").path("since").get(i).asText() + " " + from + ">" + to + " " + edges.path("reverse");
                assertEquals(null, messages.put(key, edges.path("drawnFrom").get(i).asLong()), "twice: " + key);
            }
        return messages;
    }

    private static boolean known(final Edge edge) {
        for (final String[] type : EDGES)
            if (edge.outVertex().label().equals(type[0]) && edge.label().equals(type[1]) && edge.inVertex().label().equals(type[2])) return true;
        return false;
    }

    /** The messages that reach a vertex along one edge label in one direction. */
    private static List<String> reaching(final Vertex vertex, final String label, final boolean reverse) {
        final List<String> messages = new ArrayList<>();
        vertex.edges(reverse ? Direction.OUT : Direction.IN, label).forEachRemaining(edge -> {
            if (known(edge)) messages.add(edge.id() + " " + edge.outVertex().id() + ">" + edge.inVertex().id() + " " + reverse);
        });
        return messages;
    }

    private static Set<Vertex> neighbours(final Vertex vertex) {
        final Set<Vertex> neighbours = new LinkedHashSet<>();
        vertex.edges(Direction.BOTH).forEachRemaining(edge -> {
            if (known(edge)) neighbours.add(edge.outVertex().equals(vertex) ? edge.inVertex() : edge.outVertex());
        });
        return neighbours;
    }

    /** The plain walk: what all edges bring within so many hops. */
    private Map<String, Long> everything(final int hops, final Set<Vertex> reached) {
        final Map<String, Long> messages = new TreeMap<>();
        Set<Vertex> frontier = new HashSet<>(seeds());
        reached.addAll(frontier);
        for (int hop = 0; hop < hops; hop++) {
            final Set<Vertex> next = new HashSet<>();
            for (final Vertex vertex : frontier) {
                for (final boolean reverse : new boolean[] {false, true})
                    for (final String label : List.of("knows", "likes")) {
                        final List<String> here = reaching(vertex, label, reverse);
                        here.forEach(message -> messages.put(message, (long) here.size()));
                    }
                for (final Vertex other : neighbours(vertex)) if (reached.add(other)) next.add(other);
            }
            frontier = next;
        }
        return messages;
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4, 5, 6, 7, 8})
    void withoutLimitsEverythingWithinTheHopsIsGathered(final int seed) throws IOException {
        fill(seed);
        for (int hops = 0; hops <= 3; hops++) {
            final Integer[] fanouts = new Integer[hops];
            Arrays.fill(fanouts, -1);
            final JsonNode subgraph = sample(schema(fanouts), seeds(), seed);
            final Set<Vertex> reached = new HashSet<>();
            assertEquals(everything(hops, reached), messages(subgraph), "after " + hops + " hops");
            assertEquals(reached.stream().map(vertex -> (String) vertex.id()).collect(Collectors.toSet()), ids(subgraph));
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4, 5, 6, 7, 8})
    void aFanoutLimitsWhatEachVertexDrawsOfEachTypeAndDirection(final int seed) throws IOException {
        fill(seed);
        final Map<String, Long> all = everything(3, new HashSet<>());
        final Map<String, Long> drawn = messages(sample(schema(1, 1, 1), seeds(), seed));
        final Map<String, Integer> perVertex = new HashMap<>();
        drawn.forEach((message, from) -> {
            assertEquals(all.get(message), from, message);
            final String[] parts = message.split("[ >]");
            final String label = graph.edges(parts[0]).next().label();
            perVertex.merge((parts[3].equals("true") ? parts[1] : parts[2]) + label + parts[3], 1, Integer::sum);
        });
        assertTrue(perVertex.values().stream().allMatch(count -> count == 1), perVertex.toString());
        assertEquals(drawn, messages(sample(schema(1, 1, 1), seeds(), seed)), "the same seed draws the same");
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3})
    void columnsStandBesideTheirIds(final int seed) throws IOException {
        fill(seed);
        for (final JsonNode nodes : sample(schema(-1, -1), seeds(), seed).path("nodes")) {
            final JsonNode names = nodes.path("properties").path("name");
            if (nodes.path("type").asText().equals("film")) assertTrue(names.isMissingNode());
            else for (int i = 0; i < nodes.path("ids").size(); i++) assertEquals("name of " + nodes.path("ids").get(i).asText(), names.get(i).asText());
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3})
    void silentEdgesCarryNoMessages(final int seed) throws IOException {
        fill(seed);
        final InductiveSchema schema = schema(-1, -1, -1);
        final Set<String> loud = everything(3, new HashSet<>()).keySet();
        final String silent = loud.stream().findFirst().orElseThrow().split(" ")[0];
        final VisibleGraph visible = new VisibleGraph(graph.traversal().V().asAdmin(), schema);
        final Set<String> heard = messages(json(new Sampler(schema, visible, schema.fanouts(), 0).around(seeds(), Set.of(silent)))).keySet();
        assertTrue(loud.containsAll(heard) && heard.stream().noneMatch(message -> message.startsWith(silent + " ")), heard.toString());
    }
}
