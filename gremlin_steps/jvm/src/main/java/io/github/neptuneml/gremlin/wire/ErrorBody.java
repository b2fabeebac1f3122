package io.github.neptuneml.gremlin.wire;

import io.github.neptuneml.gremlin.failure.Failure;
import io.github.neptuneml.gremlin.failure.NeptuneMLException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import org.apache.tinkerpop.shaded.jackson.databind.JsonNode;
import org.apache.tinkerpop.shaded.jackson.databind.ObjectMapper;

/** An error of service or worker (docs/wire.md, section 3) and the failure of the query that it becomes. */
final class ErrorBody {

    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final int LONGEST_TEXT = 300;

    final int status;
    final String code;
    final String text;

    private ErrorBody(final int status, final String code, final String text) {
        this.status = status;
        this.code = code;
        this.text = text;
    }

    static ErrorBody read(final Reply reply) {
        try {
            final JsonNode body = MAPPER.readTree(reply.body);
            if (body != null && body.path("code").isTextual())
                return new ErrorBody(reply.status, body.path("code").asText(), body.path("detailedMessage").asText(""));
        } catch (final IOException e) {
            // not JSON: whatever stands between us and the service has answered; its text is shown below
        }
        final String text = new String(reply.body, StandardCharsets.UTF_8);
        return new ErrorBody(reply.status, "",
                text.isBlank() ? "no text" : text.substring(0, Math.min(LONGEST_TEXT, text.length())));
    }

    static String reason(final IOException failure) {
        final String text = failure.getMessage();
        return text == null || text.isBlank() ? failure.getClass().getSimpleName() : text;
    }

    NeptuneMLException asDescriptionFailure(final EndpointReference reference) {
        if (status == 404) return Failure.ENDPOINT_NOT_FOUND.with(reference.name(), reference.service());
        return asFailure(reference.name(), text);
    }

    /** Whether a worker, or the service that knows none, does not have the artifact version that is asked for. */
    boolean saysWrongVersion() {
        return status == 409 || code.equals("ConstraintViolationException");
    }

    NeptuneMLException asInvocationFailure(final EndpointDescription endpoint, final String requestId) {
        if (status == 404) return Failure.ENDPOINT_NOT_FOUND.with(endpoint.name(), endpoint.reference.service());
        if (saysWrongVersion()) return Failure.WRONG_VERSION.with(endpoint.name(), endpoint.version, text);
        return asFailure(endpoint.name(), text + " (request " + requestId + ")");
    }

    /** @param found what to say of a failure that only a log explains */
    private NeptuneMLException asFailure(final String endpoint, final String found) {
        if (status == 401 || status == 403) return Failure.ENDPOINT_REFUSES.with(endpoint, text);
        if (status == 429) return Failure.OVERLOADED.with(endpoint, text);
        final String from = "endpoint '" + endpoint + "': " + text;
        switch (code) {
            case "TimeLimitExceededException": return new NeptuneMLException.TimeLimitExceededException(from);
            case "InvalidParameterException": return new NeptuneMLException.InvalidParameterException(from);
            case "MissingParameterException": return new NeptuneMLException.MissingParameterException(from);
            case "BadRequestException": return new NeptuneMLException.BadRequestException(from);
            case "ConstraintViolationException": return new NeptuneMLException.ConstraintViolationException(from);
            case "UnsupportedOperationException": return new NeptuneMLException.UnsupportedOperationException(from);
            default: return Failure.WORKER_FAILED.with(endpoint, status, found);
        }
    }
}
