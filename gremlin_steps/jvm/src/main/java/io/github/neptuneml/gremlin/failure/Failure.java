package io.github.neptuneml.gremlin.failure;

import io.github.neptuneml.gremlin.failure.NeptuneMLException.BadRequestException;
import io.github.neptuneml.gremlin.failure.NeptuneMLException.ConstraintViolationException;
import io.github.neptuneml.gremlin.failure.NeptuneMLException.FailureByQueryException;
import io.github.neptuneml.gremlin.failure.NeptuneMLException.InternalFailureException;
import io.github.neptuneml.gremlin.failure.NeptuneMLException.InvalidParameterException;
import io.github.neptuneml.gremlin.failure.NeptuneMLException.MissingParameterException;
import io.github.neptuneml.gremlin.failure.NeptuneMLException.TimeLimitExceededException;
import io.github.neptuneml.gremlin.failure.NeptuneMLException.TooManyRequestsException;
import io.github.neptuneml.gremlin.failure.NeptuneMLException.UnsupportedOperationException;
import java.util.Arrays;
import java.util.function.Function;

/** Every failure a query can meet: its class and its message, which says what happened; then what to do. */
public enum Failure {

    // -- the traversal --
    NO_KEY(MissingParameterException::new,
            "properties() with '%s' needs the key of the predicted property; name it: properties('genre')", 16),
    SCORE_WITHOUT_KEY(MissingParameterException::new,
            "'Neptune#ml.score' needs the key of the predicted property beside it; name both: properties('genre', 'Neptune#ml.score')", 18),
    SEVERAL_KEYS(InvalidParameterException::new,
            "a prediction is made for one property key, not for %s; ask for each in a step of its own", 8, 13),
    SCORE_WITHOUT_TASK(InvalidParameterException::new,
            "'Neptune#ml.score' as a key needs .with('Neptune#ml.classification'); say it directly after %s"),
    CLASSIFICATION_AND_REGRESSION(InvalidParameterException::new,
            "one step takes either 'Neptune#ml.classification' or 'Neptune#ml.regression', not both; remove one", 11),
    OPTION_WITHOUT_TASK(InvalidParameterException::new,
            "'%s' on %s means nothing without %s; add that to the same step"),
    NOT_FOR_REGRESSION(InvalidParameterException::new,
            "'%s' does not apply to a regression, which has neither scores nor several answers; remove it"),
    NO_EDGE_LABEL(MissingParameterException::new,
            "%s with 'Neptune#ml.prediction' needs an edge label; say out('borrowed') or out().with('Neptune#ml.prediction', 'borrowed')", 17),
    SEVERAL_EDGE_LABELS(InvalidParameterException::new,
            "'Neptune#ml.prediction' takes one edge label, not %s; ask for each in a step of its own", 9, 12),
    NO_VERTEX_LABEL(UnsupportedOperationException::new,
            "'Neptune#ml.prediction' needs the label of the predicted vertices; say it directly after: .hasLabel('Book')", 20),
    SEVERAL_VERTEX_LABELS(InvalidParameterException::new,
            "'Neptune#ml.prediction' takes one label of predicted vertices, not %s; ask for each in a step of its own", 10),
    UNCLEAR_VERTEX_LABEL(UnsupportedOperationException::new,
            "'Neptune#ml.prediction' needs one plain label of predicted vertices, not %s; say .hasLabel('Book')", 20),
    UNSUPPORTED_DIRECTION(UnsupportedOperationException::new,
            "'Neptune#ml.prediction' cannot stand on %s; use out() for tails or in() for heads", 19),
    OLAP(UnsupportedOperationException::new,
            "neither predictions nor columns come from a traversal withComputer(); run it without"),
    ACCESS_CRITERION(UnsupportedOperationException::new,
            "a criterion of SubgraphStrategy cannot ask for predictions ('%s'); use stored properties there"),
    UNKNOWN_PREDICATE(InvalidParameterException::new, "unknown predicate '%s'; the nearest is '%s', which belongs %s"),
    MISPLACED_PREDICATE(InvalidParameterException::new, "'%s' means nothing on %s; it belongs %s"),
    WRONG_VALUE(InvalidParameterException::new, "'%s' takes %s, not %s; give it that, or leave it out", 7),
    NOT_STORED(UnsupportedOperationException::new,
            "a predicted property is not stored in the graph, so it cannot be changed or removed; write its value with property() on the element"),
    NOT_AN_ELEMENT(InvalidParameterException::new, "predictions and columns are made for vertices and edges, not for %s; go to an element first"),

    // -- the endpoint --
    NO_ENDPOINT(MissingParameterException::new,
            "no endpoint is named; say g.with('Neptune#ml.endpoint', name) or set 'endpoint' in the plugin's configuration", 14),
    ENDPOINT_SYNTAX(InvalidParameterException::new,
            "'%s' is no endpoint; give an id or name (letters, digits, '.', '_', '-') or http://host:port/endpoints/name/invocations", 6),
    ENDPOINT_URL_NOT_ALLOWED(InvalidParameterException::new,
            "the endpoint URL's host and port, %s, are not the configured service's; add them to 'allowedUrls' in the plugin's configuration"),
    ENDPOINT_NOT_FOUND(BadRequestException::new,
            "endpoint '%s' was not found at %s; GET /ml/endpoints lists the existing ones", 3),
    ENDPOINT_NOT_IN_SERVICE(BadRequestException::new,
            "endpoint '%s' is not in service (status %s); GET /ml/endpoints/%s says why"),
    ENDPOINT_REFUSES(BadRequestException::new,
            "endpoint '%s' may not be asked (%s); check 'serviceToken' in the plugin's configuration", 2),
    WRONG_TASK(InvalidParameterException::new, "'%s' does not fit endpoint '%s', which predicts %s; ask for that, or name another endpoint"),
    WRONG_KEY(InvalidParameterException::new, "property '%s' is not what endpoint '%s' predicts: %s; ask for that, or name another endpoint"),
    WRONG_EDGE(InvalidParameterException::new, "%s is not what endpoint '%s' predicts: %s; ask for that, or name another endpoint"),
    WRONG_ELEMENT(InvalidParameterException::new, "%s was asked of endpoint '%s', which predicts %s; ask for that, or name another endpoint"),
    NOT_INDUCTIVE(UnsupportedOperationException::new,
            "'Neptune#ml.inductiveInference': the model of endpoint '%s' answers only for what it was trained with; leave the predicate out"),
    NO_ID_TABLE(BadRequestException::new,
            "which vertices labelled '%s' endpoint '%s' knows cannot be told without its table of their ids; raise 'tableLimitMib' in the plugin's configuration or transform the model again with this release"),
    TOO_MANY_NEW_CANDIDATES(BadRequestException::new,
            "more than %s vertices labelled '%s' are new to endpoint '%s' ('maxNewCandidates'); process and transform a new export, so that its model knows them, or raise 'max_new_candidates' in the service's configuration"),
    NO_TUNED_THRESHOLD(InvalidParameterException::new,
            "endpoint '%s' has no tuned threshold; give 'Neptune#ml.threshold' a number from 0 to 1"),

    // -- service and worker --
    SERVICE_UNREACHABLE(FailureByQueryException::new,
            "the service at %s cannot be reached (%s); start it with `neptuneml serve` or set 'serviceUrl' in the plugin's configuration", 4, 5),
    WORKER_UNREACHABLE(FailureByQueryException::new, "no worker of endpoint '%s' can be reached (%s); a worker that died is started again, so try again, and look at the service's log if that does not help"),
    WORKER_FAILED(FailureByQueryException::new, "endpoint '%s' failed with HTTP %s: %s; the service's log says more"),
    OVERLOADED(TooManyRequestsException::new, "endpoint '%s' is overloaded: %s; try again later"),
    REQUEST_TOO_LARGE(BadRequestException::new,
            "one item's neighbourhood makes a request to endpoint '%s' larger than %s; raise 'maxRequestMib' in the plugin's configuration and the worker's limit, or train with a smaller 'fanout'"),
    TOO_LATE(TimeLimitExceededException::new, "endpoint '%s' did not answer within the %s ms that the query had; ask for less at once, or raise 'evaluationTimeout'"),
    MALFORMED_DESCRIPTION(ConstraintViolationException::new, "the description of endpoint '%s' is unusable: %s; check that 'serviceUrl' is a service of this plugin's release"),
    MALFORMED_ANSWER(ConstraintViolationException::new, "endpoint '%s' gave an unusable answer: %s; check that the service is of this plugin's release", 24),
    WRONG_VERSION(ConstraintViolationException::new,
            "endpoint '%s' cannot answer with artifact version %s, with which this query started: %s; run the query again", 24),
    NO_REGISTRATION(InternalFailureException::new,
            "the traversal strategies of this TinkerPop release cannot be reached (%s); 3.7.5 and 3.8.1 are supported");

    private final Function<String, NeptuneMLException> constructor;
    private final String template;
    private final int[] neptuneRows;

    /** The rows of Neptune's list of exceptions that the failure stands for; docs/failures.md is made from all this. */
    Failure(final Function<String, NeptuneMLException> constructor, final String template, final int... neptuneRows) {
        this.constructor = constructor;
        this.template = template;
        this.neptuneRows = neptuneRows;
    }

    /** The message, with placeholders. */
    String template() {
        return template;
    }

    boolean standsFor(final int neptuneRow) {
        return Arrays.stream(neptuneRows).anyMatch(row -> row == neptuneRow);
    }

    /** The exception to throw, its message filled in. */
    public NeptuneMLException with(final Object... details) {
        return constructor.apply(String.format(template, details));
    }
}
