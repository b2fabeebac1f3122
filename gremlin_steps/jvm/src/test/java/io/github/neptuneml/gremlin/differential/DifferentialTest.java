package io.github.neptuneml.gremlin.differential;

import static io.github.neptuneml.gremlin.differential.Reading.FROM_CACHE;
import static io.github.neptuneml.gremlin.differential.Reading.FROM_TABLE;
import static io.github.neptuneml.gremlin.differential.Reading.PREDICTED;
import static io.github.neptuneml.gremlin.differential.Reading.STORED;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import io.github.neptuneml.gremlin.FakeService;
import io.github.neptuneml.gremlin.Settings;
import io.github.neptuneml.gremlin.strategy.NeptuneMLStrategy;
import io.github.neptuneml.gremlin.wire.PredictionClient;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.apache.tinkerpop.gremlin.process.traversal.AnonymousTraversalSource;
import org.apache.tinkerpop.gremlin.process.traversal.P;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.GraphTraversal;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.GraphTraversalSource;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.__;
import org.apache.tinkerpop.gremlin.process.traversal.strategy.decoration.PartitionStrategy;
import org.apache.tinkerpop.gremlin.process.traversal.strategy.decoration.SubgraphStrategy;
import org.apache.tinkerpop.gremlin.process.traversal.strategy.finalization.ReferenceElementStrategy;
import org.apache.tinkerpop.gremlin.process.traversal.strategy.optimization.LazyBarrierStrategy;
import org.apache.tinkerpop.gremlin.process.traversal.strategy.optimization.ProductiveByStrategy;
import org.apache.tinkerpop.gremlin.process.traversal.strategy.verification.ReadOnlyStrategy;
import org.apache.tinkerpop.gremlin.structure.Graph;
import org.apache.tinkerpop.gremlin.structure.T;
import org.apache.tinkerpop.gremlin.tinkergraph.structure.TinkerGraph;
import org.apache.tinkerpop.gremlin.tinkergraph.structure.TinkerTransactionGraph;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Every form means the same of predictions as of stored data: same results in the same order, same graph afterwards. */
@Timeout(20)
class DifferentialTest {

    private static FakeService service;
    private static final Map<Reading, NeptuneMLStrategy> STRATEGIES = new EnumMap<>(Reading.class);

    @BeforeAll
    static void startService() {
        service = Library.serve(library());
        STRATEGIES.put(STORED, strategy(0, 0));
        STRATEGIES.put(PREDICTED, strategy(0, 0));
        STRATEGIES.put(FROM_TABLE, strategy(1, 0));
        STRATEGIES.put(FROM_CACHE, strategy(0, 1000));
    }

    private static NeptuneMLStrategy strategy(final int tableLimitMib, final int cachedAnswers) {
        return new NeptuneMLStrategy(new PredictionClient(Settings.build().serviceUrl(service.url())
                .pinReuseMillis(600_000).tableLimitMib(tableLimitMib).cachedAnswers(cachedAnswers).create()));
    }

    @AfterAll
    static void stopService() {
        service.close();
    }

    private static Graph library() {
        return Library.fill(TinkerGraph.open());
    }

    private static GraphTraversalSource g(final Graph graph, final Reading reading) {
        return AnonymousTraversalSource.traversal().withEmbedded(graph)
                .withStrategies(STRATEGIES.get(reading)).withoutStrategies(LazyBarrierStrategy.class);
    }

    /** What may not be seen, and other ways to run the same query. */
    private static Map<String, UnaryOperator<GraphTraversalSource>> sources() {
        final Map<String, UnaryOperator<GraphTraversalSource>> sources = new LinkedHashMap<>();
        sources.put("vertices of a tenant", g -> g.withStrategies(SubgraphStrategy.build().vertices(__.has("tenant", "a")).create()));
        sources.put("partition", g -> g.withStrategies(PartitionStrategy.build().partitionKey("tenant").readPartitions("a").create()));
        sources.put("some vertices", g -> g.withStrategies(SubgraphStrategy.build().vertices(__.out().count().is(P.neq(4))).create()));
        sources.put("vertices of a tenant alone", g -> g.withStrategies(SubgraphStrategy.build().vertices(__.has("tenant", "a")).checkAdjacentVertices(false).create()));
        sources.put("references", g -> g.withStrategies(ReferenceElementStrategy.instance()));
        sources.put("read only, productive by", g -> g.withStrategies(ReadOnlyStrategy.instance(), ProductiveByStrategy.instance()));
        return sources;
    }

    /** Criteria that say something of edges or properties, which predicted edges are not. */
    private static Map<String, UnaryOperator<GraphTraversalSource>> propertySources() {
        final Map<String, UnaryOperator<GraphTraversalSource>> sources = new LinkedHashMap<>();
        sources.put("edges of a tenant", g -> g.withStrategies(SubgraphStrategy.build().edges(__.has("tenant", "a")).create()));
        sources.put("some properties", g -> g.withStrategies(SubgraphStrategy.build()
                .vertexProperties(__.not(__.hasValue("poetry", 22.0))).create()));
        sources.put("some vertices, edges and properties", g -> g.withStrategies(SubgraphStrategy.build()
                .vertices(__.has("tenant", "a")).edges(__.has("tenant", "a")).vertexProperties(__.has(T.value, P.neq("novel"))).create()));
        return sources;
    }

    static Stream<Form> forms() {
        return Stream.of(PropertyForms.all(), LinkForms.all()).flatMap(forms -> forms);
    }

    /** Those whose results do not depend on the order in which the graph is read. */
    static Stream<Form> uncutForms() {
        return Sample.of(forms().filter(form -> !form.toString().matches(".*(limit|range|skip|tail|edge has).*")));
    }

    static Stream<Form> allForms() {
        return Stream.concat(forms(), EffectForms.all());
    }

    static Stream<Form> sampledForms() {
        return Sample.of(forms());
    }

    static Stream<Form> unprofiledForms() {
        return Sample.of(allForms().filter(form -> !form.toString().startsWith("profile ")));
    }

    static Stream<Arguments> formsBySource() {
        return Sample.of(Stream.concat(
                forms().flatMap(form -> sources().keySet().stream().map(source -> arguments(form, source))),
                PropertyForms.all().flatMap(form -> propertySources().keySet().stream().map(source -> arguments(form, source)))));
    }

    private static List<Object> drained(final Traversal<?, ?> query) {
        final List<Object> results = new ArrayList<>();
        while (query.hasNext()) results.add(Plain.of(query.next()));
        return results;
    }

    private static Object outcome(final Form form, final Reading reading, final Graph graph, final UnaryOperator<GraphTraversalSource> source,
                                  final Function<Traversal<?, ?>, Object> run) {
        Object results;
        try {
            results = run.apply(form.ask(source.apply(g(graph, reading)), reading));
        } catch (final IllegalArgumentException | IllegalStateException e) {
            results = e.getClass();
        }
        return List.of(results, Plain.changes(library(), graph));
    }

    private static void compare(final Form form, final UnaryOperator<GraphTraversalSource> source, final Function<Traversal<?, ?>, Object> run) {
        final Object stored = outcome(form, STORED, library(), source, run);
        for (final Reading reading : Reading.PREDICTIONS)
            assertEquals(stored, outcome(form, reading, library(), source, run), form + " " + reading);
    }

    @Execution(ExecutionMode.CONCURRENT)
    @ParameterizedTest(name = "{0}")
    @MethodSource("allForms")
    void sameResultsAndThenNoMore(final Form form) {
        compare(form, g -> g, query -> List.of(drained(query), query.toList()));
    }

    @Execution(ExecutionMode.CONCURRENT)
    @ParameterizedTest(name = "{0}, {1}")
    @MethodSource("formsBySource")
    void sameResultsOfEverySource(final Form form, final String source) {
        compare(form, sources().getOrDefault(source, propertySources().get(source)), DifferentialTest::drained);
    }

    @Execution(ExecutionMode.CONCURRENT)
    @ParameterizedTest(name = "{0}")
    @MethodSource("sampledForms")
    void clonesRunIndependentlyAndExplainingChangesNothing(final Form form) {
        compare(form, g -> g, query -> {
            assertTrue(query.explain().toString().contains("Final Traversal"));
            query.asAdmin().applyStrategies();
            final Traversal<?, ?> early = query.asAdmin().clone();
            final List<Object> first = drained(query);
            final Traversal<?, ?> late = query.asAdmin().clone();
            return List.of(first, drained(early), drained(late));
        });
    }

    @Execution(ExecutionMode.CONCURRENT)
    @ParameterizedTest(name = "{0}")
    @MethodSource("unprofiledForms")
    void profilingChangesNoEffect(final Form form) {
        compare(form, g -> g, query -> {
            assertTrue(((GraphTraversal<?, ?>) query).profile().next().toString().contains("Step"));
            return List.of();
        });
    }

    /** Where the graph or barriers that TinkerPop inserts bring about another order, it is not compared. */
    private static Object unordered(final Traversal<?, ?> query) {
        return Plain.unordered(drained(query));
    }

    @Execution(ExecutionMode.CONCURRENT)
    @ParameterizedTest(name = "{0}")
    @MethodSource("uncutForms")
    void sameResultsInATransaction(final Form form) {
        final Object stored = outcome(form, STORED, Library.fill(TinkerTransactionGraph.open()), g -> g, DifferentialTest::unordered);
        for (final Reading reading : Reading.PREDICTIONS)
            assertEquals(stored, outcome(form, reading, Library.fill(TinkerTransactionGraph.open()), g -> g, DifferentialTest::unordered),
                    form + " " + reading);
    }

    @Execution(ExecutionMode.CONCURRENT)
    @ParameterizedTest(name = "{0}")
    @MethodSource("uncutForms")
    void sameResultsWithLazyBarriers(final Form form) {
        compare(form, g -> g.withStrategies(LazyBarrierStrategy.instance()), DifferentialTest::unordered);
    }
}
