package io.github.neptuneml.gremlin;

import static io.github.neptuneml.gremlin.NeptuneML.FILTER_BEFORE_LIMIT;
import static io.github.neptuneml.gremlin.NeptuneML.FILTER_EXISTING_EDGES;
import static io.github.neptuneml.gremlin.NeptuneML.LIMIT;
import static io.github.neptuneml.gremlin.NeptuneML.PREDICTION;
import static io.github.neptuneml.gremlin.NeptuneML.SCORE;
import static io.github.neptuneml.gremlin.NeptuneML.THRESHOLD;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.tinkerpop.gremlin.process.traversal.Order;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.GraphTraversalSource;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.__;
import org.apache.tinkerpop.gremlin.process.traversal.strategy.decoration.PartitionStrategy;
import org.apache.tinkerpop.gremlin.process.traversal.strategy.decoration.SubgraphStrategy;
import org.apache.tinkerpop.gremlin.process.traversal.strategy.verification.ReadOnlyStrategy;
import org.apache.tinkerpop.gremlin.structure.T;
import org.apache.tinkerpop.gremlin.structure.Vertex;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Link prediction: forms, what counts before the limit, and the access rules that it obeys. */
class PredictedVerticesTest extends PredictionTest {

    private static Arguments row(final String name, final Function<GraphTraversalSource, Traversal<?, ?>> query, final Object... expected) {
        return arguments(name, query, List.of(expected));
    }

    static Stream<Arguments> forms() {
        return Stream.of(
                row("tails", g -> g.V(2).out("created").with(PREDICTION).hasLabel("software").id(), 5),
                row("heads", g -> g.V(5).in("created").with(PREDICTION).hasLabel("person").id(), 6),
                row("label beside the predicate", g -> g.V(2).out().with(PREDICTION, "created").hasLabel("software").id(), 5),
                row("same label twice", g -> g.V(2).out("created").with(PREDICTION, "created").hasLabel("software").id(), 5),
                row("has label", g -> g.V(2).out("created").with(PREDICTION).has(T.label, "software").id(), 5),
                row("has label, key and value", g -> g.with(LIMIT, 2).V(2).out("created").with(PREDICTION).has("software", "name", "lop").id(), 3),
                row("limit", g -> g.with(LIMIT, 2).V(2, 4).out("created").with(PREDICTION).hasLabel("software").id(), 5, 3, 3, 5),
                row("limit on the step", g -> g.V(2).out("created").with(PREDICTION).with(LIMIT, 2).hasLabel("software").id(), 5, 3),
                row("limit far above", g -> g.with(LIMIT, 1000).V(2).out("created").with(PREDICTION).hasLabel("software").id(), 5, 3),
                row("threshold", g -> g.with(LIMIT, 2).with(THRESHOLD, 0.65).V(2).out("created").with(PREDICTION).hasLabel("software").id(), 5),
                row("another input label", g -> g.V(3).out("created").with(PREDICTION).hasLabel("software").id()),
                row("repeated input", g -> g.V(2, 2).out("created").with(PREDICTION).hasLabel("software").id(), 5, 5),
                row("vanished vertices do not count", g -> g.V(1).out("created").with(PREDICTION).hasLabel("software").id(), 3),
                row("other vertices of the answer are not shown", g -> g.with(LIMIT, 3).V(3).in("created").with(PREDICTION).hasLabel("person").id(), 2, 1, 6),
                row("labels", g -> g.V(2).as("s").out("created").with(PREDICTION).hasLabel("software").as("t").select("s", "t").by(T.id), Map.of("s", 2, "t", 5)),
                row("score bound", g -> g.with(LIMIT, 2).V(2).out("created").with(PREDICTION).with(SCORE, "s").hasLabel("software").as("t").select("t", "s").by(T.id).by(), Map.of("t", 5, "s", 0.7), Map.of("t", 3, "s", 0.6)),
                row("ordered by score", g -> g.with(LIMIT, 2).V(2).out("created").with(PREDICTION).with(SCORE, "s").hasLabel("software").order().by(__.select("s"), Order.asc).id(), 3, 5),
                row("further steps", g -> g.V(2).out("created").with(PREDICTION).hasLabel("software").in("created").values("name"), "josh"),
                row("a criterion on ids before the limit", g -> g.V(2).out("created").with(PREDICTION).with(FILTER_BEFORE_LIMIT).hasLabel("software").hasId(3).id(), 3),
                row("filter after the limit", g -> g.V(2).out("created").with(PREDICTION).hasLabel("software").has("name", "lop").id()),
                row("filter before the limit", g -> g.V(2).out("created").with(PREDICTION).with(FILTER_BEFORE_LIMIT).hasLabel("software").has("name", "lop").id(), 3),
                row("existing edges", g -> g.with(LIMIT, 2).V(4).out("created").with(PREDICTION).with(FILTER_EXISTING_EDGES).hasLabel("software").id()),
                row("existing edges of one", g -> g.with(LIMIT, 2).V(1).out("created").with(PREDICTION).with(FILTER_EXISTING_EDGES).hasLabel("software").id(), 5),
                row("existing heads", g -> g.with(LIMIT, 5).V(3).in("created").with(PREDICTION).with(FILTER_EXISTING_EDGES).hasLabel("person").id(), 2),
                row("existing edges switched off", g -> g.V(4).out("created").with(PREDICTION).with(FILTER_EXISTING_EDGES, false).hasLabel("software").id(), 3),
                row("nested", g -> g.V(2, 4).project("v", "p").by(T.id).by(__.out("created").with(PREDICTION).hasLabel("software").id()), Map.of("v", 2, "p", 5), Map.of("v", 4, "p", 3)),
                row("where", g -> g.V().where(__.out("created").with(PREDICTION).hasLabel("software").has("name", "ripple")).id(), 2, 6),
                row("union", g -> g.V(1).union(__.out("created").with(PREDICTION).hasLabel("software"), __.out("created")).id(), 3, 3),
                row("repeat", g -> g.V(2).repeat(__.out("created").with(PREDICTION).hasLabel("software").in("created").with(PREDICTION).hasLabel("person")).times(2).id(), 6));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("forms")
    void answers(final String name, final Function<GraphTraversalSource, Traversal<?, ?>> query, final List<Object> expected) {
        assertEquals(expected, query.apply(g("links")).toList());
    }

    @Test
    void predictedVerticesAreTheGraphsOwn() {
        final Vertex predicted = g("links").V(2).out("created").with(PREDICTION).hasLabel("software").next();
        assertEquals("ripple", predicted.value("name"));
    }

    @Test
    void existingEdgesTravelAsExclusions() {
        g("links").V(4).out("created").with(PREDICTION).with(FILTER_EXISTING_EDGES).hasLabel("software").iterate();
        final Set<String> excluded = new HashSet<>();
        service.requests.get(0).items().get(0).path("exclude").forEach(id -> excluded.add(id.asText()));
        assertEquals(Set.of("3", "5"), excluded);
    }

    /** 300 candidates, of which the rules show one, the last: it must be found, and nothing else be shown. */
    private GraphTraversalSource crowd() {
        final FakeEndpoint endpoint = FakeEndpoint.links("crowd", new String[] {"person", "created", "software"}).ids("software", "Integer", 300);
        for (int i = 0; i < 300; i++) {
            final int id = 1000 + i;
            graph.addVertex(T.id, id, T.label, "software", "name", "s" + i, "tenant", i == 299 ? "a" : "b");
            endpoint.answer("1", String.valueOf(id), 1.0 - i / 1000.0);
        }
        service.with(endpoint);
        return g("crowd").with(LIMIT, 2);
    }

    @Test
    void subgraphStrategyHidesPredictedVertices() {
        final GraphTraversalSource g = crowd().withStrategies(SubgraphStrategy.build()
                .vertices(__.or(__.hasLabel("person"), __.has("tenant", "a"))).create());
        assertEquals(List.of(1299), g.V(1).out("created").with(PREDICTION).hasLabel("software").id().toList());
        assertEquals(List.of(1299), g.V(1).flatMap(__.out("created").with(PREDICTION).hasLabel("software")).id().toList());
    }

    @Test
    void aSubgraphOfIdsHidesPredictedVertices() {
        final GraphTraversalSource g = g("links").withStrategies(SubgraphStrategy.build().vertices(__.hasId(2, 3)).create());
        assertEquals(List.of(3), g.with(LIMIT, 5).V(2).out("created").with(PREDICTION).hasLabel("software").id().toList());
    }

    @Test
    void partitionStrategyHidesPredictedVertices() {
        graph.vertices(1).next().property("tenant", "a");
        final GraphTraversalSource g = crowd().withStrategies(
                PartitionStrategy.build().partitionKey("tenant").readPartitions("a").create());
        assertEquals(List.of(1299), g.V(1).out("created").with(PREDICTION).hasLabel("software").id().toList());
        assertEquals(List.of(Map.of("p", 1299)), g.V(1).project("p").by(__.out("created").with(PREDICTION).hasLabel("software").id()).toList());
    }

    @Test
    void partitionStrategyWithMetaPropertiesHidesPredictedVertices() {
        graph.vertices(1).next().property("tenant", "a");
        final GraphTraversalSource g = crowd().withStrategies(
                PartitionStrategy.build().partitionKey("tenant").readPartitions("a").includeMetaProperties(true).create());
        assertEquals(List.of(1299), g.V(1).out("created").with(PREDICTION).hasLabel("software").id().toList());
    }

    @Test
    void existingEdgesAreThoseThatTheSourceSees() {
        final GraphTraversalSource all = g("links").with(LIMIT, 2);
        final GraphTraversalSource heavyOnly = all.withStrategies(SubgraphStrategy.build().edges(__.has("weight", 1.0)).create());
        final GraphTraversalSource noLop = all.withStrategies(SubgraphStrategy.build().vertices(__.not(__.has("name", "lop"))).create());
        assertEquals(List.of(), joined(all));
        assertEquals(List.of(3), joined(heavyOnly), "the edge 4-0.4->3 is hidden, so 3 is new; 4-1.0->5 is not");
        assertEquals(List.of(), joined(noLop), "3 is hidden itself");
    }

    private static List<Object> joined(final GraphTraversalSource g) {
        return g.V(4).out("created").with(PREDICTION).with(FILTER_EXISTING_EDGES).hasLabel("software").id().toList();
    }

    @Test
    void edgeCriteriaLetPredictionsThrough() {
        final GraphTraversalSource g = g("links").withStrategies(SubgraphStrategy.build().edges(__.hasLabel("knows")).create());
        assertEquals(List.of(5), g.V(2).out("created").with(PREDICTION).hasLabel("software").id().toList());
    }

    @Test
    void readOnlyStrategyIsContent() {
        assertEquals(List.of(5), g("links").withStrategies(ReadOnlyStrategy.instance())
                .V(2).out("created").with(PREDICTION).with(FILTER_EXISTING_EDGES).hasLabel("software").id().toList());
    }

    @Test
    void severalInputLabelsAreNamed() {
        service.with(FakeEndpoint.links("two", new String[] {"person", "uses", "software"}, new String[] {"software", "uses", "software"})
                .ids("software", "Integer", 2).answer("1", "3", 0.5).answer("3", "5", 0.5));
        assertEquals(List.of(3, 5), g("two").V(1, 3).out("uses").with(PREDICTION).hasLabel("software").id().toList());
        assertEquals(List.of("person", "software"), service.requests.stream()
                .flatMap(request -> Stream.of(request.items().get(0).path("headNodeType").asText())).collect(Collectors.toList()));
    }
}
