package io.github.neptuneml.gremlin;

import static io.github.neptuneml.gremlin.NeptuneML.CLASSIFICATION;
import static io.github.neptuneml.gremlin.NeptuneML.ENDPOINT;
import static io.github.neptuneml.gremlin.NeptuneML.PREDICTION;
import static io.github.neptuneml.gremlin.NeptuneML.REGRESSION;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import java.util.List;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.tinkerpop.gremlin.process.traversal.Order;
import org.apache.tinkerpop.gremlin.process.traversal.P;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.GraphTraversal;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.GraphTraversalSource;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.__;
import org.apache.tinkerpop.gremlin.process.traversal.util.TraversalMetrics;
import org.apache.tinkerpop.gremlin.structure.Graph;
import org.apache.tinkerpop.gremlin.structure.T;
import org.apache.tinkerpop.gremlin.structure.Vertex;
import org.apache.tinkerpop.gremlin.tinkergraph.structure.TinkerGraph;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Predictions nested in other steps cost as few requests as flat ones. */
class LookAheadTest extends PredictionTest {

    private static final int VERTICES = 10_000;
    private static final int MOST_CALLS = 20;

    private static final FakeEndpoint COUNTRY = FakeEndpoint.node("country", "node_class", "person", "country", "String");
    private static final FakeEndpoint AGE = FakeEndpoint.node("age", "node_regression", "person", "age", "Integer");
    private static final FakeEndpoint LINKS =
            FakeEndpoint.links("links", new String[] {"person", "knows", "person"}).ids("person", "Integer", VERTICES);
    private static final Graph MANY = TinkerGraph.open();

    @BeforeAll
    static void manyVertices() {
        Vertex previous = null;
        for (int i = 0; i < VERTICES; i++) {
            final Vertex vertex = MANY.addVertex(T.id, i, T.label, "person", "name", "p" + i);
            COUNTRY.answer(String.valueOf(i), "c" + i % 8, 0.9);
            AGE.answer(String.valueOf(i), i % 100 + 0.5, 0);
            LINKS.answer(String.valueOf(i), String.valueOf((i + 1) % VERTICES), 0.9);
            if (previous != null) previous.addEdge("next", vertex);
            previous = vertex;
        }
    }

    @BeforeEach
    void useThem() {
        graph = MANY;
        service.with(COUNTRY).with(AGE).with(LINKS);
    }

    private static GraphTraversal<Object, Object> country() {
        return country(__.start());
    }

    @SuppressWarnings("unchecked")
    private static GraphTraversal<Object, Object> country(final GraphTraversal<?, ?> start) {
        return (GraphTraversal<Object, Object>) start.values("country").with(CLASSIFICATION);
    }

    @SuppressWarnings("unchecked")
    private static GraphTraversal<Object, Object> age() {
        return (GraphTraversal<Object, Object>) (GraphTraversal<?, ?>) __.values("age").with(REGRESSION).with(ENDPOINT, "age");
    }

    private static GraphTraversal<Vertex, Vertex> link() {
        return __.<Vertex>start().out("knows").with(PREDICTION).with(ENDPOINT, "links").hasLabel("person");
    }

    private static Arguments form(final String name, final Object results, final Function<GraphTraversalSource, Traversal<?, ?>> query) {
        return arguments(name, results, query);
    }

    static Stream<Arguments> forms() {
        return Stream.of(
                form("project", 10_000L, g -> g.V().project("c").by(country()).count()),
                form("project after a traversal", 9_999L, g -> g.V().project("c").by(country(__.out("next"))).select("c").count()),
                form("where", 1_250L, g -> g.V().where(country().is("c3")).count()),
                form("where of neighbours", 1_250L, g -> g.V().where(country(__.out("next").has("name")).is("c3")).count()),
                form("where and has", 1L, g -> g.V().where(country().is("c3")).has("name", "p11").count()),
                form("not", 8_750L, g -> g.V().not(country().is("c3")).count()),
                form("and, or", 1_250L, g -> g.V().and(country().is("c3"), __.or(country().is("c3"), country().is("c4"))).count()),
                form("order", 7, g -> g.V().order().by(country(), Order.desc).limit(1).id()),
                form("union", 20_000L, g -> g.V().union(country(), __.values("name")).count()),
                form("union of two", 20_000L, g -> g.V().union(country(), age()).count()),
                form("group", 8L, g -> g.V().group().by(country()).by(__.count()).unfold().count()),
                form("group by twice", 8L, g -> g.V().group().by(country()).by(age().max()).unfold().count()),
                form("groupCount", 8L, g -> g.V().groupCount().by(country()).unfold().count()),
                form("choose", 10_000L, g -> g.V().choose(country().is("c3"), __.id(), __.values("name")).count()),
                form("choose option", 10_000L, g -> g.V().choose(__.has("name", "p1"), __.id(), country()).count()),
                form("coalesce", 10_000L, g -> g.V().coalesce(__.values("none"), country()).count()),
                form("optional", 10_000L, g -> g.V().optional(country()).count()),
                form("local", 10_000L, g -> g.V().local(country()).count()),
                form("map", 10_000L, g -> g.V().map(country()).count()),
                form("flatMap", 10_000L, g -> g.V().flatMap(country()).count()),
                form("dedup", 8L, g -> g.V().dedup().by(country()).count()),
                form("aggregate", 8L, g -> g.V().aggregate("x").by(country()).cap("x").unfold().dedup().count()),
                form("several children", 10_000L, g -> g.V().project("a", "b", "c").by(country()).by(age()).by(country()).count()),
                form("two levels", 1_250L, g -> g.V().where(__.and(__.not(country().is("c2")), __.coalesce(country(), age()).is("c3"))).count()),
                form("two levels after a traversal", 1_250L, g -> g.V().where(__.local(__.out("next").where(country().is("c3")))).count()),
                form("a prediction of a prediction", 10_000L, g -> g.V().project("c").by(country(__.map(link()))).count()),
                form("links", 10_000L, g -> g.V().project("c").by(link().id()).count()),
                form("where link", 1L, g -> g.V().where(link().has("name", "p0")).count()),
                form("select", 10_000L, g -> g.V().as("a").select("a").by(country()).count()),
                form("select of two", 9_999L, g -> g.V().as("a").out("next").as("b").select("a", "b").by(country()).by(age()).count()),
                form("select from a map", 10_000L, g -> g.V().project("a").by().select("a").by(country()).count()),
                form("path", 9_999L, g -> g.V().out("next").path().by(country()).by(age()).count()),
                form("math", 10_000L, g -> g.V().math("_ + 1").by(age()).count()),
                form("math of two", 9_999L, g -> g.V().as("a").out("next").as("b").math("a - b").by(age()).count()),
                form("repeat", 2_500L, g -> g.V().repeat(__.where(country().is(P.within("c3", "c4")))).times(2).count()),
                form("repeat until", 1_250L, g -> g.V().until(country().is("c3")).repeat(__.filter(__.values("none"))).count()),
                form("match", 1_250L, g -> g.V().match(__.as("a").where(country().is("c3")).values("name").as("n")).count()),
                form("match of what was bound before", 9_999L, g -> g.V().as("a").out("next").match(__.as("a").map(country()).as("c"), __.as("a").map(age()).as("d")).count()),
                form("inside a barrier", 10_000L, g -> g.V().fold().unfold().project("c").by(country()).count()));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("forms")
    void nestedPredictionsCostFewCalls(final String name, final Object results, final Function<GraphTraversalSource, Traversal<?, ?>> query) {
        assertEquals(List.of(results), query.apply(g("country")).toList());
        assertTrue(service.requests.size() <= MOST_CALLS, name + " takes " + service.requests.size() + " calls");
    }

    /** What has been asked ahead waits for its step, whatever else passes through the cache of all queries. */
    @ParameterizedTest(name = "a cache of {0}")
    @ValueSource(ints = {0, 1, VERTICES})
    void theCacheNeedNotHoldWhatIsAskedAhead(final int cachedAnswers) {
        final GraphTraversalSource small = g(settings().cachedAnswers(cachedAnswers).create()).with(ENDPOINT, "country");
        assertEquals(20_000L, small.V().union(country(), __.values("name")).count().next());
        assertEquals(10_000L, small.V().project("c", "a", "l").by(country()).by(age()).by(link().id()).count().next());
        assertEquals(1_250L, small.V().where(__.local(__.out("next").where(country().is("c3")))).count().next());
        assertTrue(service.requests.size() <= MOST_CALLS, "takes " + service.requests.size() + " calls");
    }

    @Test
    void whatIsAtHandCountsAsAHit() {
        final GraphTraversalSource none = g(settings().cachedAnswers(0).create()).with(ENDPOINT, "country");
        final TraversalMetrics profile = none.V().limit(100).project("c").by(country()).profile().next();
        assertTrue(profile.toString().contains("cacheHits=100"), profile.toString());
    }

    static Stream<Arguments> limited() {
        return Stream.of(
                form("where", 2, g -> g.V().where(country())),
                form("where that the first passes", 2, g -> g.V().where(country().is(P.neq("none")))),
                form("project", 1, g -> g.V().project("c").by(country())),
                form("project after where", 2, g -> g.V().where(country()).project("c").by(country())),
                form("local", 2, g -> g.V().local(country())),
                form("union", 2, g -> g.V().union(country(), __.id())),
                form("coalesce", 2, g -> g.V().coalesce(country(), __.id())),
                form("nested", 2, g -> g.V().where(__.and(country(), __.not(age().is(-1))))));
    }

    private int items() {
        return service.requests.stream().filter(request -> request.parameters().path("property").asText().equals("country"))
                .mapToInt(request -> request.items().size()).sum();
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("limited")
    void aLimitStaysLazy(final String name, final int most, final Function<GraphTraversalSource, GraphTraversal<?, ?>> query) {
        assertEquals(1, query.apply(g("country")).limit(1).toList().size());
        assertTrue(items() <= most, name + " asks for " + items());
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("limited")
    void oneResultIsOneItem(final String name, final int most, final Function<GraphTraversalSource, GraphTraversal<?, ?>> query) {
        query.apply(g("country")).next();
        assertEquals(1, items());
    }

    @Test
    void aLimitOfTenTakesOneCall() {
        assertEquals(10, g("country").V().where(country()).limit(10).toList().size());
        assertEquals(List.of(11), sizes());
        assertEquals(10, g("country").V().project("c").by(age()).limit(10).toList().size());
        assertEquals(List.of(11, 10), sizes());
    }

    private List<Integer> sizes() {
        return service.requests.stream().map(request -> request.items().size()).collect(Collectors.toList());
    }

    @Test
    void aFollowingBarrierTakesLargeBatchesAtOnce() {
        g("country").V().order().by(country()).iterate();
        assertEquals(List.of(VERTICES), sizes());
    }

    @Test
    void batchesGrowWhereNobodySaysHowManyAreWanted() {
        g("country").V().limit(100).project("c").by(country()).iterate();
        assertEquals(List.of(1, 99), sizes());
    }

    @Test
    void filtersThatMoveInBetweenAreApplied() {
        assertEquals(1, g("country").V().where(country()).has("name", "p77").toList().size());
        assertTrue(items() <= 2, "asks for " + items());
    }

    @Test
    void aBranchNotTakenMayFail() {
        final Function<String, Traversal<?, ?>> query = endpoint ->
                g("country").V().limit(50).choose(__.has("name"), country(), __.values("country").with(CLASSIFICATION).with(ENDPOINT, endpoint));
        assertEquals(50, query.apply("nowhere").toList().size());
        assertEquals(50, query.apply("age").toList().size());
        assertEquals(List.of(1, 49, 1, 49), sizes());
    }

    /** The second pattern's items are bound by the first, one at a time. */
    @Test
    void aPatternThatDependsOnAnotherIsAskedOneByOne() {
        g("country").V().limit(10).match(__.as("a").out("next").as("b"), __.as("b").map(country()).as("c")).iterate();
        assertEquals(10, service.requests.size());
    }

    @Test
    void whatComesBackInALoopIsAskedTogether() {
        g("country").V().limit(100).barrier().repeat(__.where(country()).out("next")).emit().times(3).iterate();
        assertTrue(service.requests.size() <= 10, "takes " + service.requests.size() + " calls");
    }

    @Test
    void aModulatorIsAskedOnlyForWhatItReads() {
        g("country").V().limit(9).as("a").out("next").as("b").select("a", "b").by(country()).by(T.id).iterate();
        assertEquals(9, items());
        service.requests.clear();
        g("country").V().limit(9).as("a").out("next").out("next").path().by(T.id).by(country()).by("name").iterate();
        assertEquals(9, items());
        service.requests.clear();
        g("country").V().limit(9).as("a").out("next").as("b").out("next").path().from("b").by(country()).by(T.id).iterate();
        assertEquals(9, items());
    }

    @Test
    void whatAnExpansionInsideRepeatFindsIsAskedTogether() {
        final Graph star = TinkerGraph.open();
        final Vertex centre = star.addVertex(T.id, 0, T.label, "person");
        for (int i = 1; i <= 100; i++) centre.addEdge("next", star.addVertex(T.id, i, T.label, "person"));
        graph = star;
        assertEquals(100, g("country").V(0).repeat(__.out("next").where(country())).times(1).toList().size());
        assertEquals(List.of(1, 99), sizes());
    }
}
