package io.github.neptuneml.gremlin;

import static io.github.neptuneml.gremlin.NeptuneML.CLASSIFICATION;
import static io.github.neptuneml.gremlin.NeptuneML.DETERMINISTIC;
import static io.github.neptuneml.gremlin.NeptuneML.DISABLE_INDUCTIVE_INFERENCE_METADATA_CACHE;
import static io.github.neptuneml.gremlin.NeptuneML.ENDPOINT;
import static io.github.neptuneml.gremlin.NeptuneML.INDUCTIVE_INFERENCE;
import static io.github.neptuneml.gremlin.NeptuneML.REGRESSION;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.neptuneml.gremlin.failure.NeptuneMLException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Date;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.GraphTraversal;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.GraphTraversalSource;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.__;
import org.apache.tinkerpop.gremlin.structure.Graph;
import org.apache.tinkerpop.gremlin.structure.T;
import org.apache.tinkerpop.gremlin.structure.Vertex;
import org.apache.tinkerpop.gremlin.structure.VertexProperty;
import org.apache.tinkerpop.gremlin.tinkergraph.structure.TinkerGraph;
import org.apache.tinkerpop.gremlin.tinkergraph.structure.TinkerTransactionGraph;
import org.apache.tinkerpop.shaded.jackson.databind.JsonNode;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Answers computed from the graph as it is now: what is gathered, when, and what it costs. */
class InductiveTest extends PredictionTest {

    private static final String[] KNOWS = {"person", "knows", "person"};
    private static final String[] CREATED = {"person", "created", "software"};

    @BeforeEach
    void endpoints() {
        service.with(model(FakeEndpoint.node("country", "node_class", "person", "country", "String"), 10, 10).answer("*", "US", 0.9));
        service.with(model(FakeEndpoint.node("age", "node_regression", "person", "age", "Integer"), 10).answer("*", 30, 0));
        service.with(model(FakeEndpoint.edge("mood", "edge_class", "person", "created", "software", "mood", "String"), 10).answer("*", "calm", 0.8));
    }

    private static FakeEndpoint model(final FakeEndpoint endpoint, final int... fanouts) {
        return endpoint.inductive(fanouts).reads("person", "name", "age").reads("software").reads(KNOWS).reads(CREATED, "weight");
    }

    private GraphTraversalSource inductive(final String endpoint) {
        return g(endpoint).with(INDUCTIVE_INFERENCE);
    }

    private static GraphTraversal<?, Object> country(final GraphTraversal<?, ?> elements) {
        return elements.values("country").with(CLASSIFICATION);
    }

    private FakeService.Request last() {
        return service.requests.get(service.requests.size() - 1);
    }

    private List<Integer> batches() {
        return service.requests.stream().map(request -> request.items().size()).collect(Collectors.toList());
    }

    private static List<String> texts(final JsonNode list) {
        final List<String> texts = new ArrayList<>();
        list.forEach(text -> texts.add(text.isNull() ? null : text.isArray() ? text.toString() : text.asText()));
        return texts;
    }

    /** Messages as {@code source>target/drawnFrom}, by ids. */
    private static TreeSet<String> messages(final FakeService.Request request, final String label, final boolean reverse) {
        final JsonNode messages = request.messages(label, reverse);
        final JsonNode sources = request.nodes(messages.path("from").asText()).path("ids");
        final JsonNode targets = request.nodes(messages.path("to").asText()).path("ids");
        final TreeSet<String> shown = new TreeSet<>();
        for (int i = 0; i < messages.path("sources").size(); i++)
            shown.add(sources.get(messages.path("sources").get(i).asInt()).asText() + ">"
                    + targets.get(messages.path("targets").get(i).asInt()).asText() + "/" + messages.path("drawnFrom").get(i).asInt());
        return shown;
    }

    private static TreeSet<String> setOf(final String... messages) {
        return new TreeSet<>(List.of(messages));
    }

    @Test
    void gathersTwoHopsInBothDirections() {
        assertEquals(List.of("US"), country(inductive("country").V(1)).toList());
        final FakeService.Request request = last();
        assertEquals(List.of("1", "2", "4", "6"), texts(request.nodes("person").path("ids")).stream().sorted().collect(Collectors.toList()));
        assertEquals("1", request.nodes("person").path("ids").get(0).asText(), "the item comes first");
        assertEquals(setOf("1>2/1", "1>4/1"), messages(request, "knows", false));
        assertEquals(setOf("1>2/2", "1>4/2"), messages(request, "knows", true));
        assertEquals(setOf("1>3/3", "4>3/3", "6>3/3"), messages(request, "created", false), "3 is one hop away and expanded");
        assertEquals(setOf("1>3/1", "4>3/2", "4>5/2"), messages(request, "created", true), "5 and 6 are two hops away and not");
    }

    @Test
    void oneHopGoesNoFurther() {
        inductive("age").V(1).values("age").with(REGRESSION).iterate();
        assertEquals(new TreeSet<>(), messages(last(), "knows", false), "nobody knows 1");
        assertEquals(setOf("1>2/2", "1>4/2"), messages(last(), "knows", true));
        assertEquals(setOf("1>3/1"), messages(last(), "created", true));
    }

    @Test
    void propertiesAreColumns() {
        graph.vertices(2).next().property(VertexProperty.Cardinality.list, "name", "vad\"as;2");
        graph.vertices(2).next().property("age").remove();
        graph.vertices(4).next().property("age", new Date(0));
        inductive("age").V(1).values("age").with(REGRESSION).iterate();
        final JsonNode persons = last().nodes("person");
        final List<String> ids = texts(persons.path("ids"));
        final List<String> names = texts(persons.path("properties").path("name"));
        final List<String> ages = texts(persons.path("properties").path("age"));
        assertEquals("[\"vadas\",\"vad\\\"as;2\"]", names.get(ids.indexOf("2")));
        assertEquals("marko", names.get(ids.indexOf("1")));
        assertEquals(null, ages.get(ids.indexOf("2")));
        assertEquals("1970-01-01T00:00:00Z", ages.get(ids.indexOf("4")));
        assertEquals("{}", last().nodes("software").path("properties").toString(), "nothing is read of software");
        assertEquals("{\"weight\":[\"0.4\"]}", last().messages("created", true).path("properties").toString());
    }

    @Test
    void unknownTypesStayOutside() {
        final Vertex person = graph.vertices(2).next();
        person.addEdge("created", graph.addVertex(T.id, 77, T.label, "place"));
        person.addEdge("likes", graph.vertices(6).next());
        graph.vertices(3).next().addEdge("created", person);
        inductive("age").V(2).values("age").with(REGRESSION).iterate();
        final String body = last().body.toString();
        assertFalse(body.contains("place") || body.contains("likes") || body.contains("\"77\""), body);
        assertEquals(new TreeSet<>(), messages(last(), "created", true), "an edge between the wrong labels is of another type");
    }

    @Test
    void elementsOfOtherLabelsAreNotAsked() {
        assertEquals(List.of(), country(inductive("country").V(3, 5)).toList());
        assertEquals(List.of(), inductive("mood").E(7, 8).values("mood").with(CLASSIFICATION).toList());
        assertEquals(0, service.requests.size());
    }

    @Test
    void cyclesSelfLoopsAndParallelEdges() {
        graph = TinkerGraph.open();
        final Vertex a = graph.addVertex(T.id, "a b/'\"ä", T.label, "person");
        final Vertex b = graph.addVertex(T.id, "b", T.label, "person");
        a.addEdge("knows", a);
        a.addEdge("knows", b);
        a.addEdge("knows", b);
        b.addEdge("knows", a);
        country(inductive("country").V("b")).iterate();
        final JsonNode messages = last().messages("knows", false);
        assertEquals(List.of("b", "a b/'\"ä"), texts(last().nodes("person").path("ids")));
        assertEquals(4, messages.path("sources").size(), "each edge carries one message to its target: " + messages);
        assertEquals(4, last().messages("knows", true).path("sources").size(), "and one to its source");
        assertEquals(setOf("a b/'\"ä>a b/'\"ä/2", "a b/'\"ä>b/2", "b>a b/'\"ä/2"), messages(last(), "knows", false));
    }

    private static Graph star(final int edges, final boolean shuffled) {
        final Graph star = TinkerGraph.open();
        final Vertex hub = star.addVertex(T.id, "hub", T.label, "person");
        final List<Integer> order = new ArrayList<>();
        for (int i = 0; i < edges; i++) order.add(i);
        if (shuffled) Collections.shuffle(order, new Random(3));
        for (final int i : order)
            star.addVertex(T.id, "v" + i, T.label, "person", "name", "n" + i).addEdge("knows", hub, T.id, "e" + i);
        return star;
    }

    @Test
    void aSuperNodeIsSampled() {
        graph = star(100_000, false);
        country(inductive("country").V("hub")).iterate();
        final JsonNode messages = last().messages("knows", false);
        assertEquals(10, new HashSet<>(texts(messages.path("sources"))).size());
        assertEquals(List.of("100000"), texts(messages.path("drawnFrom")).stream().distinct().collect(Collectors.toList()));
        assertEquals(11, last().nodes("person").path("ids").size());
    }

    private String drawn(final boolean deterministic) {
        country(inductive("country").with(DETERMINISTIC, deterministic).V("hub")).iterate();
        return last().body.path("data").path("subgraph").toString();
    }

    @Test
    void deterministicDrawsAreAlwaysTheSame() {
        graph = star(1000, false);
        final String first = drawn(true);
        assertEquals(first, drawn(true));
        graph = star(1000, true);
        assertEquals(first, drawn(true), "whatever the graph's order");
        assertNotEquals(first, drawn(false));
        assertNotEquals(drawn(false), drawn(false));
    }

    @Test
    void theStepWinsOverTheSource() {
        country(inductive("country").V(1)).iterate();
        assertTrue(last().body.path("data").has("subgraph"));
        inductive("country").V(1).values("country").with(CLASSIFICATION).with(INDUCTIVE_INFERENCE, false).iterate();
        assertFalse(last().body.path("data").has("subgraph"));
        g("country").V(2).values("country").with(CLASSIFICATION).with(INDUCTIVE_INFERENCE).iterate();
        assertTrue(last().body.path("data").has("subgraph"));
        g("country").with(INDUCTIVE_INFERENCE, false).V(2).values("country").with(CLASSIFICATION).with(INDUCTIVE_INFERENCE, true).iterate();
        assertTrue(last().body.path("data").has("subgraph"));
    }

    @Test
    void deterministicAloneMeansNothing() {
        g("country").with(DETERMINISTIC).V(4).values("country").with(CLASSIFICATION).iterate();
        assertFalse(last().body.path("data").has("subgraph"));
    }

    @Test
    void edgesThatAreAskedAboutCarryNoMessages() {
        assertEquals(List.of("calm", "calm"), inductive("mood").E(9, 10).barrier().values("mood").with(CLASSIFICATION).toList());
        final FakeService.Request first = service.requests.get(0);
        assertEquals(List.of(1, 1), batches());
        assertEquals("{\"weight\":\"0.4\"}", first.items().get(0).path("properties").toString());
        assertEquals("9", first.items().get(0).path("edgeId").asText());
        assertEquals(setOf("4>3/2", "6>3/2"), messages(first, "created", false), "edge 9 from 1 to 3 is silent");
        assertEquals(new TreeSet<>(), messages(first, "created", true));
        service.requests.clear();
        inductive("mood").E(7, 9, 10, 11).values("mood").with(CLASSIFICATION).iterate();
        assertEquals(List.of(3), batches());
        assertEquals(setOf("6>3/1"), messages(last(), "created", false), "9, 10 and 11 are silent");
    }

    @Test
    void deterministicEdgesAreAskedAboutAlone() {
        inductive("mood").with(DETERMINISTIC).E(9, 10, 11, 12).values("mood").with(CLASSIFICATION).iterate();
        assertEquals(List.of(1, 1, 1, 1), batches());
    }

    /** A vertex may be an item, or one hop from another: it must draw alike, or the other's answer would change. */
    @Test
    void deterministicDrawsDoNotDependOnTheCompany() {
        service.with(model(FakeEndpoint.node("uneven", "node_class", "person", "country", "String"), 5, 10).answer("*", "US", 0.9));
        graph = star(100, false);
        final GraphTraversalSource g = inductive("uneven").with(DETERMINISTIC);
        country(g.V("v1", "v0", "hub")).iterate();
        assertEquals(List.of(1, 2), batches());
        final TreeSet<String> alone = messages(service.requests.get(0), "knows", false);
        assertEquals(10, alone.size());
        assertEquals(alone, messages(service.requests.get(1), "knows", false), "the hub is an item here");
        service.requests.clear();
        country(inductive("uneven").V("hub", "v0")).iterate();
        assertEquals(5, messages(service.requests.get(0), "knows", false).size(), "nothing is wider than need be otherwise");
    }

    private void crowd(final int size, final int textLength) {
        graph = TinkerGraph.open();
        for (int i = 0; i < size; i++) graph.addVertex(T.id, i, T.label, "person", "name", "x".repeat(textLength));
    }

    @Test
    void batchesGrowUpTo256() {
        crowd(700, 1);
        assertEquals(700, country(inductive("country").V()).toList().size());
        assertEquals(List.of(1, 16, 256, 256, 171), batches());
    }

    @Test
    void batchesShrinkToTheLargestRequest() {
        crowd(73, 40_000);
        final GraphTraversalSource g = g(settings().maxRequestMib(1).create()).with(ENDPOINT, "country").with(INDUCTIVE_INFERENCE);
        assertEquals(73L, country(g.V()).count().next());
        assertEquals(List.of(18, 18, 18, 18, 1), batches());
    }

    @Test
    void anItemThatIsTooLargeAloneIsAFailure() {
        crowd(1, 2_000_000);
        final NeptuneMLException failure = assertThrows(NeptuneMLException.class, () -> country(
                g(settings().maxRequestMib(1).create()).with(ENDPOINT, "country").with(INDUCTIVE_INFERENCE).V()).iterate());
        assertEquals("BadRequestException", failure.code());
        assertTrue(failure.getMessage().contains("maxRequestMib") && failure.getMessage().contains("fanout"), failure.getMessage());
        assertEquals(0, service.requests.size());
    }

    @Test
    void aWorkerThatTakesLessIsAskedForLess() {
        crowd(9, 1);
        service.workersSay(FakeService.Canned.error(413, "InvalidParameterException", "too large"));
        final NeptuneMLException failure = assertThrows(NeptuneMLException.class, () -> country(inductive("country").V()).iterate());
        assertEquals("BadRequestException", failure.code());
        assertTrue(failure.getMessage().contains("the worker takes"), failure.getMessage());
    }

    @Test
    void uncommittedDataIsSeenInOneQuery() {
        assertEquals(List.of("US"), country(inductive("country").V(1).as("m")
                .addV("person").property(T.id, 99).property("name", "n").as("n")
                .addE("knows").from("m").to("n").select("n")).toList());
        assertEquals("99", last().nodes("person").path("ids").get(0).asText());
        assertTrue(messages(last(), "knows", false).contains("1>99/1"), last().body.toString());
    }

    @Test
    void uncommittedDataIsSeenInATransaction() {
        graph = TinkerTransactionGraph.open();
        final GraphTraversalSource tx = inductive("country");
        tx.tx().open();
        tx.addV("person").property(T.id, 1L).iterate();
        country(tx.V(1L)).iterate();
        assertEquals(1, last().nodes("person").path("ids").size());
        tx.addV("person").property(T.id, 2L).addE("knows").from(__.V(1L)).iterate();
        country(tx.V(1L)).iterate();
        assertEquals(List.of("1", "2"), texts(last().nodes("person").path("ids")));
        tx.tx().rollback();
    }

    @Test
    void theSameItemCostsOnceInAQuery() {
        country(inductive("country").V(1).union(__.identity(), __.V(1), __.V(2)).hasLabel("person")).iterate();
        assertEquals(List.of(1, 1), batches());
        service.requests.clear();
        inductive("country").V(1, 2).project("a", "b").by(__.values("country").with(CLASSIFICATION))
                .by(__.values("country").with(CLASSIFICATION)).iterate();
        assertEquals(2, batches().stream().mapToInt(size -> size).sum());
    }

    @Test
    void theEndpointsTableIsNotAsked() {
        service.with(model(FakeEndpoint.node("tabled", "node_class", "person", "country", "String"), 10).answer("1", "US", 0.9).tabled());
        country(inductive("tabled").V(1)).iterate();
        inductive("tabled").V(1).project("c").by(__.values("country").with(CLASSIFICATION)).iterate();
        assertEquals(List.of(1, 1), batches());
        country(g("tabled").V(1)).iterate();
        assertEquals(2, service.requests.size(), "the table answers where the graph as it is now is not asked for");
    }

    @Test
    void nothingIsKeptFromOneQueryToTheNext() {
        country(inductive("country").V(1)).iterate();
        country(inductive("country").V(1)).iterate();
        assertEquals(List.of(1, 1), batches());
    }

    @Test
    void aQueryThatChangesTheGraphAsksAgain() {
        assertEquals(2L, country(inductive("country").V(2, 2).addE("knows").to(__.V(6)).outV()).count().next());
        assertEquals(List.of(1, 1), batches());
        assertTrue(messages(service.requests.get(0), "knows", true).contains("2>6/1"));
        assertTrue(messages(service.requests.get(1), "knows", true).contains("2>6/2"));
    }

    @Test
    void theDescriptionIsAskedForAgainAtOnce() {
        final GraphTraversalSource g = inductive("country");
        country(g.V(1)).iterate();
        service.with(model(FakeEndpoint.node("country", "node_class", "person", "country", "String"), 10).update("country-2").answer("*", "FR", 0.9));
        country(g.V(1)).iterate();
        assertEquals("country-1", last().parameters().path("artifactVersion").asText(), "known for a second");
        country(g.with(DISABLE_INDUCTIVE_INFERENCE_METADATA_CACHE).V(1)).iterate();
        assertEquals("country-2", last().parameters().path("artifactVersion").asText());
        assertEquals(2, service.descriptions.size());
    }

    @Test
    void aQueryKeepsItsVersionAllTheSame() {
        final GraphTraversal<?, Object> query = inductive("country").with(DISABLE_INDUCTIVE_INFERENCE_METADATA_CACHE).V(1)
                .union(__.values("country").with(CLASSIFICATION), __.V(2).values("country").with(CLASSIFICATION));
        query.next();
        service.with(model(FakeEndpoint.node("country", "node_class", "person", "country", "String"), 10).update("country-2").answer("*", "FR", 0.9));
        query.next();
        assertEquals("country-1", last().parameters().path("artifactVersion").asText());
        assertEquals(2, batches().size());
    }

    @Test
    void severalEndpointsInOneQuery() {
        assertEquals(List.of("US", 30.0), g().V(1).union(
                __.values("country").with(CLASSIFICATION).with(ENDPOINT, "country").with(INDUCTIVE_INFERENCE),
                __.values("age").with(REGRESSION).with(ENDPOINT, "age").with(INDUCTIVE_INFERENCE)).toList());
        assertEquals(2, service.requests.size());
        assertNotEquals(service.requests.get(0).body.path("data").path("subgraph"), service.requests.get(1).body.path("data").path("subgraph"),
                "one model looks two hops far, the other one");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "{}", "{\"answers\": []}"})
    void malformedAnswersAreRefused(final String body) {
        service.workersSay(new FakeService.Canned(200, body));
        assertEquals("ConstraintViolationException", assertThrows(NeptuneMLException.class,
                () -> country(inductive("country").V(1)).iterate()).code());
    }
}
