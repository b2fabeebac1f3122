package io.github.neptuneml.gremlin.wire;

import io.github.neptuneml.gremlin.failure.Failure;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpConnectTimeoutException;
import java.net.http.HttpTimeoutException;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** Asks the workers of an endpoint; where none of them can be reached, the service's own route. */
final class WorkerClient {

    /** A worker ends a late answer itself and says so, this much earlier than one that hangs is given up. */
    private static final long LONGEST_GRACE_MILLIS = 500;

    /** Answers that another worker, known to the service, may do better: moved on, restarted, shutting down. */
    private static final Set<Integer> ASK_THE_SERVICE = Set.of(401, 403, 404, 409, 502, 503);

    /** A way to post JSON. */
    private interface Route {
        Reply post(URI url, String token, String traceParent, byte[] json, long timeoutMillis) throws IOException;
    }

    private final Http http;
    private final Connections connections = new Connections();
    private final EndpointDirectory directory;
    private final long mostBytes;
    private final AnswerReader reader = new AnswerReader();

    /** @param mostBytes how large a request may be */
    WorkerClient(final Http http, final EndpointDirectory directory, final long mostBytes) {
        this.http = http;
        this.directory = directory;
        this.mostBytes = mostBytes;
    }

    List<List<Answer>> invoke(final EndpointDescription endpoint, final Invocation asked, final Deadline deadline,
                              final Counters counters) {
        return reader.read(ask(endpoint, asked, deadline, counters), endpoint, asked);
    }

    List<byte[]> embed(final EndpointDescription endpoint, final Invocation asked, final Deadline deadline, final Counters counters) {
        return Embeddings.read(ask(endpoint, asked, deadline, counters), endpoint, asked.size());
    }

    private byte[] ask(final EndpointDescription endpoint, final Invocation asked, final Deadline deadline, final Counters counters) {
        counters.items += asked.size();
        Reply response = askWorkers(endpoint, asked, deadline, counters);
        if (response == null && hasMoved(endpoint, deadline)) response = askWorkers(endpoint, asked, deadline, counters);
        if (response == null) response = askService(endpoint, asked, deadline, counters);
        return checked(response, endpoint, asked, counters.requestId);
    }

    /** Null where none of them can answer, but another may. */
    private Reply askWorkers(final EndpointDescription endpoint, final Invocation asked, final Deadline deadline,
                                            final Counters counters) {
        final WorkerPool pool = endpoint.workers();
        for (final WorkerPool.Worker worker : pool.leastBusyFirst()) {
            final Reply response = tryWorker(worker, pool.token, endpoint, asked, deadline, counters);
            if (response == null) continue;
            return isForTheService(response) ? null : response;
        }
        return null;
    }

    private static boolean isForTheService(final Reply response) {
        return ASK_THE_SERVICE.contains(response.status)
                || response.status == 400 && ErrorBody.read(response).saysWrongVersion();
    }

    /** A restarted worker, or one of a version before the newest, has another address or token. */
    private boolean hasMoved(final EndpointDescription endpoint, final Deadline deadline) {
        final Optional<EndpointDescription> now = directory.again(endpoint, deadline.leftMillis());
        if (now.isEmpty() || now.get().workers().isSame(endpoint.workers())) return false;
        endpoint.moveTo(now.get());
        return true;
    }

    private Reply tryWorker(final WorkerPool.Worker worker, final String token, final EndpointDescription endpoint,
                            final Invocation asked, final Deadline deadline, final Counters counters) {
        worker.inFlight.incrementAndGet();
        try {
            final URI url = worker.address.resolve("/invocations");
            return post("http".equals(url.getScheme()) ? connections::post : http::post, url, token, endpoint, asked, deadline, counters);
        } catch (final IOException e) {
            worker.rest();
            return null;
        } finally {
            worker.inFlight.decrementAndGet();
        }
    }

    private Reply askService(final EndpointDescription endpoint, final Invocation asked, final Deadline deadline,
                             final Counters counters) {
        try {
            return post(http::post, endpoint.reference.invocations(), endpoint.reference.token().orElse(""), endpoint, asked, deadline, counters);
        } catch (final IOException e) {
            throw Failure.WORKER_UNREACHABLE.with(endpoint.name(), ErrorBody.reason(e));
        }
    }

    private Reply post(final Route route, final URI url, final String token, final EndpointDescription endpoint,
                       final Invocation asked, final Deadline deadline, final Counters counters) throws IOException {
        final long left = deadline.leftMillis();
        final long workers = Math.max(1, left - Math.min(LONGEST_GRACE_MILLIS, left / 10));
        final byte[] body = asked.toJson(endpoint.version, counters.requestId, workers, asked.isInductive() ? mostBytes : Long.MAX_VALUE);
        final long start = System.nanoTime();
        try {
            final Reply reply = route.post(url, token, counters.traceParent, body, left);
            counters.bytes += body.length + reply.body.length;
            return reply;
        } catch (final HttpConnectTimeoutException e) {
            throw e;
        } catch (final HttpTimeoutException e) {
            throw deadline.exceeded();
        } finally {
            counters.calls++;
            counters.waitNanos += System.nanoTime() - start;
        }
    }

    private byte[] checked(final Reply response, final EndpointDescription endpoint, final Invocation asked, final String requestId) {
        if (response.status == 200) return response.body;
        if (response.status == 413 && asked.isInductive()) throw new RequestTooLarge("the worker takes");
        if (response.status == 404) directory.forget(endpoint.reference);
        throw ErrorBody.read(response).asInvocationFailure(endpoint, requestId);
    }
}
