package io.github.neptuneml.gremlin.step;

import io.github.neptuneml.gremlin.failure.Failure;
import io.github.neptuneml.gremlin.failure.NeptuneMLException;
import io.github.neptuneml.gremlin.wire.Counters;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import java.util.function.Consumer;
import org.apache.tinkerpop.gremlin.process.traversal.Step;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.Traverser;
import org.apache.tinkerpop.gremlin.process.traversal.step.Profiling;
import org.apache.tinkerpop.gremlin.process.traversal.step.filter.RangeGlobalStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.util.AbstractStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.util.EmptyStep;
import org.apache.tinkerpop.gremlin.process.traversal.traverser.TraverserRequirement;
import org.apache.tinkerpop.gremlin.process.traversal.util.FastNoSuchElementException;
import org.apache.tinkerpop.gremlin.process.traversal.util.MutableMetrics;
import org.apache.tinkerpop.gremlin.process.traversal.util.TraversalHelper;
import org.apache.tinkerpop.gremlin.structure.util.StringFactory;

/**
 * A step that answers its incoming traversers in growing batches, from 1 to 10,000, so that a first answer is quick,
 * {@code limit(1)} stays lazy, and a long stream costs few requests; in large ones at once where all will be wanted.
 *
 * @param <S> what comes in
 * @param <E> what is predicted
 * @param <A> one answer
 */
abstract class PredictionStep<S, E, A> extends AbstractStep<S, E> implements Profiling {

    private static final int GROWTH = 16;

    private final Runs runs;
    private final StepOptions options;
    private final String predicate;
    private final boolean oneByOne;
    private Queue<Traverser.Admin<E>> answered = new ArrayDeque<>();
    /** 0 before the first batch. */
    private int batchSize;
    private int firstBatch;
    private long passedOn;
    private Resolved resolved;
    private Ahead<A> ahead = new Ahead<>();
    private Costs costs = new Costs();

    /**
     * Makes a step.
     *
     * @param predicate the task's predicate, which must fit the endpoint
     * @param oneByOne whether batches stay at one traverser, because pulling ahead could change the query's effects
     */
    PredictionStep(final Traversal.Admin<?, ?> traversal, final Runs runs, final StepOptions options,
                   final String predicate, final boolean oneByOne) {
        super(traversal);
        this.runs = runs;
        this.options = options;
        this.predicate = predicate;
        this.oneByOne = oneByOne;
    }

    /** The answers for each traverser of a batch; an empty list where there is none. */
    abstract List<List<A>> ask(List<Traverser.Admin<S>> batch, Resolved resolved);

    /** Passes on what is predicted for one traverser. */
    abstract void emit(Traverser.Admin<S> start, List<A> answers, Consumer<Traverser.Admin<E>> out);

    /** Refuses an endpoint that predicts something else. */
    abstract void check(Resolved resolved);

    /** Whether something can be asked about at all. */
    abstract boolean accepts(Object object, Resolved resolved);

    /** What is asked, for {@code explain()}. */
    abstract Object[] question();

    @Override
    protected Traverser.Admin<E> processNextStart() {
        while (answered.isEmpty()) {
            if (passedOn >= wanted()) throw FastNoSuchElementException.instance();
            answer(nextBatch(), resolved());
            costs.addBatch();
        }
        final Traverser.Admin<E> next = answered.remove();
        passedOn += next.bulk();
        return next;
    }

    private void answer(final List<Traverser.Admin<S>> batch, final Resolved here) {
        final List<Traverser.Admin<S>> unknown = unknown(batch, ahead);
        here.counters.cacheHits += batch.size() - unknown.size();
        final Iterator<List<A>> asked = unknown.isEmpty() ? Collections.emptyIterator() : ask(unknown, here).iterator();
        for (final Traverser.Admin<S> start : batch) {
            final List<A> known = ahead.of(start.get());
            emit(start, known == null ? asked.next() : known, answered::add);
        }
    }

    private static <S> List<Traverser.Admin<S>> unknown(final List<Traverser.Admin<S>> batch, final Ahead<?> known) {
        if (known.isEmpty()) return batch;
        final List<Traverser.Admin<S>> unknown = new ArrayList<>();
        for (final Traverser.Admin<S> start : batch) if (known.of(start.get()) == null) unknown.add(start);
        return unknown;
    }

    /**
     * What a following limit() lets through; it would ask for one more before it ends, which may cost a request. Not so
     * where its asking has effects, nor in repeat(), where it counts each loop on its own.
     */
    private long wanted() {
        final Step<?, ?> next = Demand.afterProfiling(nextStep);
        if (oneByOne || !(next instanceof RangeGlobalStep) || Demand.isRepeated(this)) return Long.MAX_VALUE;
        return FollowingLimit.of((RangeGlobalStep<?>) next);
    }

    private int firstBatch() {
        if (firstBatch == 0) firstBatch = oneByOne ? 1 : Math.min(Demand.of(this).first, largestBatch());
        return firstBatch;
    }

    private List<Traverser.Admin<S>> nextBatch() {
        if (batchSize == 0) batchSize = firstBatch();
        final List<Traverser.Admin<S>> batch = new ArrayList<>();
        batch.add(starts.next());
        while (batch.size() < batchSize && starts.hasNext()) batch.add(starts.next());
        if (!oneByOne) batchSize = Math.min(growth() * batchSize, largestBatch());
        return batch;
    }

    /** How much larger each batch is than the one before: less where answers cost more, as some may be asked for in vain. */
    int growth() {
        return GROWTH;
    }

    private int largestBatch() {
        return isInductive() ? InductiveAnswers.LARGEST_BATCH : LookAheadStep.LARGEST_BATCH;
    }

    /** Whether answers come from the graph as it is now, and not from what was computed before. */
    final boolean isInductive() {
        return resolved != null ? resolved.isInductive : options.isInductive(source());
    }

    private SourceOptions source() {
        return SourceOptions.of(TraversalHelper.getRootTraversal(traversal).getStrategies());
    }

    /** At first execution, not before: explain() applies strategies one at a time, without the source's options. */
    final Resolved resolved() {
        if (resolved == null) {
            final Traversal.Admin<?, ?> root = TraversalHelper.getRootTraversal(traversal);
            final Resolved fresh = Resolved.of(runs.of(root), options, SourceOptions.of(root.getStrategies()), predicate, costs.counters);
            check(fresh);
            resolved = fresh;
        }
        return resolved;
    }

    /** Whether looking ahead pays: not where the endpoint cannot be used, which only a query that needs it may say. */
    final boolean isAsking() {
        try {
            final Resolved here = resolved();
            return (!here.isInductive || here.keepsAnswers()) && needsAsking(here);
        } catch (final NeptuneMLException e) {
            return false;
        }
    }

    /** Whether answers cost requests. */
    boolean needsAsking(final Resolved here) {
        return true;
    }

    /**
     * Asks now for what another step of the same question will want to know, and keeps it there.
     *
     * @param other has not been asked for these traversers' objects yet, or for some of them
     * @param asker who looks ahead
     * @param counters what asking costs is added to these
     * @return what the other step will pass on
     */
    List<Traverser.Admin<E>> lookAhead(final List<Traverser.Admin<S>> traversers, final PredictionStep<S, E, A> other,
                                       final Object asker, final Counters counters) {
        final Resolved here = resolved().countedBy(counters);
        final List<Traverser.Admin<S>> batch = new ArrayList<>();
        for (final Traverser.Admin<S> traverser : traversers) if (accepts(traverser.get(), here)) batch.add(traverser);
        final Map<S, List<A>> answers = new HashMap<>();
        for (final Traverser.Admin<S> start : batch) {
            final List<A> known = other.ahead.of(start.get());
            if (known != null) answers.put(start.get(), known);
        }
        final List<Traverser.Admin<S>> unknown = unknown(batch, other.ahead);
        final Iterator<List<A>> asked = unknown.isEmpty() ? Collections.emptyIterator() : ask(unknown, here).iterator();
        for (final Traverser.Admin<S> start : unknown) answers.put(start.get(), asked.next());
        other.ahead.put(asker, answers);
        final List<Traverser.Admin<E>> predicted = new ArrayList<>();
        for (final Traverser.Admin<S> start : batch) emit(start, answers.get(start.get()), predicted::add);
        return predicted;
    }

    /** The answers that a look-ahead has brought for an object, or null. */
    final List<A> ahead(final Object object) {
        return ahead.of(object);
    }

    final void showCosts() {
        costs.show();
    }

    final StepOptions options() {
        return options;
    }

    final String predicate() {
        return predicate;
    }

    /** A traverser with the predicted object, and its score bound to the label that the options name. */
    final Traverser.Admin<E> split(final Traverser.Admin<S> start, final E predicted, final double score) {
        if (options.scoreLabel == null) return start.split(predicted, this);
        final Traverser.Admin<Object> scored = start.split((Object) score, unlabelled());
        scored.addLabels(Collections.singleton(options.scoreLabel));
        return scored.split(predicted, (Step) this);
    }

    static Step unlabelled() {
        return EmptyStep.instance();
    }

    static RuntimeException notAnElement(final Object object) {
        return Failure.NOT_AN_ELEMENT.with(object == null ? "null" : object.getClass().getSimpleName());
    }

    @Override
    public Set<TraverserRequirement> getRequirements() {
        return options.scoreLabel == null ? EnumSet.of(TraverserRequirement.OBJECT)
                : EnumSet.of(TraverserRequirement.OBJECT, TraverserRequirement.LABELED_PATH);
    }

    /** A clone is a query of its own: it asks the endpoint as it is when the clone runs. */
    @Override
    public PredictionStep<S, E, A> clone() {
        final PredictionStep<S, E, A> clone = (PredictionStep<S, E, A>) super.clone();
        clone.resolved = null;
        clone.ahead = new Ahead<>();
        clone.costs = new Costs();
        return clone;
    }

    /** Replaces the queue instead of emptying it: cloning resets the clone while it still shares the original's. */
    @Override
    public void reset() {
        super.reset();
        answered = new ArrayDeque<>();
        batchSize = 0;
        passedOn = 0;
    }

    @Override
    public void setMetrics(final MutableMetrics metrics) {
        costs.showIn(metrics);
    }

    @Override
    public int hashCode() {
        return super.hashCode() ^ Arrays.deepHashCode(question());
    }

    /** With what is known of the endpoint: explain() applies strategies one at a time, without the source's options. */
    @Override
    public String toString() {
        final List<Object> parts = new ArrayList<>(Arrays.asList(question()));
        parts.add("endpoint=" + runs.endpointName(endpoint()).orElse("?"));
        parts.add("batch=" + (oneByOne ? "1" : "1.." + largestBatch()));
        parts.add("mode=" + (isInductive() ? "inductive" : "transductive"));
        return StringFactory.stepString(this, parts.toArray());
    }

    private String endpoint() {
        if (options.endpoint != null) return options.endpoint;
        return source().endpoint;
    }
}
