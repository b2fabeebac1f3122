package io.github.neptuneml.gremlin.step;

import io.github.neptuneml.gremlin.failure.Failure;
import io.github.neptuneml.gremlin.sampling.Sampler;
import io.github.neptuneml.gremlin.sampling.VisibleGraph;
import io.github.neptuneml.gremlin.table.PredictionTable;
import io.github.neptuneml.gremlin.wire.Answer;
import io.github.neptuneml.gremlin.wire.Counters;
import io.github.neptuneml.gremlin.wire.EmbeddingCache;
import io.github.neptuneml.gremlin.wire.EndpointDescription;
import io.github.neptuneml.gremlin.wire.EndpointReference;
import io.github.neptuneml.gremlin.wire.InductiveSchema;
import io.github.neptuneml.gremlin.wire.Invocation;
import io.github.neptuneml.gremlin.wire.PredictionClient;
import io.github.neptuneml.gremlin.wire.TraceParent;
import java.lang.ref.WeakReference;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Predicate;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;

/**
 * What all steps of one query share, children and their clones included: the pins, by which the query keeps the
 * artifact version that it started with, the time that is left, and what it has seen of the graph.
 */
final class Query {

    /** For queries that do not say their evaluation timeout: Gremlin Server's own default. */
    static final long DEFAULT_BUDGET_MILLIS = 30_000;

    private static final long SHORTEST_MARGIN_MILLIS = 50;
    private static final long LONGEST_MARGIN_MILLIS = 250;
    private static final int MOST_KEPT = 100_000;

    private final PredictionClient client;
    private final WeakReference<Traversal.Admin<?, ?>> root;
    private final Map<EndpointReference, EndpointDescription> pins = new ConcurrentHashMap<>();
    private final String requestId = TraceParent.newRequestId();
    private final String traceParent;
    private final long startNanos = System.nanoTime();
    private final long seed = ThreadLocalRandom.current().nextLong();
    private final Map<List<Object>, Sampler> samplers = new HashMap<>();
    private final Map<List<Object>, List<Answer>> live = new LinkedHashMap<>() {
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(final Map.Entry<List<Object>, List<Answer>> eldest) {
            return size() > MOST_KEPT;
        }
    };
    private Boolean changes;

    Query(final PredictionClient client, final Traversal.Admin<?, ?> root) {
        this.client = client;
        this.root = new WeakReference<>(root);
        this.traceParent = TraceParent.of(requestId, SourceOptions.of(root.getStrategies()).traceParent);
    }

    boolean isOf(final Traversal.Admin<?, ?> traversal) {
        return root.get() == traversal;
    }

    boolean isGone() {
        return root.get() == null;
    }

    /** @param fresh whether to ask the service, however recently it was asked */
    EndpointDescription pin(final String named, final boolean fresh, final long timeoutMillis) {
        return pins.computeIfAbsent(client.reference(named),
                reference -> client.describe(reference, fresh, budgetMillis(reference.name(), timeoutMillis)));
    }

    /** Reads the graph for an endpoint, as this query sees it. */
    Sampler sampler(final EndpointDescription endpoint, final boolean deterministic) {
        final Traversal.Admin<?, ?> running = root.get();
        final InductiveSchema schema = endpoint.inductive().orElseThrow(() -> Failure.NOT_INDUCTIVE.with(endpoint.name()));
        return samplers.computeIfAbsent(List.of(endpoint.name(), endpoint.version(), deterministic),
                key -> {
                    final VisibleGraph graph = new VisibleGraph(running, schema);
                    return deterministic ? Sampler.deterministic(schema, graph) : new Sampler(schema, graph, schema.fanouts(), seed);
                });
    }

    /** The inductive answers that this query has had, by what was asked. */
    Map<List<Object>, List<Answer>> live() {
        return live;
    }

    /** Whether the query may change the graph between two of its predictions. */
    boolean changes() {
        if (changes == null) changes = Changes.in(root.get());
        return changes;
    }

    List<List<Answer>> ask(final EndpointDescription endpoint, final Invocation invocation, final long timeoutMillis,
                           final Counters counters) {
        identify(counters);
        return client.invoke(endpoint, invocation, budgetMillis(endpoint.name(), timeoutMillis), counters);
    }

    private void identify(final Counters counters) {
        counters.requestId = requestId;
        counters.traceParent = traceParent;
    }

    /** Given up a little early, so that the query ends with what went wrong and not with the server's own timeout. */
    private static long marginMillis(final long timeoutMillis) {
        return Math.min(Math.max(timeoutMillis / 50, SHORTEST_MARGIN_MILLIS), LONGEST_MARGIN_MILLIS);
    }

    /** @throws io.github.neptuneml.gremlin.failure.NeptuneMLException if it cannot be told which ids the model knows */
    Predicate<String> knownIds(final EndpointDescription endpoint, final String label, final long timeoutMillis) {
        final Predicate<String> known = client.knownIds(endpoint, label, budgetMillis(endpoint.name(), timeoutMillis));
        if (known == null) throw Failure.NO_ID_TABLE.with(label, endpoint.name());
        return known;
    }

    /**
     * Embeddings that others have asked for count only where everybody sees the same, and this query changes nothing: not
     * under an access rule, and not where each transaction has a graph of its own.
     */
    EmbeddingCache embeddings(final VisibleGraph graph) {
        return graph.isWhole() && !changes() && !isTransactional() ? client.embeddings() : new EmbeddingCache();
    }

    private boolean isTransactional() {
        return root.get().getGraph().map(graph -> graph.features().graph().supportsTransactions()).orElse(true);
    }

    List<byte[]> embed(final EndpointDescription endpoint, final Invocation invocation, final long timeoutMillis,
                       final Counters counters) {
        identify(counters);
        return client.embed(endpoint, invocation, budgetMillis(endpoint.name(), timeoutMillis), counters);
    }

    /** The endpoint's table for a label, or null where there is none at hand. */
    PredictionTable table(final EndpointDescription endpoint, final String label, final long timeoutMillis) {
        return client.table(endpoint, label, budgetMillis(endpoint.name(), timeoutMillis));
    }

    private long budgetMillis(final String endpoint, final long timeoutMillis) {
        if (timeoutMillis <= 0) return DEFAULT_BUDGET_MILLIS;
        final long left = timeoutMillis - marginMillis(timeoutMillis) - (System.nanoTime() - startNanos) / 1_000_000L;
        if (left <= 0) throw Failure.TOO_LATE.with(endpoint, timeoutMillis);
        return left;
    }
}
