package io.github.neptuneml.gremlin;

import static io.github.neptuneml.gremlin.NeptuneML.CLASSIFICATION;
import static io.github.neptuneml.gremlin.NeptuneML.ENDPOINT;
import static io.github.neptuneml.gremlin.NeptuneML.FILTER_BEFORE_LIMIT;
import static io.github.neptuneml.gremlin.NeptuneML.FILTER_EXISTING_EDGES;
import static io.github.neptuneml.gremlin.NeptuneML.LIMIT;
import static io.github.neptuneml.gremlin.NeptuneML.PREDICTION;
import static io.github.neptuneml.gremlin.NeptuneML.SCORE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import io.github.neptuneml.gremlin.strategy.NeptuneMLStrategy;
import io.github.neptuneml.gremlin.wire.PredictionClient;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Stream;
import org.apache.tinkerpop.gremlin.process.traversal.AnonymousTraversalSource;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.TraversalStrategy;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.GraphTraversal;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.GraphTraversalSource;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.__;
import org.apache.tinkerpop.gremlin.process.traversal.strategy.decoration.PartitionStrategy;
import org.apache.tinkerpop.gremlin.process.traversal.strategy.decoration.SubgraphStrategy;
import org.apache.tinkerpop.gremlin.process.traversal.strategy.finalization.ReferenceElementStrategy;
import org.apache.tinkerpop.gremlin.process.traversal.strategy.verification.ReadOnlyStrategy;
import org.apache.tinkerpop.gremlin.structure.Graph;
import org.apache.tinkerpop.gremlin.structure.T;
import org.apache.tinkerpop.gremlin.structure.Vertex;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Nothing that a query may not see is shown by a prediction of it, or as one: every strategy that hides something, every
 * form, and answers of a worker, of a table and of the cache.
 */
class AccessTest {

    private static final List<String> WORDS = List.of("VERTEX", "EDGE", "VALUE");
    private static final Graph GRAPH = HalfHidden.create();
    private static FakeService service;
    private static List<GraphTraversalSource> readings;

    /** Predictions tell whose they are, and friend's is a {@code VALUE}. */
    @BeforeAll
    static void startService() {
        service = new FakeService().with(countryEndpoint().tabled()).with(moodEndpoint()).with(linksEndpoint());
        readings = List.of(reading(settings().tableLimitMib(0).cachedAnswers(0)), reading(settings()), reading(settings().tableLimitMib(0)));
    }

    private static Settings.Builder settings() {
        return Settings.build().serviceUrl(service.url());
    }

    private static GraphTraversalSource reading(final Settings.Builder settings) {
        return AnonymousTraversalSource.traversal().withEmbedded(GRAPH)
                .withStrategies(new NeptuneMLStrategy(new PredictionClient(settings.create())));
    }

    @AfterAll
    static void stopService() {
        service.close();
    }

    private static FakeEndpoint countryEndpoint() {
        return FakeEndpoint.node("country", "node_class", "person", "country", "String")
                .answer("me", "of me", 0.9).answer("friend", "VALUE", 0.9).answer("far", "of far", 0.9).answer("VERTEX", "of VERTEX", 0.9);
    }

    private static FakeEndpoint moodEndpoint() {
        return FakeEndpoint.edge("mood", "edge_class", "person", "knows", "person", "mood", "String")
                .answer("me>friend", "of e1", 0.9).answer("VERTEX>me", "from VERTEX", 0.9).answer("me>VERTEX", "to VERTEX", 0.9).answer("me>far", "EDGE", 0.9);
    }

    private static FakeEndpoint linksEndpoint() {
        final FakeEndpoint links = FakeEndpoint.links("links", HalfHidden.KNOWS).ids("person", "String", 5);
        for (final String from : List.of("me", "friend", "far"))
            for (final String to : List.of("VERTEX", "far", "friend", "me")) links.answer(from, to, 0.5);
        return links.answer("VERTEX", "me", 0.5);
    }

    /**
     * Rules with the words that vertices' forms, and those that edges' forms, must not show. PartitionStrategy and a
     * SubgraphStrategy of vertices alone show edges whatever they join, stored or predicted.
     */
    private static Stream<Arguments> rules() {
        return Stream.of(
                arguments("none", List.of(), List.of(), List.of()),
                arguments("SubgraphStrategy, vertices", List.of("VERTEX"), List.of("VERTEX"), List.of(SubgraphStrategy.build().vertices(__.has("room", "open")).create())),
                arguments("SubgraphStrategy, vertices alone", List.of("VERTEX"), List.of(), List.of(SubgraphStrategy.build().vertices(__.has("room", "open")).checkAdjacentVertices(false).create())),
                arguments("SubgraphStrategy, ids", List.of("VERTEX"), List.of("VERTEX"), List.of(SubgraphStrategy.build().vertices(__.hasId("me", "friend", "far")).create())),
                arguments("SubgraphStrategy, edges", List.of(), List.of("EDGE"), List.of(SubgraphStrategy.build().edges(__.has("room", "open")).create())),
                arguments("SubgraphStrategy, properties", List.of("VALUE"), List.of(), List.of(SubgraphStrategy.build().vertexProperties(__.not(__.hasValue("VALUE"))).create())),
                arguments("SubgraphStrategy, all", List.of("VERTEX", "VALUE"), List.of("VERTEX", "EDGE"), List.of(SubgraphStrategy.build().vertices(__.has("room", "open"))
                        .edges(__.has("room", "open")).vertexProperties(__.not(__.hasValue("VALUE"))).create())),
                arguments("PartitionStrategy", List.of("VERTEX"), List.of("EDGE"), List.of(PartitionStrategy.build().partitionKey("room").readPartitions("open").create())),
                arguments("PartitionStrategy, properties", List.of("VERTEX"), List.of("EDGE"), List.of(PartitionStrategy.build().partitionKey("room").readPartitions("open").includeMetaProperties(true).create())),
                arguments("ReadOnlyStrategy", List.of(), List.of(), List.of(ReadOnlyStrategy.instance())),
                arguments("several", List.of("VERTEX", "VALUE"), List.of("EDGE"), List.of(ReadOnlyStrategy.instance(), ReferenceElementStrategy.instance(),
                        PartitionStrategy.build().partitionKey("room").readPartitions("open").create(), SubgraphStrategy.build().vertexProperties(__.not(__.hasValue("VALUE"))).create())));
    }

    private static GraphTraversal<Object, Object> country() {
        return __.start().values("country").with(CLASSIFICATION).with(ENDPOINT, "country");
    }

    private static GraphTraversal<Object, Vertex> friends() {
        return __.start().out("knows").with(PREDICTION).with(ENDPOINT, "links").hasLabel("person");
    }

    private static GraphTraversal<Object, Object> mood() {
        return __.start().values("mood").with(CLASSIFICATION).with(ENDPOINT, "mood");
    }

    private static Map<String, Function<GraphTraversalSource, Traversal<?, ?>>> properties() {
        final Map<String, Function<GraphTraversalSource, Traversal<?, ?>>> forms = new LinkedHashMap<>();
        forms.put("values", g -> g.V().values("country").with(CLASSIFICATION));
        forms.put("values and scores", g -> g.V().values("country", SCORE).with(CLASSIFICATION));
        forms.put("properties", g -> g.V().properties("country").with(CLASSIFICATION));
        forms.put("properties and scores", g -> g.V().properties("country", SCORE).with(CLASSIFICATION));
        forms.put("folded value", g -> g.V().properties("country").with(CLASSIFICATION).value());
        forms.put("value with a path", g -> g.V().properties("country").with(CLASSIFICATION).value().path());
        forms.put("score bound", g -> g.V().values("country").with(CLASSIFICATION).with(SCORE, "s").as("c").select("c", "s"));
        forms.put("project", g -> g.V().project("n", "c").by(T.id).by(country()));
        forms.put("project value", g -> g.V().project("c").by(__.properties("country").with(CLASSIFICATION).value()));
        forms.put("group by", g -> g.V().group().by(country()).by(T.id));
        forms.put("group of", g -> g.V().group().by(T.label).by(country().fold()));
        forms.put("groupCount", g -> g.V().groupCount().by(country()));
        forms.put("order", g -> g.V().where(country()).order().by(country()).project("i", "c").by(T.id).by(country()));
        forms.put("dedup", g -> g.V().dedup().by(country()).flatMap(country()));
        forms.put("where", g -> g.V().where(country()).project("i", "c").by(T.id).by(country()));
        forms.put("not", g -> g.V().not(country().is("of me")).map(country()));
        forms.put("look-ahead", g -> g.V().local(__.union(country(), __.coalesce(country(), __.constant("none")))));
        forms.put("choose", g -> g.V().choose(__.coalesce(country(), __.constant("none"))).option("of me", __.constant("mine")).option("VALUE", __.constant("VALUE")).option("of far", __.constant("of far")));
        forms.put("aggregate", g -> g.V().aggregate("x").by(country()).cap("x").unfold());
        forms.put("adjacent", g -> g.V("me", "friend").both("knows").both("knows").values("country").with(CLASSIFICATION));
        return forms;
    }

    private static Map<String, Function<GraphTraversalSource, Traversal<?, ?>>> links() {
        final Map<String, Function<GraphTraversalSource, Traversal<?, ?>>> forms = new LinkedHashMap<>();
        forms.put("out", g -> g.V("me").out("knows").with(PREDICTION).hasLabel("person").id());
        forms.put("in", g -> g.V("me").in("knows").with(PREDICTION).hasLabel("person").id());
        forms.put("out by name", g -> g.V("me").out("knows").with(PREDICTION).hasLabel("person").values("name"));
        forms.put("out of all", g -> g.V().out("knows").with(PREDICTION).hasLabel("person"));
        forms.put("out and score", g -> g.V().out("knows").with(PREDICTION).with(SCORE, "s").hasLabel("person").id().as("v").select("v", "s"));
        forms.put("existing edges left out", g -> g.V().out("knows").with(PREDICTION).with(FILTER_EXISTING_EDGES).hasLabel("person").id());
        forms.put("existing edges left out, in", g -> g.V().in("knows").with(PREDICTION).with(FILTER_EXISTING_EDGES).hasLabel("person").id());
        forms.put("filter before the limit", g -> g.V("me").out("knows").with(PREDICTION).with(FILTER_BEFORE_LIMIT).hasLabel("person").hasId("VERTEX", "far").id());
        forms.put("by ids", g -> g.V("me").project("f").by(friends().id().fold()));
        forms.put("in where", g -> g.V("me").union(__.where(friends().hasId("VERTEX")).constant("VERTEX"), __.where(friends().hasId("far")).constant("far")));
        forms.put("look-ahead", g -> g.V().local(__.coalesce(friends(), __.identity())).id());
        forms.put("repeated", g -> g.V("me").repeat(friends()).times(2).dedup().id());
        forms.put("then a property", g -> g.V("me").out("knows").with(PREDICTION).hasLabel("person").values("country").with(CLASSIFICATION).with(ENDPOINT, "country"));
        forms.put("then nested", g -> g.V("me").out("knows").with(PREDICTION).hasLabel("person").project("c").by(country()));
        return forms;
    }

    private static Map<String, Function<GraphTraversalSource, Traversal<?, ?>>> edges() {
        final Map<String, Function<GraphTraversalSource, Traversal<?, ?>>> forms = new LinkedHashMap<>();
        forms.put("edges", g -> g.E().values("mood").with(CLASSIFICATION));
        forms.put("edges' properties", g -> g.E().properties("mood").with(CLASSIFICATION));
        forms.put("edges' folded value", g -> g.E().properties("mood").with(CLASSIFICATION).value());
        forms.put("edges by", g -> g.E().project("m").by(mood()));
        forms.put("edges where", g -> g.E().where(mood()).map(mood()));
        forms.put("edges look-ahead", g -> g.E().group().by(mood()).by(T.id));
        forms.put("edges of a vertex", g -> g.V("me").bothE("knows").values("mood").with(CLASSIFICATION));
        return forms;
    }

    private static Stream<Arguments> cells(final Map<String, Function<GraphTraversalSource, Traversal<?, ?>>> forms, final String endpoint, final int words) {
        return rules().flatMap(rule -> forms.entrySet().stream()
                .map(form -> arguments(rule.get()[0], form.getKey(), endpoint, rule.get()[words], rule.get()[3], form.getValue())));
    }

    static Stream<Arguments> table() {
        return Stream.of(cells(properties(), "country", 1), cells(links(), "links", 1), cells(edges(), "mood", 2)).flatMap(cells -> cells);
    }

    @Execution(ExecutionMode.CONCURRENT)
    @ParameterizedTest(name = "{0}: {1}")
    @MethodSource("table")
    void showsNothingHidden(final String rule, final String form, final String endpoint, final List<String> hidden,
                            final List<TraversalStrategy<?>> strategies, final Function<GraphTraversalSource, Traversal<?, ?>> query) {
        for (final GraphTraversalSource reading : readings) {
            final GraphTraversalSource all = reading.with(ENDPOINT, endpoint).with(LIMIT, 10);
            final String everything = query.apply(all).toList().toString();
            for (int run = 0; run < 2; run++) {
                final String shown = query.apply(all.withStrategies(strategies.toArray(new TraversalStrategy<?>[0]))).toList().toString();
                for (final String word : WORDS)
                    assertEquals(everything.contains(word) && !hidden.contains(word), shown.contains(word), word + " in " + shown);
                assertTrue(shown.contains("me") || shown.contains("far") || shown.contains("e1"), shown);
            }
        }
    }
}
