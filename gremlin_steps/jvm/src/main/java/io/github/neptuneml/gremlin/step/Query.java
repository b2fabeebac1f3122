package io.github.neptuneml.gremlin.step;

import io.github.neptuneml.gremlin.failure.Failure;
import io.github.neptuneml.gremlin.table.PredictionTable;
import io.github.neptuneml.gremlin.wire.Answer;
import io.github.neptuneml.gremlin.wire.Counters;
import io.github.neptuneml.gremlin.wire.EndpointDescription;
import io.github.neptuneml.gremlin.wire.EndpointReference;
import io.github.neptuneml.gremlin.wire.Invocation;
import io.github.neptuneml.gremlin.wire.PredictionClient;
import java.lang.ref.WeakReference;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;

/**
 * What all steps of one query share, children and their clones included: the pins, by which the query keeps the
 * artifact version that it started with, and the time that is left.
 */
final class Query {

    /** For queries that do not say their evaluation timeout: Gremlin Server's own default. */
    static final long DEFAULT_BUDGET_MILLIS = 30_000;

    private static final long SHORTEST_MARGIN_MILLIS = 50;
    private static final long LONGEST_MARGIN_MILLIS = 250;

    private final PredictionClient client;
    private final WeakReference<Traversal.Admin<?, ?>> root;
    private final Map<EndpointReference, EndpointDescription> pins = new ConcurrentHashMap<>();
    private final long startNanos = System.nanoTime();

    Query(final PredictionClient client, final Traversal.Admin<?, ?> root) {
        this.client = client;
        this.root = new WeakReference<>(root);
    }

    boolean isOf(final Traversal.Admin<?, ?> traversal) {
        return root.get() == traversal;
    }

    boolean isGone() {
        return root.get() == null;
    }

    EndpointDescription pin(final String named, final long timeoutMillis) {
        return pins.computeIfAbsent(client.reference(named),
                reference -> client.describe(reference, budgetMillis(reference.name(), timeoutMillis)));
    }

    List<List<Answer>> ask(final EndpointDescription endpoint, final Invocation invocation, final long timeoutMillis,
                           final Counters counters) {
        return client.invoke(endpoint, invocation, budgetMillis(endpoint.name(), timeoutMillis), counters);
    }

    /** Given up a little early, so that the query ends with what went wrong and not with the server's own timeout. */
    private static long marginMillis(final long timeoutMillis) {
        return Math.min(Math.max(timeoutMillis / 50, SHORTEST_MARGIN_MILLIS), LONGEST_MARGIN_MILLIS);
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
