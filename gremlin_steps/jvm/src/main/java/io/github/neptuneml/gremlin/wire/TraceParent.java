package io.github.neptuneml.gremlin.wire;

import java.util.UUID;
import java.util.concurrent.ThreadLocalRandom;
import java.util.regex.Pattern;

/**
 * The header {@code traceparent} (W3C Trace Context, section 3.2): all that workers do for one query comes together in one
 * trace. Its id is the query's request id without the dashes, so that logs and traces are found by each other.
 */
public final class TraceParent {

    private static final Pattern VALID = Pattern.compile("00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}");

    private TraceParent() {
    }

    /** A request id whose bits are all random, as samplers that keep a share of all traces want; a random UUID fixes six. */
    public static String newRequestId() {
        final ThreadLocalRandom random = ThreadLocalRandom.current();
        return new UUID(random.nextLong(), random.nextLong()).toString();
    }

    /**
     * The header for a query.
     *
     * @param given what the query says itself, or null; the specification has what is malformed ignored
     */
    public static String of(final String requestId, final Object given) {
        if (given instanceof String && VALID.matcher((String) given).matches()) return (String) given;
        final String trace = requestId.replace("-", "");
        return "00-" + trace + "-" + trace.substring(trace.length() / 2) + "-01";
    }
}
