package io.github.neptuneml.gremlin.wire;

/** What the answers of one step cost, for {@code profile()}. A step is run by one thread. */
public final class Counters {

    /** The id that all requests of a query carry, by which the workers' logs tell them; null before the first. */
    public String requestId;

    /** The trace that all requests of a query belong to; null before the first. */
    public String traceParent;

    /** Requests to a worker. */
    public long calls;

    /** Items that those requests asked for. */
    public long items;

    /** Bytes of requests and answers. */
    public long bytes;

    /** Nanoseconds of waiting for a worker. */
    public long waitNanos;

    /** Items answered from the endpoint's table. */
    public long tableHits;

    /** Items answered from what had been asked before. */
    public long cacheHits;
}
