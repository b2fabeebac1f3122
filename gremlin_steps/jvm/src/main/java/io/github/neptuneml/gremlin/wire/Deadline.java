package io.github.neptuneml.gremlin.wire;

import io.github.neptuneml.gremlin.failure.Failure;

/** The moment until which a query waits for an endpoint, over all attempts. */
final class Deadline {
    private final String endpoint;
    private final long budgetMillis;
    private final long startNanos = System.nanoTime();

    Deadline(final String endpoint, final long budgetMillis) {
        this.endpoint = endpoint;
        this.budgetMillis = budgetMillis;
    }

    long leftMillis() {
        final long left = budgetMillis - (System.nanoTime() - startNanos) / 1_000_000L;
        if (left <= 0) throw exceeded();
        return left;
    }

    RuntimeException exceeded() {
        return Failure.TOO_LATE.with(endpoint, budgetMillis);
    }
}
