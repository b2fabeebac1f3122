package io.github.neptuneml.gremlin.step;

import io.github.neptuneml.gremlin.NeptuneML;
import io.github.neptuneml.gremlin.failure.Failure;
import io.github.neptuneml.gremlin.table.PredictionTable;
import io.github.neptuneml.gremlin.wire.Answer;
import io.github.neptuneml.gremlin.wire.Counters;
import io.github.neptuneml.gremlin.wire.EndpointDescription;
import io.github.neptuneml.gremlin.wire.Invocation;
import io.github.neptuneml.gremlin.wire.Labels;
import java.util.List;
import java.util.function.Predicate;

/** A step's options and its source's, brought together with the endpoint that the query has pinned. */
final class Resolved {

    final EndpointDescription endpoint;
    final int limit;
    final Object threshold;
    final boolean isInductive;
    final boolean isDeterministic;
    private final Query query;
    private final long timeoutMillis;
    final Counters counters;
    private InductiveAnswers inductive;
    private NewCandidates newCandidates;

    private Resolved(final Query query, final EndpointDescription endpoint, final int limit, final Object threshold,
                     final boolean isInductive, final boolean isDeterministic, final long timeoutMillis, final Counters counters) {
        this.query = query;
        this.endpoint = endpoint;
        this.limit = limit;
        this.threshold = threshold;
        this.isInductive = isInductive;
        this.isDeterministic = isDeterministic;
        this.timeoutMillis = timeoutMillis;
        this.counters = counters;
    }

    static Resolved of(final Query query, final StepOptions step, final SourceOptions source, final String predicate,
                       final Counters counters) {
        final boolean inductive = step.isInductive(source);
        final boolean deterministic = step.isDeterministic(source);
        final EndpointDescription endpoint = query.pin(
                step.endpoint != null ? step.endpoint : source.endpoint, inductive && step.refreshes(source),
                source.evaluationTimeoutMillis);
        if (!endpoint.task().predicate().equals(predicate))
            throw Failure.WRONG_TASK.with(predicate, endpoint.name(), endpoint);
        if (inductive && endpoint.inductive().isEmpty()) throw Failure.NOT_INDUCTIVE.with(endpoint.name());
        if (endpoint.task().isRegression())
            return new Resolved(query, endpoint, 1, null, inductive, deterministic, source.evaluationTimeoutMillis, counters);
        final Integer limit = step.limit != null ? step.limit : source.limit;
        final Object threshold = step.threshold != null ? step.threshold : source.threshold;
        if (NeptuneML.TUNED.equals(threshold) && endpoint.threshold().isEmpty())
            throw Failure.NO_TUNED_THRESHOLD.with(endpoint.name());
        return new Resolved(query, endpoint, limit == null ? 1 : limit, threshold, inductive, deterministic,
                source.evaluationTimeoutMillis, counters);
    }

    /** Whether an inductive answer counts as long as the query runs: not where the query changes the graph. */
    boolean keepsAnswers() {
        return !query.changes();
    }

    /** Answers from the graph as it is now. */
    InductiveAnswers inductive() {
        if (inductive == null) inductive = new InductiveAnswers(this, query);
        return inductive;
    }

    /** What the query sees of a label and the model does not know; nothing where only the model is asked. */
    NewCandidates newCandidates(final String label) {
        if (!isInductive) return NewCandidates.NONE;
        if (newCandidates == null || query.changes()) {
            final Predicate<String> known = query.knownIds(endpoint, Labels.onWire(label), timeoutMillis);
            newCandidates = NewCandidates.of(this, label, known, query.embeddings(inductive().sampler().graph()));
        }
        return newCandidates;
    }

    /** Asks for embeddings, one per item. */
    List<byte[]> embed(final Invocation invocation) {
        return query.embed(endpoint, invocation, timeoutMillis, counters);
    }

    /** The same, with what it costs added to other counters. */
    Resolved countedBy(final Counters others) {
        return new Resolved(query, endpoint, limit, threshold, isInductive, isDeterministic, timeoutMillis, others);
    }

    /** Below this score nothing is answered; 0 where the query sets no threshold. */
    double lowestScore() {
        if (NeptuneML.TUNED.equals(threshold)) return endpoint.threshold().orElseThrow();
        return threshold == null ? 0 : (Double) threshold;
    }

    /** The endpoint's table for a label, or null where there is none at hand. */
    PredictionTable table(final String label) {
        return query.table(endpoint, label, timeoutMillis);
    }

    List<List<Answer>> ask(final Invocation invocation) {
        return query.ask(endpoint, invocation.threshold(threshold), timeoutMillis, counters);
    }
}
