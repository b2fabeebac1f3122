package io.github.neptuneml.gremlin;

import static io.github.neptuneml.gremlin.NeptuneML.CLASSIFICATION;
import static io.github.neptuneml.gremlin.NeptuneML.FILTER_EXISTING_EDGES;
import static io.github.neptuneml.gremlin.NeptuneML.PREDICTION;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.tinkerpop.gremlin.process.traversal.Operator;
import org.apache.tinkerpop.gremlin.process.traversal.P;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.GraphTraversalSource;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.__;
import org.apache.tinkerpop.gremlin.structure.T;
import org.apache.tinkerpop.gremlin.tinkergraph.structure.TinkerGraph;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** How many elements are asked for at once, and where one at a time must do. */
class BatchingTest extends PredictionTest {

    private static final int VERTICES = 2100;

    @BeforeEach
    void manyVertices() {
        graph = TinkerGraph.open();
        for (int i = 0; i < VERTICES; i++) graph.addVertex(T.id, i, T.label, "person", "name", "p" + i);
        service.with(FakeEndpoint.node("country", "node_class", "person", "country", "String").answer("*", "US", 0.9));
        service.with(FakeEndpoint.links("links", new String[] {"person", "knows", "person"}).ids("person", "Integer", VERTICES).answer("*", "7", 0.9));
    }

    private List<Integer> batches() {
        return service.requests.stream().map(request -> request.items().size()).collect(Collectors.toList());
    }

    @Test
    void batchesGrow() {
        assertEquals(VERTICES, g("country").V().values("country").with(CLASSIFICATION).toList().size());
        assertEquals(List.of(1, 100, 1999), batches());
    }

    @Test
    void whatAFollowingBarrierTakesIsAskedAtOnce() {
        assertEquals((long) VERTICES, g("country").V().values("country").with(CLASSIFICATION).count().next());
        assertEquals(List.of(VERTICES), batches());
    }

    @Test
    void aBarrierBehindALimitDoesNotAskForMore() {
        assertEquals(1L, g("country").V().values("country").with(CLASSIFICATION).is("US").limit(1).count().next());
        assertEquals(List.of(1, 100), batches());
    }

    @Test
    void aLimitTakesItsNumberAtOnce() {
        assertEquals(100, g("country").V().values("country").with(CLASSIFICATION).limit(100).toList().size());
        assertEquals(List.of(100), batches());
    }

    @Test
    void linksWhichCostMoreGrowLess() {
        assertEquals(VERTICES, g("links").V().out("knows").with(PREDICTION).with(FILTER_EXISTING_EDGES).hasLabel("person").toList().size());
        assertEquals(List.of(1, 16, 256, 1827), batches());
    }

    @Test
    void limitStaysLazy() {
        assertEquals(List.of("US"), g("country").V().values("country").with(CLASSIFICATION).limit(1).toList());
        assertEquals(List.of(1), batches());
        assertEquals(7, g("links").V().out("knows").with(PREDICTION).hasLabel("person").id().next());
        assertEquals(List.of(1, 1), batches());
    }

    @Test
    void nothingIsAskedForElementsOfOtherLabels() {
        graph = TinkerGraph.open();
        graph.addVertex(T.label, "place");
        assertEquals(0L, g("country").V().values("country").with(CLASSIFICATION).count().next());
        assertEquals(List.of(), batches());
    }

    @Test
    void resetStartsSmallAgain() {
        assertEquals(2L, g("country").V(1, 2).property("seen", true).where(__.values("country").with(CLASSIFICATION)).count().next());
        assertEquals(List.of(1, 1), batches());
    }

    static Stream<Arguments> effects() {
        return Stream.of(
                effect("property", g -> g.V().limit(20).property("seen", true).values("country").with(CLASSIFICATION)),
                effect("addV", g -> g.V().limit(20).addV("person").values("country").with(CLASSIFICATION)),
                effect("mergeV", g -> g.V().limit(20).as("v").mergeV(Map.of("name", "p1")).select("v").values("country").with(CLASSIFICATION)),
                effect("drop", g -> g.V().limit(20).where(__.values("country").with(CLASSIFICATION)).drop()),
                effect("sideEffect", g -> g.V().limit(20).sideEffect(__.identity()).values("country").with(CLASSIFICATION)),
                effect("store", g -> g.V().limit(20).local(__.aggregate("x")).values("country").with(CLASSIFICATION)),
                effect("store read upstream", g -> g.V().limit(20).where(P.without("x")).values("country").with(CLASSIFICATION).local(__.aggregate("x"))),
                effect("property in a parent's stretch", g -> g.V().limit(20).local(__.properties("country").with(CLASSIFICATION).element()).property("seen", true)),
                effect("where, then property", g -> g.V().limit(20).where(__.values("country").with(CLASSIFICATION)).property("seen", true)),
                effect("property, then project", g -> g.V().limit(20).property("seen", true).project("c").by(__.values("country").with(CLASSIFICATION))),
                effect("effect in a sibling", g -> g.V().limit(20).union(__.values("country").with(CLASSIFICATION), __.property("seen", true))),
                effect("sack", g -> g.withSack(0).V().limit(20).sack(Operator.sum).by(__.constant(1)).values("country").with(CLASSIFICATION)),
                effect("lambda", g -> g.V().limit(20).map(traverser -> traverser.get()).values("country").with(CLASSIFICATION)),
                effect("fail", g -> g.V().limit(20).coalesce(__.identity(), __.fail()).values("country").with(CLASSIFICATION)));
    }

    private static Arguments effect(final String name, final Function<GraphTraversalSource, Traversal<?, ?>> query) {
        return arguments(name, query);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("effects")
    void neverPullsAheadOfEffects(final String name, final Function<GraphTraversalSource, Traversal<?, ?>> query) {
        query.apply(g(settings().cachedAnswers(0).endpoint("country").create())).iterate();
        assertEquals(20, batches().size());
        assertEquals(List.of(1), batches().stream().distinct().collect(Collectors.toList()));
    }

    static Stream<Arguments> separated() {
        return Stream.of(
                effect("aggregate before", g -> g.V().limit(20).aggregate("x").values("country").with(CLASSIFICATION)),
                effect("aggregate after", g -> g.V().limit(20).values("country").with(CLASSIFICATION).aggregate("x")),
                effect("store after", g -> g.V().limit(20).values("country").with(CLASSIFICATION).local(__.aggregate("x"))),
                effect("property beyond a fold", g -> g.V().limit(20).values("country").with(CLASSIFICATION).fold().V(1).property("seen", true)),
                effect("property before a fold", g -> g.V().limit(20).property("seen", true).fold().unfold().values("country").with(CLASSIFICATION)),
                effect("count in a child", g -> g.inject(1).map(__.V().limit(20).values("country").with(CLASSIFICATION).count()).V(1).property("seen", true)),
                effect("order", g -> g.V().limit(20).order().by(__.values("country").with(CLASSIFICATION)).property("seen", true)),
                effect("repeat", g -> g.V(0, 1).repeat(__.V().limit(10).where(__.values("country").with(CLASSIFICATION))).times(1)));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("separated")
    void effectsBehindABarrierDoNotMatter(final String name, final Function<GraphTraversalSource, Traversal<?, ?>> query) {
        query.apply(g("country")).iterate();
        assertTrue(batches().size() <= 4, name + " takes " + batches());
    }

    @Test
    void effectsAreThoseOfAnUnbatchedRun() {
        final List<String> order = new ArrayList<>();
        g("country").V().limit(3).sideEffect(t -> order.add("before " + t.get().id()))
                .values("country").with(CLASSIFICATION).sideEffect(t -> order.add("after")).iterate();
        assertEquals(List.of("before 0", "after", "before 1", "after", "before 2", "after"), order);
    }

    /** TinkerPop's limit(2) pulls a third before it ends: the effects of a stored property's query. */
    @Test
    void aLimitRunsUpstreamEffectsAsOftenAsItDoesOtherwise() {
        g("country").V().property("seen", true).values("country").with(CLASSIFICATION).limit(2).iterate();
        g("country").V().property("seen too", true).values("name").limit(2).iterate();
        assertEquals(3L, graph.traversal().V().has("seen").count().next());
        assertEquals(3L, graph.traversal().V().has("seen too").count().next());
    }

    @Test
    void aLimitCountsBulkAndStartsAgainInEachChild() {
        assertEquals(List.of("US", "US", "US"), g("country").V(1, 1, 1, 1).barrier().values("country").with(CLASSIFICATION).limit(3).toList());
        assertEquals(2L, g("country").V(1, 2).local(__.values("country").with(CLASSIFICATION).limit(1)).count().next());
        assertEquals(List.of("US"), g("country").V().values("country").with(CLASSIFICATION).range(2, 3).toList());
        assertEquals((long) VERTICES - 5, g("country").V().values("country").with(CLASSIFICATION).skip(5).count().next());
    }

    @Test
    void aCloneLeavesTheOriginalsAnswersAlone() {
        final Traversal<?, ?> query = g("country").V(0, 1, 2, 3, 4, 5, 6).values("country").with(CLASSIFICATION);
        query.next();
        query.next();
        query.asAdmin().clone();
        assertEquals(5, query.toList().size());
    }

    @Test
    void profileDoesNotCountAsAnEffect() {
        g("country").V().limit(7).values("country").with(CLASSIFICATION).profile().next();
        assertEquals(List.of(1, 6), batches());
    }
}
