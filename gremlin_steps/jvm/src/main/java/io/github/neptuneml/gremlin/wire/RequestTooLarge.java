package io.github.neptuneml.gremlin.wire;

/** A request is larger than {@code maxRequestMib} or than the worker takes; fewer items may fit. */
public final class RequestTooLarge extends RuntimeException {

    private static final long serialVersionUID = 1L;

    RequestTooLarge(final String limit) {
        super(limit, null, false, false);
    }
}
