package io.github.neptuneml.gremlin.step;

import io.github.neptuneml.gremlin.wire.Counters;
import org.apache.tinkerpop.gremlin.process.traversal.util.MutableMetrics;

/** What a step's answers have cost so far, and the place in a profile where it is shown. */
final class Costs {

    private static final double NANOS_PER_MILLI = 1e6;

    final Counters counters = new Counters();
    private long batches;
    private MutableMetrics metrics;

    void showIn(final MutableMetrics ofStep) {
        metrics = ofStep;
        show();
    }

    void addBatch() {
        batches++;
        show();
    }

    /** Brings the profile, if there is one, up to date. */
    void show() {
        if (metrics == null) return;
        if (counters.requestId != null) metrics.setAnnotation("requestId", counters.requestId);
        metrics.setAnnotation("batches", batches);
        metrics.setAnnotation("calls", counters.calls);
        metrics.setAnnotation("items", counters.items);
        metrics.setAnnotation("bytes", counters.bytes);
        metrics.setAnnotation("tableHits", counters.tableHits);
        metrics.setAnnotation("cacheHits", counters.cacheHits);
        metrics.setAnnotation("waitMillis", counters.waitNanos / NANOS_PER_MILLI);
    }
}
