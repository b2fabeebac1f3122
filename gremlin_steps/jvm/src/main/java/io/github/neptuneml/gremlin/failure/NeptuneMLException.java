package io.github.neptuneml.gremlin.failure;

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
 * └── UnsupportedOperationMLException  400  code UnsupportedOperationException
 * </pre>
 *
 * Messages begin with the code, because Gremlin Server ships only the message of the root cause. For the same reason
 * none of them carries a cause.
 */
public abstract class NeptuneMLException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    private final String code;

    private NeptuneMLException(final String code, final String detail) {
        super(code + ": " + detail);
        this.code = code;
    }

    /** The name that Neptune gives to this failure, stable and fit for comparison. */
    public final String code() {
        return code;
    }

    /** The endpoint is unknown, not in service, or may not be asked. */
    public static final class BadRequestException extends NeptuneMLException {
        private static final long serialVersionUID = 1L;

        public BadRequestException(final String detail) {
            super("BadRequestException", detail);
        }
    }

    /** A worker's answer is malformed or comes from another version of the artifact. */
    public static final class ConstraintViolationException extends NeptuneMLException {
        private static final long serialVersionUID = 1L;

        public ConstraintViolationException(final String detail) {
            super("ConstraintViolationException", detail);
        }
    }

    /** Service or worker is unreachable, died or failed. */
    public static final class FailureByQueryException extends NeptuneMLException {
        private static final long serialVersionUID = 1L;

        public FailureByQueryException(final String detail) {
            super("FailureByQueryException", detail);
        }
    }

    /** The plugin itself cannot go on. */
    public static final class InternalFailureException extends NeptuneMLException {
        private static final long serialVersionUID = 1L;

        public InternalFailureException(final String detail) {
            super("InternalFailureException", detail);
        }
    }

    /** A predicate, key or label is there and wrong. */
    public static final class InvalidParameterException extends NeptuneMLException {
        private static final long serialVersionUID = 1L;

        public InvalidParameterException(final String detail) {
            super("InvalidParameterException", detail);
        }
    }

    /** A predicate, key or label is needed and absent. */
    public static final class MissingParameterException extends NeptuneMLException {
        private static final long serialVersionUID = 1L;

        public MissingParameterException(final String detail) {
            super("MissingParameterException", detail);
        }
    }

    /** The time that the query had is over. */
    public static final class TimeLimitExceededException extends NeptuneMLException {
        private static final long serialVersionUID = 1L;

        public TimeLimitExceededException(final String detail) {
            super("TimeLimitExceededException", detail);
        }
    }

    /** The worker's queue is full. */
    public static final class TooManyRequestsException extends NeptuneMLException {
        private static final long serialVersionUID = 1L;

        public TooManyRequestsException(final String detail) {
            super("TooManyRequestsException", detail);
        }
    }

    /** The form is not one that can be answered; not Java's own class, whose messages clients do not read. */
    public static final class UnsupportedOperationMLException extends NeptuneMLException {
        private static final long serialVersionUID = 1L;

        public UnsupportedOperationMLException(final String detail) {
            super("UnsupportedOperationException", detail);
        }
    }
}
