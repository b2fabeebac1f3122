package io.github.neptuneml.gremlin.wire;

import java.io.IOException;
import java.net.ProtocolException;
import java.net.URI;
import java.net.http.HttpTimeoutException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;

/**
 * The connections to workers. {@code java.net.http} hands each request on to threads of its own; waking those takes longer
 * than most answers do, so requests to workers are sent and awaited by the thread that asks.
 */
final class Connections {

    private static final long CONNECT_MILLIS = 2_000;
    /** Less than after which workers close a connection themselves. */
    private static final long LONGEST_REST_NANOS = 30_000_000_000L;
    private static final int MOST_FREE = 64;

    /** A connection that nobody uses. */
    private static final class Free {
        final String authority;
        final Connection connection;
        final long sinceNanos = System.nanoTime();

        Free(final String authority, final Connection connection) {
            this.authority = authority;
            this.connection = connection;
        }
    }

    /** The last used first. */
    private final Deque<Free> free = new ArrayDeque<>();

    /**
     * Posts JSON to a plain HTTP address. A connection that was kept may be closed by the other side at any time; then the
     * request is sent once more on a new one, which is fine as nothing that workers do changes anything.
     *
     * @param token empty for none
     * @param traceParent see {@link TraceParent}
     * @throws java.net.http.HttpConnectTimeoutException if there is no connection within two seconds
     * @throws HttpTimeoutException if the reply takes longer than allowed
     * @throws IOException if nothing comes back
     */
    Reply post(final URI url, final String token, final String traceParent, final byte[] json, final long timeoutMillis) throws IOException {
        final TimeLimit limit = new TimeLimit(timeoutMillis);
        final byte[] request = request(url, token, traceParent, json);
        final Connection kept = take(url.getAuthority());
        try {
            if (kept != null) return ask(url, kept, request, limit);
        } catch (final HttpTimeoutException e) {
            throw e;
        } catch (final IOException e) {
            // as said above
        }
        return ask(url, Connection.open(url, Math.min(CONNECT_MILLIS, limit.leftMillis())), request, limit);
    }

    private Reply ask(final URI url, final Connection connection, final byte[] request, final TimeLimit limit) throws IOException {
        boolean isFree = false;
        try {
            final Reply reply = connection.ask(ByteBuffer.wrap(request), limit);
            isFree = connection.isFree();
            return reply;
        } finally {
            if (isFree) giveBack(new Free(url.getAuthority(), connection));
            else connection.close();
        }
    }

    private static byte[] request(final URI url, final String token, final String traceParent, final byte[] json) throws IOException {
        if (!token.chars().allMatch(letter -> letter > ' ' && letter <= '~')) throw new ProtocolException("the worker's token is no token");
        final String head = "POST " + url.getRawPath() + " HTTP/1.1\r\nHost: " + url.getAuthority()
                + (token.isEmpty() ? "" : "\r\nAuthorization: Bearer " + token)
                + "\r\ntraceparent: " + traceParent
                + "\r\nContent-Type: application/json\r\nContent-Length: " + json.length + "\r\n\r\n";
        final ByteBuffer request = ByteBuffer.allocate(head.length() + json.length);
        return request.put(head.getBytes(StandardCharsets.ISO_8859_1)).put(json).array();
    }

    /** Null where there is none. */
    private Connection take(final String authority) {
        for (Connection kept = remove(authority); kept != null; kept = remove(authority)) {
            if (kept.isFree()) return kept;
            kept.close();
        }
        return null;
    }

    private synchronized Connection remove(final String authority) {
        for (final Iterator<Free> each = free.iterator(); each.hasNext();) {
            final Free one = each.next();
            if (!one.authority.equals(authority)) continue;
            each.remove();
            return one.connection;
        }
        return null;
    }

    private void giveBack(final Free connection) {
        final List<Connection> unwanted = new ArrayList<>();
        synchronized (this) {
            free.addFirst(connection);
            while (free.size() > MOST_FREE || System.nanoTime() - free.getLast().sinceNanos > LONGEST_REST_NANOS)
                unwanted.add(free.removeLast().connection);
        }
        unwanted.forEach(Connection::close);
    }
}
