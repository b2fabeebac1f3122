package io.github.neptuneml.gremlin.wire;

import java.net.http.HttpResponse;

/** What a worker or the service has said to a request. */
final class Reply {
    final int status;
    final byte[] body;

    Reply(final int status, final byte[] body) {
        this.status = status;
        this.body = body;
    }

    static Reply of(final HttpResponse<byte[]> response) {
        return new Reply(response.statusCode(), response.body());
    }
}
