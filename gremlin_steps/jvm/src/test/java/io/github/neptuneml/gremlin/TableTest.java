package io.github.neptuneml.gremlin;

import static io.github.neptuneml.gremlin.NeptuneML.CLASSIFICATION;
import static io.github.neptuneml.gremlin.NeptuneML.LIMIT;
import static io.github.neptuneml.gremlin.NeptuneML.REGRESSION;
import static io.github.neptuneml.gremlin.NeptuneML.SCORE;
import static io.github.neptuneml.gremlin.NeptuneML.THRESHOLD;
import static io.github.neptuneml.gremlin.NeptuneML.TUNED;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import io.github.neptuneml.gremlin.failure.NeptuneMLException;
import io.github.neptuneml.gremlin.strategy.NeptuneMLStrategy;
import io.github.neptuneml.gremlin.wire.PredictionClient;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Function;
import java.util.function.IntFunction;
import java.util.stream.Stream;
import org.apache.tinkerpop.gremlin.process.traversal.AnonymousTraversalSource;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.GraphTraversalSource;
import org.apache.tinkerpop.gremlin.structure.T;
import org.apache.tinkerpop.gremlin.tinkergraph.structure.TinkerGraph;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Answers from an endpoint's table: the worker's own, without asking it. */
@Timeout(60)
class TableTest extends PredictionTest {
    private static final int VERTICES = 60;
    private final Random random = new Random(11);
    private final Map<Integer, NeptuneMLStrategy> strategies = new HashMap<>();
    private int endpoints;

    private static FakeEndpoint country() {
        return FakeEndpoint.node("country", "node_class", "person", "country", "String")
                .answer("1", "US", 0.75).answer("1", "DE", 0.25).answer("2", "FR", 0.5);
    }

    private List<Object> countries(final GraphTraversalSource g) {
        return g.V(1, 2, 3, 4).values("country").with(CLASSIFICATION).toList();
    }

    private void assertFromTable(final FakeEndpoint endpoint) {
        service.with(endpoint);
        assertEquals(List.of("US", "FR"), countries(g("country")));
        assertEquals(0, service.requests.size(), "no call");
    }

    private void assertFromCalls(final FakeEndpoint endpoint) {
        service.with(endpoint);
        assertEquals(List.of("US", "FR"), countries(g("country")));
        assertTrue(service.requests.size() > 0, "calls");
    }

    @Test
    void aTableComesInBlocks() {
        assertFromTable(country().tabled());
        assertEquals(1, service.tableRanges.size());
        assertTrue(service.tableRanges.get(0).startsWith("bytes=0-"), service.tableRanges.get(0));
    }

    @Test
    void largeTablesComeInSeveralBlocks() {
        final FakeEndpoint large = FakeEndpoint.node("age", "node_regression", "person", "age", "Double");
        for (int id = 0; id < 300_000; id++) large.answer(String.valueOf(id), id / 8.0, 0);
        service.with(large.tabled());
        assertEquals(List.of(0.125, 0.25, 0.5, 0.75), g("age").V().values("age").with(REGRESSION).toList());
        assertEquals(List.of("bytes=0-4194303", "bytes=4194304-4800055"), service.tableRanges);
    }

    @Test
    void aFileOnThisMachineIsRead(@TempDir final Path folder) throws IOException {
        final FakeEndpoint endpoint = country().tabled();
        final Path file = Files.write(folder.resolve("table.bin"), endpoint.table("person"));
        assertFromTable(endpoint.tabledAt(file));
        assertEquals(List.of(), service.tableRanges);
    }

    /** Whoever writes another model into the same folder changes no running query, and kills no JVM. */
    @Test
    void aFileThatChangesLaterChangesNoAnswer(@TempDir final Path folder) throws IOException {
        final FakeEndpoint endpoint = country().tabled();
        final byte[] table = endpoint.table("person");
        final Path file = Files.write(folder.resolve("table.bin"), table);
        service.with(endpoint.tabledAt(file));
        final GraphTraversalSource g = g("country");
        assertEquals(List.of("US", "FR"), countries(g));
        Arrays.fill(table, 64, table.length, (byte) 3);
        Files.write(file, table);
        assertEquals(List.of("US", "FR"), countries(g), "overwritten");
        Files.write(file, new byte[0]);
        assertEquals(List.of("US", "FR"), countries(g), "cut off");
        Files.delete(file);
        assertEquals(List.of("US", "FR"), countries(g), "deleted");
        assertEquals(0, service.requests.size() + service.tableRanges.size());
    }

    @Test
    void aFileOfAnotherSizeIsNotTheOneTold(@TempDir final Path folder) throws IOException {
        assertFromTable(country().tabled().tabledAt(Files.write(folder.resolve("table.bin"), new byte[5])));
        assertEquals(1, service.tableRanges.size());
    }

    @Test
    void withoutMemoryThereAreCalls() {
        service.with(country().tabled());
        assertEquals(List.of("US", "FR"), countries(g(settings().tableLimitMib(0).endpoint("country").create())));
        assertEquals(List.of(), service.tableRanges);
        assertTrue(service.requests.size() > 0);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 8, 31, 90})
    void aDamagedTableMeansCalls(final int bytes) {
        assertFromCalls(country().tabled(Arrays.copyOf(country().tabled().table("person"), bytes)));
    }

    @Test
    void aTableOfAnotherTaskMeansCalls() {
        assertFromCalls(country().tabled(FakeEndpoint.node("x", "node_regression", "person", "x", "Double").answer("1", 2.0, 0).tabled().table("person")));
    }

    @Test
    void aTableThatIsNotThereIsTriedOnce() {
        final FakeEndpoint endpoint = country().tabled(new byte[0]);
        service.with(endpoint);
        final GraphTraversalSource g = g("country");
        assertEquals(countries(g), countries(g));
        assertEquals(0, service.tableRanges.size(), "nothing to fetch");
        assertTrue(service.requests.size() > 0);
    }

    @Test
    void anEmptyTableKnowsNobody() {
        service.with(FakeEndpoint.node("age", "node_regression", "person", "age", "Double").tabled());
        assertEquals(List.of(), g("age").V().values("age").with(REGRESSION).toList());
        assertEquals(0, service.requests.size());
    }

    @Test
    void aTableGoesWithItsEndpointAndItsVersion() {
        final FakeEndpoint endpoint = country().tabled();
        service.with(endpoint);
        final GraphTraversalSource g = g(settings().pinReuseMillis(0).endpoint("country").create());
        countries(g);
        countries(g);
        assertEquals(1, service.tableRanges.size());
        endpoint.status("Updating");
        countries(g);
        assertEquals(1, service.tableRanges.size(), "the same version, described anew");
        endpoint.update("country-2");
        countries(g);
        assertEquals(2, service.tableRanges.size());
        service.remove("country");
        assertThrows(NeptuneMLException.class, () -> countries(g));
        service.with(endpoint);
        countries(g);
        assertEquals(3, service.tableRanges.size());
    }

    @Test
    void manyQueriesAtOnceLoadOnce() throws Exception {
        service.with(country().tabled());
        final GraphTraversalSource g = g("country");
        final ExecutorService threads = Executors.newFixedThreadPool(8);
        try {
            for (final Future<List<Object>> answers : threads.invokeAll(Collections.nCopies(16, (Callable<List<Object>>) () -> countries(g))))
                assertEquals(List.of("US", "FR"), answers.get());
        } finally {
            threads.shutdownNow();
        }
        assertEquals(1, service.tableRanges.size());
    }

    static Stream<Arguments> ids() {
        return Stream.of(
                arguments("Long", (IntFunction<Object>) i -> 9_007_199_254_740_993L + i),
                arguments("Integer", (IntFunction<Object>) i -> i - 5),
                arguments("UUID", (IntFunction<Object>) i -> new UUID(7, i)),
                arguments("String", (IntFunction<Object>) i -> i % 3 == 0 ? "Zürich " + i : "\u6f22\ud83d\ude42;\"" + i));
    }

    /** A graph of persons, some unknown to the endpoint, and an endpoint with random answers. */
    private FakeEndpoint randomEndpoint(final String task, final IntFunction<Object> id, final int classes) {
        graph = TinkerGraph.open();
        final FakeEndpoint endpoint = FakeEndpoint.node("random", task, "person", "p", task.endsWith("class") ? "Long" : "Double").tuned(0.3125);
        for (int i = 0; i < VERTICES; i++) {
            final Object vertex = graph.addVertex(T.id, id.apply(i), T.label, i % 11 == 0 ? "place" : "person").id();
            if (i % 7 == 0) continue;
            if (!task.endsWith("class")) endpoint.answer(vertex.toString(), random.nextGaussian(), 0);
            else answerRandomly(endpoint, vertex.toString(), i, classes);
        }
        return endpoint.update("random-" + ++endpoints).tabled();
    }

    /** Scores fall, and are numbers that a float32 holds, as a model's are. */
    private void answerRandomly(final FakeEndpoint endpoint, final String vertex, final int first, final int classes) {
        float score = 1;
        for (int rank = 0; rank < classes; rank++) {
            score *= random.nextFloat();
            endpoint.answer(vertex, (long) (first + rank) % classes, (double) score);
        }
    }

    private List<Object> plain(final FakeEndpoint endpoint, final int tableLimitMib, final Function<GraphTraversalSource, List<?>> query) {
        service.with(endpoint);
        final NeptuneMLStrategy strategy = strategies.computeIfAbsent(tableLimitMib, limit -> new NeptuneMLStrategy(new PredictionClient(
                settings().pinReuseMillis(0).tableLimitMib(limit).endpoint("random").create())));
        return new ArrayList<>(query.apply(AnonymousTraversalSource.traversal().withEmbedded(graph).withStrategies(strategy)));
    }

    private void assertSame(final FakeEndpoint endpoint, final Function<GraphTraversalSource, List<?>> query) {
        final List<Object> calls = plain(endpoint, 0, query);
        final int asked = service.requests.size();
        assertEquals(calls, plain(endpoint, 1, query));
        assertEquals(asked, service.requests.size(), "the table was not asked");
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("ids")
    void tableAndCallsAgree(final String type, final IntFunction<Object> id) {
        for (int classes = 1; classes <= 8; classes += 3) {
            final FakeEndpoint endpoint = randomEndpoint("node_class", id, classes);
            for (final int limit : new int[] {1, 2, 100})
                for (final Object threshold : new Object[] {0.1, 0.30000001192092896, TUNED}) {
                    assertSame(endpoint, g -> g.with(LIMIT, limit).with(THRESHOLD, threshold).V().values("p", SCORE).with(CLASSIFICATION).toList());
                    assertSame(endpoint, g -> g.with(LIMIT, limit).with(THRESHOLD, threshold).V().properties("p").with(CLASSIFICATION).toList());
                    assertSame(endpoint, g -> g.with(LIMIT, limit).with(THRESHOLD, threshold).V()
                            .values("p").with(CLASSIFICATION).with(SCORE, "s").as("v").select("v", "s").toList());
                }
        }
        final FakeEndpoint values = randomEndpoint("node_regression", id, 0);
        assertSame(values, g -> g.V().values("p").with(REGRESSION).toList());
        assertSame(values, g -> g.V().as("v").properties("p").with(REGRESSION).as("p").select("v", "p").toList());
    }

    @Test
    void moreAnswersThanATableHoldsAreAskedFor() {
        final FakeEndpoint endpoint = randomEndpoint("node_class", i -> i, 10);
        final Function<GraphTraversalSource, List<?>> nine = g -> g.with(LIMIT, 9).V().values("p").with(CLASSIFICATION).toList();
        final List<Object> calls = plain(endpoint, 0, nine);
        service.requests.clear();
        assertEquals(calls, plain(endpoint, 1, nine));
        assertTrue(service.requests.size() > 0);
        assertSame(endpoint, g -> g.with(LIMIT, 8).V().values("p").with(CLASSIFICATION).toList());
    }

    @Test
    void edgesAreRefusedAsByCalls() {
        service.with(country().tabled());
        assertThrows(NeptuneMLException.class, () -> g("country").E().values("country").with(CLASSIFICATION).iterate());
        assertThrows(NeptuneMLException.class, () -> g("country").inject("x").values("country").with(CLASSIFICATION).iterate());
    }
}
