package io.github.neptuneml.gremlin.step;

import io.github.neptuneml.gremlin.failure.Failure;
import io.github.neptuneml.gremlin.wire.Answer;
import io.github.neptuneml.gremlin.wire.EndpointDescription;
import io.github.neptuneml.gremlin.wire.EndpointReference;
import io.github.neptuneml.gremlin.wire.Invocation;
import io.github.neptuneml.gremlin.wire.PredictionClient;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * What all steps of one query share, children and their clones included: the pins, by which the query keeps the
 * artifact version that it started with, and the time that is left.
 */
public final class Query {

    /** For queries that do not say their evaluation timeout: Gremlin Server's own default. */
    static final long DEFAULT_BUDGET_MILLIS = 30_000;

    private final PredictionClient client;
    private final Map<EndpointReference, EndpointDescription> pins = new ConcurrentHashMap<>();
    private final long startNanos = System.nanoTime();

    public Query(final PredictionClient client) {
        this.client = client;
    }

    EndpointDescription pin(final String named) {
        return pins.computeIfAbsent(client.reference(named), client::describe);
    }

    List<List<Answer>> ask(final EndpointDescription endpoint, final Invocation invocation, final long timeoutMillis) {
        return client.invoke(endpoint, invocation, budgetMillis(endpoint, timeoutMillis));
    }

    private long budgetMillis(final EndpointDescription endpoint, final long timeoutMillis) {
        if (timeoutMillis <= 0) return DEFAULT_BUDGET_MILLIS;
        final long left = timeoutMillis - (System.nanoTime() - startNanos) / 1_000_000L;
        if (left <= 0) throw Failure.TOO_LATE.with(endpoint.name(), timeoutMillis);
        return left;
    }
}
