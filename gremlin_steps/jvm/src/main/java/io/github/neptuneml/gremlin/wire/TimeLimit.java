package io.github.neptuneml.gremlin.wire;

import java.net.http.HttpTimeoutException;

/** How long something may be waited for, from now on. */
final class TimeLimit {
    private final long millis;
    private final long startNanos = System.nanoTime();

    TimeLimit(final long millis) {
        this.millis = millis;
    }

    /** @throws HttpTimeoutException if nothing is left */
    long leftMillis() throws HttpTimeoutException {
        final long left = millis - (System.nanoTime() - startNanos) / 1_000_000L;
        if (left <= 0) throw new HttpTimeoutException("nothing has come within " + millis + " ms");
        return left;
    }
}
