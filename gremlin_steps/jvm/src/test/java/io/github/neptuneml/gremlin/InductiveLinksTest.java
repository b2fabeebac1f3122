package io.github.neptuneml.gremlin;

import static io.github.neptuneml.gremlin.NeptuneML.DETERMINISTIC;
import static io.github.neptuneml.gremlin.NeptuneML.FILTER_EXISTING_EDGES;
import static io.github.neptuneml.gremlin.NeptuneML.INDUCTIVE_INFERENCE;
import static io.github.neptuneml.gremlin.NeptuneML.LIMIT;
import static io.github.neptuneml.gremlin.NeptuneML.PREDICTION;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.neptuneml.gremlin.failure.NeptuneMLException;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.stream.Collectors;
import org.apache.tinkerpop.gremlin.process.traversal.TraversalStrategy;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.GraphTraversalSource;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.__;
import org.apache.tinkerpop.gremlin.process.traversal.strategy.decoration.PartitionStrategy;
import org.apache.tinkerpop.gremlin.process.traversal.strategy.decoration.SubgraphStrategy;
import org.apache.tinkerpop.gremlin.structure.T;
import org.apache.tinkerpop.gremlin.tinkergraph.structure.TinkerTransactionGraph;
import org.apache.tinkerpop.shaded.jackson.databind.JsonNode;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Link prediction from the graph as it is now, with sources and candidates that training never saw (decision 29). */
class InductiveLinksTest extends PredictionTest {

    private static final String[] CREATED = {"person", "created", "software"};
    private static final String[] KNOWS = {"person", "knows", "person"};

    /** The model knows all of the modern graph but the software added here: 103 first, then 3, 5 and 104. */
    @BeforeEach
    void newSoftware() {
        graph.addVertex(T.id, 103, T.label, "software", "name", "new");
        service.with(model("live").knows("software", "3", "5").knows("person", "1", "2", "4", "6"));
    }

    private static FakeEndpoint model(final String name) {
        return FakeEndpoint.links(name, CREATED, KNOWS).ids("person", "Integer", 4).ids("software", "Integer", 2)
                .inductive(10, 10).reads("person").reads("software", "name").reads(CREATED).reads(KNOWS)
                .answer("*", "103", 0.9).answer("*", "3", 0.8).answer("*", "5", 0.7).answer("*", "104", 0.6)
                .answer("6", "3", 0.8).answer("6", "5", 0.7).answer("6", "104", 0.6);
    }

    private GraphTraversalSource live() {
        return g("live").with(INDUCTIVE_INFERENCE);
    }

    private static List<Object> tails(final GraphTraversalSource g, final Object... sources) {
        return g.V(sources).out("created").with(PREDICTION).hasLabel("software").id().toList();
    }

    private List<FakeService.Request> asked(final String mode) {
        return service.requests.stream().filter(request -> request.body.path("mode").asText().equals(mode)).collect(Collectors.toList());
    }

    private static JsonNode newCandidates(final FakeService.Request request) {
        return request.body.path("data").path("newCandidates");
    }

    @Test
    void newCandidatesAreEmbeddedAndRanked() throws Exception {
        assertEquals(List.of(103), tails(live(), 2));
        final FakeService.Request embed = asked("embed").get(0);
        assertEquals("[{\"nodeId\":\"103\"}]", embed.items().toString());
        assertEquals("software", embed.parameters().path("nodeType").asText());
        assertEquals("{\"name\":[\"new\"]}", embed.nodes("software").path("properties").toString());
        final FakeService.Request ranking = asked("predict_tail").get(0);
        assertEquals("[\"103\"]", newCandidates(ranking).path("ids").toString());
        assertEquals("AAAAAAAAgD8=", Base64.getEncoder().encodeToString(newCandidates(ranking).path("embeddings").binaryValue()));
        assertEquals("2", ranking.nodes("person").path("ids").get(0).asText());
    }

    @Test
    void newCandidatesCountAmongThoseThatThereAre() {
        graph.addVertex(T.id, 104, T.label, "software");
        assertEquals(List.of(103, 3, 5, 104), tails(live().with(LIMIT, 4), 2));
        assertEquals(List.of(103, 3, 5, 104), tails(live().with(LIMIT, 100), 2));
    }

    @Test
    void aNewSourceIsKnownByItsNeighbours() {
        assertEquals(List.of(103), live().addV("person").property(T.id, 200).as("n").addE("created").to(__.V(5)).select("n")
                .out("created").with(PREDICTION).hasLabel("software").id().toList());
        final FakeService.Request ranking = asked("predict_tail").get(0);
        assertEquals("200", ranking.nodes("person").path("ids").get(0).asText());
        assertEquals("[\"103\"]", newCandidates(ranking).path("ids").toString());
    }

    @Test
    void headsToo() {
        assertEquals(List.of(), live().V(3).in("created").with(PREDICTION).hasLabel("person").toList(), "the fake ranks software");
        assertEquals(0, asked("embed").size(), "all persons are known");
        assertFalse(asked("predict_head").get(0).body.path("data").has("newCandidates"));
    }

    @Test
    void withoutTheirWordKnownCandidatesAreAllThereAre() {
        tails(g("live"), 2);
        assertEquals(0, asked("embed").size());
        assertFalse(asked("predict_tail").get(0).body.path("data").has("subgraph"));
    }

    @Test
    void existingEdgesAreLeftOut() {
        graph.vertices(2).next().addEdge("created", graph.vertices(103).next());
        assertEquals(List.of(3), live().V(2).out("created").with(PREDICTION).with(FILTER_EXISTING_EDGES).hasLabel("software").id().toList());
    }

    @Test
    void nothingIsEmbeddedWhereNothingIsAsked() {
        assertEquals(List.of(), tails(live(), 3), "no software creates software");
        assertEquals(0, service.requests.size());
    }

    @Test
    void embeddingsAreKeptForOthersOnlyWhereThereAreNoTransactions() {
        final GraphTraversalSource shared = live();
        tails(shared, 2);
        tails(shared, 4);
        assertEquals(1, asked("embed").size());
        graph = TinkerTransactionGraph.open();
        final GraphTraversalSource tx = live();
        tx.tx().open();
        tx.addV("person").property(T.id, 1L).addV("software").property(T.id, 103L).property("name", "new").iterate();
        tails(tx, 1L);
        tx.V(103L).property("name", "newer").iterate();
        tails(tx, 1L);
        assertEquals("{\"name\":[\"newer\"]}", asked("embed").get(2).nodes("software").path("properties").toString());
        tx.tx().rollback();
    }

    @Test
    void tooManyNewCandidatesAreAFailure() {
        for (int id = 104; id < 107; id++) graph.addVertex(T.id, id, T.label, "software");
        final NeptuneMLException failure = assertThrows(NeptuneMLException.class, () -> tails(live(), 2));
        assertEquals("BadRequestException", failure.code());
        assertTrue(failure.getMessage().contains("more than 3 vertices labelled 'software'"), failure.getMessage());
        assertEquals(0, service.requests.size());
    }

    @Test
    void withoutATableOfIdsNobodyKnowsWhatIsNew() {
        service.with(model("untold"));
        final NeptuneMLException failure = assertThrows(NeptuneMLException.class, () -> tails(g("untold").with(INDUCTIVE_INFERENCE), 2));
        assertEquals("BadRequestException", failure.code());
        assertTrue(failure.getMessage().contains("'software'") && failure.getMessage().contains("transform"), failure.getMessage());
    }

    @Test
    void embeddingsAreSharedForAWhile() {
        final GraphTraversalSource g = live();
        tails(g, 2);
        tails(g, 4);
        assertEquals(1, asked("embed").size());
        graph.addVertex(T.id, 104, T.label, "software");
        tails(g, 4);
        assertEquals("[{\"nodeId\":\"104\"}]", asked("embed").get(1).items().toString());
        assertEquals("[\"103\",\"104\"]", newCandidates(service.requests.get(service.requests.size() - 1)).path("ids").toString());
        tails(g.with(DETERMINISTIC), 4);
        assertEquals(3, asked("embed").size(), "sampled in another way");
    }

    @Test
    void embeddingsAreNotSharedAcrossGraphsAndRules() {
        final GraphTraversalSource g = live();
        tails(g, 2);
        tails(g.withStrategies(SubgraphStrategy.build().edges(__.hasLabel("created")).create()), 2);
        assertEquals(2, asked("embed").size(), "another source may see other neighbours");
        g.addV("person").out("created").with(PREDICTION).hasLabel("software").iterate();
        assertEquals(3, asked("embed").size(), "a query that changes the graph sees its own changes");
    }

    @Test
    void oneQueryEmbedsOnce() {
        final GraphTraversalSource g = live().withStrategies(SubgraphStrategy.build().edges(__.hasLabel("created")).create());
        assertEquals(List.of(103, 103, 103), tails(g, 1, 2, 4));
        assertEquals(1, asked("embed").size());
        assertEquals(List.of(1, 2), asked("predict_tail").stream().map(request -> request.items().size()).collect(Collectors.toList()));
    }

    @Test
    void theSameSourceCostsOnceInAQuery() {
        live().V(2).union(__.identity(), __.V(2), __.V(2)).out("created").with(PREDICTION).hasLabel("software").iterate();
        assertEquals(1, asked("predict_tail").size());
    }

    @Test
    void whatMayNotBeSeenIsNoCandidate() {
        graph.addVertex(T.id, 104, T.label, "software", "tenant", "a");
        graph.traversal().V().hasLabel("person").property("tenant", "a").iterate();
        for (final TraversalStrategy<?> rule : List.<TraversalStrategy<?>>of(SubgraphStrategy.build().vertices(__.has("tenant", "a")).create(),
                PartitionStrategy.build().partitionKey("tenant").readPartitions("a").create())) {
            service.requests.clear();
            assertEquals(List.of(104), tails(live().with(LIMIT, 3).withStrategies(rule), 6));
            for (final FakeService.Request request : service.requests)
                assertFalse(request.body.toString().contains("\"103\""), request.body.toString());
        }
    }

    @Test
    void largeBatchesOfSourcesAreSplit() {
        final List<Object> sources = new ArrayList<>();
        for (int id = 1000; id < 1700; id++) sources.add(graph.addVertex(T.id, id, T.label, "person").id());
        assertEquals(700, tails(live(), sources.toArray()).size());
        assertEquals(List.of(1, 16, 256, 256, 171), asked("predict_tail").stream().map(request -> request.items().size()).collect(Collectors.toList()));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "[]", "{}", "{'width': 2, 'embeddings': 'AAAAAAAAgD8=', 'artifactVersion': 'other'}",
        "{'width': 2, 'artifactVersion': 'live-1'}", "{'width': 2, 'embeddings': 5, 'artifactVersion': 'live-1'}",
        "{'width': 3, 'embeddings': 'AAAAAAAAgD8=', 'artifactVersion': 'live-1'}",
        "{'width': 0, 'embeddings': '', 'artifactVersion': 'live-1'}",
        "{'width': 2, 'embeddings': '%%%', 'artifactVersion': 'live-1'}",
        "{'width': 2, 'embeddings': 'AADAfwAAgD8=', 'artifactVersion': 'live-1'}"})
    void malformedEmbeddingsAreRefused(final String body) {
        service.workersSay(new FakeService.Canned(200, body.replace('\'', '"')));
        assertEquals("ConstraintViolationException", assertThrows(NeptuneMLException.class, () -> tails(live(), 2)).code());
    }
}
