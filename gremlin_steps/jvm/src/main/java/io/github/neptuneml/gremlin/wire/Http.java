package io.github.neptuneml.gremlin.wire;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import org.apache.tinkerpop.gremlin.process.traversal.util.TraversalInterruptedException;

/** Requests that end when the query's thread is interrupted, which is how Gremlin Server ends an evaluation. */
final class Http {

    private static final Duration CONNECT_TIMEOUT = Duration.ofSeconds(2);

    private final HttpClient client = HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1).connectTimeout(CONNECT_TIMEOUT).build();

    /**
     * Posts JSON and waits.
     *
     * @param token empty for none
     * @param traceParent see {@link TraceParent}
     * @throws IOException as {@link #send}
     */
    Reply post(final URI url, final String token, final String traceParent, final byte[] json, final long timeoutMillis) throws IOException {
        final HttpRequest.Builder request = HttpRequest.newBuilder(url)
                .timeout(Duration.ofMillis(timeoutMillis))
                .header("Content-Type", "application/json")
                .header("traceparent", traceParent)
                .POST(HttpRequest.BodyPublishers.ofByteArray(json));
        if (!token.isEmpty()) request.header("Authorization", "Bearer " + token);
        return Reply.of(send(request.build()));
    }

    /**
     * Sends a request and waits.
     *
     * @throws IOException if nothing, or nothing in time ({@link java.net.http.HttpTimeoutException}), comes back
     * @throws TraversalInterruptedException if the thread is interrupted; its flag stays set
     */
    HttpResponse<byte[]> send(final HttpRequest request) throws IOException {
        final CompletableFuture<HttpResponse<byte[]>> response =
                client.sendAsync(request, HttpResponse.BodyHandlers.ofByteArray());
        try {
            return response.get();
        } catch (final InterruptedException e) {
            response.cancel(true);
            Thread.currentThread().interrupt();
            throw new TraversalInterruptedException();
        } catch (final ExecutionException e) {
            if (e.getCause() instanceof IOException) throw (IOException) e.getCause();
            throw new IOException(String.valueOf(e.getCause()));
        }
    }
}
