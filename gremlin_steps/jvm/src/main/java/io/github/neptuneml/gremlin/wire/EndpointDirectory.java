package io.github.neptuneml.gremlin.wire;

import io.github.neptuneml.gremlin.failure.Failure;
import io.github.neptuneml.gremlin.failure.NeptuneMLException;
import io.github.neptuneml.gremlin.failure.NeptuneMLException.BadRequestException;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpConnectTimeoutException;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpTimeoutException;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Endpoints by name. A description is asked for with a conditional GET and used for at most {@code reuseMillis}
 * without asking again; an endpoint that is gone is forgotten at once.
 */
final class EndpointDirectory {

    private static final long LONGEST_WAIT_MILLIS = 10_000;

    private static final class Entry {
        final EndpointDescription description;
        final String etag;
        final long checkedNanos;

        Entry(final EndpointDescription description, final String etag, final long checkedNanos) {
            this.description = description;
            this.etag = etag;
            this.checkedNanos = checkedNanos;
        }
    }

    private final Map<EndpointReference, Entry> entries = new ConcurrentHashMap<>();
    private final DescriptionReader reader = new DescriptionReader();
    private final Http http;
    private final long reuseNanos;

    EndpointDirectory(final Http http, final int reuseMillis) {
        this.http = http;
        this.reuseNanos = reuseMillis * 1_000_000L;
    }

    EndpointDescription describe(final EndpointReference reference, final boolean fresh, final long budgetMillis) {
        final Entry known = entries.get(reference);
        final long now = System.nanoTime();
        if (!fresh && known != null && now - known.checkedNanos < reuseNanos) return known.description;
        try {
            final Entry current = ask(reference, known, now, Math.min(budgetMillis, LONGEST_WAIT_MILLIS));
            return entries.merge(reference, current, EndpointDirectory::succeed).description;
        } catch (final BadRequestException e) {
            entries.remove(reference);
            throw e;
        }
    }

    /** What is kept of a version outlives its description, which also changes when workers do. */
    private static Entry succeed(final Entry earlier, final Entry current) {
        if (earlier.description.version.equals(current.description.version)) current.description.remember(earlier.description);
        return current;
    }

    /** The same version as it is described now, if it still is: where its workers are. */
    Optional<EndpointDescription> again(final EndpointDescription pinned, final long budgetMillis) {
        try {
            final URI url = pinned.reference.description(pinned.version);
            final HttpResponse<byte[]> response = get(pinned.reference, url, null, Math.min(budgetMillis, LONGEST_WAIT_MILLIS));
            if (response.statusCode() != 200) return Optional.empty();
            return Optional.of(reader.read(response.body(), pinned.reference)).filter(found -> found.version.equals(pinned.version));
        } catch (final NeptuneMLException e) {
            return Optional.empty();
        }
    }

    void forget(final EndpointReference reference) {
        entries.remove(reference);
    }

    private Entry ask(final EndpointReference reference, final Entry known, final long now, final long waitMillis) {
        final HttpResponse<byte[]> response = get(reference, reference.description(), known, waitMillis);
        switch (response.statusCode()) {
            case 200:
                return new Entry(reader.read(response.body(), reference),
                        response.headers().firstValue("ETag").orElse(null), now);
            case 304:
                if (known != null) return new Entry(known.description, known.etag, now);
                throw Failure.MALFORMED_DESCRIPTION.with(reference.name(), "304 for a first request");
            default:
                throw ErrorBody.read(Reply.of(response)).asDescriptionFailure(reference);
        }
    }

    private HttpResponse<byte[]> get(final EndpointReference reference, final URI url, final Entry known,
                                     final long waitMillis) {
        final HttpRequest.Builder request = HttpRequest.newBuilder(url)
                .timeout(Duration.ofMillis(waitMillis)).GET();
        reference.token().ifPresent(token -> request.header("Authorization", "Bearer " + token));
        if (known != null && known.etag != null) request.header("If-None-Match", known.etag);
        try {
            return http.send(request.build());
        } catch (final HttpConnectTimeoutException e) {
            throw Failure.SERVICE_UNREACHABLE.with(reference.service(), ErrorBody.reason(e));
        } catch (final HttpTimeoutException e) {
            throw Failure.TOO_LATE.with(reference.name(), waitMillis);
        } catch (final IOException e) {
            throw Failure.SERVICE_UNREACHABLE.with(reference.service(), ErrorBody.reason(e));
        }
    }
}
