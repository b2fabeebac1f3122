package io.github.neptuneml.gremlin.failure;

import org.apache.tinkerpop.gremlin.structure.util.TemporaryException;

/**
 * The tree of failures, named as Neptune names them.
 *
 * <pre>
 * NeptuneMLException
 * ├── BadRequestException              400  the endpoint cannot be used
 * ├── ConstraintViolationException     400  a worker's answer is unusable
 * ├── FailureByQueryException          500  service or worker did not answer
 * ├── InternalFailureException         500  our own fault
 * ├── InvalidParameterException        400  a predicate, key or label is wrong
 * ├── MissingParameterException        400  a predicate, key or label is missing
 * ├── TimeLimitExceededException       500  the answer came too late
 * ├── TooManyRequestsException         429  the worker is overloaded
 * └── UnsupportedOperationException    400  the form cannot be answered
 * </pre>
 *
 * Classes are named as the codes are, because Gremlin Server puts the names of an exception's classes into the
 * {@code exceptions} of a response's status attributes. Messages begin with the code, because only the message of the
 * root cause is shipped. For the same reason none of them carries a cause.
 */
public abstract class NeptuneMLException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    private final String code;
    private final int status;

    private NeptuneMLException(final String code, final int status, final String detail) {
        super(code + ": " + detail);
        this.code = code;
        this.status = status;
    }

    /** The name that Neptune gives to this failure, stable and fit for comparison. */
    public final String code() {
        return code;
    }

    /** The HTTP status that goes with the code. */
    public final int status() {
        return status;
    }

    /** The endpoint is unknown, not in service, or may not be asked. */
    public static final class BadRequestException extends NeptuneMLException {
        private static final long serialVersionUID = 1L;

        public BadRequestException(final String detail) {
            super("BadRequestException", 400, detail);
        }
    }

    /** A worker's answer is malformed or comes from another version of the artifact. */
    public static final class ConstraintViolationException extends NeptuneMLException {
        private static final long serialVersionUID = 1L;

        public ConstraintViolationException(final String detail) {
            super("ConstraintViolationException", 400, detail);
        }
    }

    /** Service or worker is unreachable, died or failed. */
    public static final class FailureByQueryException extends NeptuneMLException {
        private static final long serialVersionUID = 1L;

        public FailureByQueryException(final String detail) {
            super("FailureByQueryException", 500, detail);
        }
    }

    /** The plugin itself cannot go on. */
    public static final class InternalFailureException extends NeptuneMLException {
        private static final long serialVersionUID = 1L;

        public InternalFailureException(final String detail) {
            super("InternalFailureException", 500, detail);
        }
    }

    /** A predicate, key or label is there and wrong. */
    public static final class InvalidParameterException extends NeptuneMLException {
        private static final long serialVersionUID = 1L;

        public InvalidParameterException(final String detail) {
            super("InvalidParameterException", 400, detail);
        }
    }

    /** A predicate, key or label is needed and absent. */
    public static final class MissingParameterException extends NeptuneMLException {
        private static final long serialVersionUID = 1L;

        public MissingParameterException(final String detail) {
            super("MissingParameterException", 400, detail);
        }
    }

    /** The time that the query had is over. */
    public static final class TimeLimitExceededException extends NeptuneMLException {
        private static final long serialVersionUID = 1L;

        public TimeLimitExceededException(final String detail) {
            super("TimeLimitExceededException", 500, detail);
        }
    }

    /** The worker's queue is full; Gremlin Server tells drivers (596) that the same request may be sent again. */
    public static final class TooManyRequestsException extends NeptuneMLException implements TemporaryException {
        private static final long serialVersionUID = 1L;

        public TooManyRequestsException(final String detail) {
            super("TooManyRequestsException", 429, detail);
        }
    }

    /** The form is not one that can be answered; not Java's own class, whose messages clients do not read. */
    public static final class UnsupportedOperationException extends NeptuneMLException {
        private static final long serialVersionUID = 1L;

        public UnsupportedOperationException(final String detail) {
            super("UnsupportedOperationException", 400, detail);
        }
    }
}
