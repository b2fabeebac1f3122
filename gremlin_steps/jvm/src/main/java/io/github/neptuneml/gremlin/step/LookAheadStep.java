package io.github.neptuneml.gremlin.step;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import org.apache.tinkerpop.gremlin.process.traversal.Step;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.Traverser;
import org.apache.tinkerpop.gremlin.process.traversal.step.Profiling;
import org.apache.tinkerpop.gremlin.process.traversal.step.util.AbstractStep;
import org.apache.tinkerpop.gremlin.process.traversal.util.FastNoSuchElementException;
import org.apache.tinkerpop.gremlin.process.traversal.util.MutableMetrics;
import org.apache.tinkerpop.gremlin.structure.util.StringFactory;

/**
 * Passes traversers through unchanged, and before a batch of them goes on has all predictions that are nested in the
 * following steps answered for the whole batch; the nested steps then find the answers without asking.
 *
 * @param <S> what comes in and goes out
 */
public final class LookAheadStep<S> extends AbstractStep<S, S> implements Profiling {

    static final int LARGEST_BATCH = 10_000;

    private Queue<Traverser.Admin<S>> ahead = new ArrayDeque<>();
    private LookAhead lookAhead;
    private Demand demand;
    private boolean covered;
    private int batchSize;
    private long passedOn;
    private Costs costs = new Costs();

    public LookAheadStep(final Traversal.Admin<?, ?> traversal) {
        super(traversal);
    }

    /** Whether predictions are nested in a step that could be asked for ahead of it. */
    public static boolean isOfUseBefore(final Step<?, ?> step) {
        return LookAhead.reaches(step);
    }

    @Override
    protected Traverser.Admin<S> processNextStart() {
        if (ahead.isEmpty()) {
            if (covered || !isAsking()) return starts.next();
            if (passedOn >= demand.most) throw FastNoSuchElementException.instance();
            fill();
        }
        return ahead.remove();
    }

    private boolean isAsking() {
        if (lookAhead == null) lookAhead = LookAhead.of(this);
        if (lookAhead.isEmpty()) return false;
        if (demand == null) demand = Demand.of(this);
        return true;
    }

    private void fill() {
        if (batchSize == 0) batchSize = demand.first;
        final List<Traverser.Admin<S>> batch = new ArrayList<>();
        batch.add(starts.next());
        long bulk = batch.get(0).bulk();
        while (batch.size() < batchSize && passedOn + bulk < demand.most && starts.hasNext()) {
            batch.add(starts.next());
            bulk += batch.get(batch.size() - 1).bulk();
        }
        passedOn += bulk;
        batchSize = Math.min(lookAhead.growth() * batchSize, LARGEST_BATCH);
        lookAhead.ask(batch, costs.counters);
        costs.addBatch();
        ahead.addAll(batch);
    }

    /** Lets everything through, because a look-ahead further out asks for what this one would. */
    void cover() {
        covered = true;
    }

    @Override
    public boolean hasStarts() {
        return !ahead.isEmpty() || super.hasStarts();
    }

    @Override
    public void setMetrics(final MutableMetrics metrics) {
        costs.showIn(metrics);
    }

    @Override
    public LookAheadStep<S> clone() {
        final LookAheadStep<S> clone = (LookAheadStep<S>) super.clone();
        clone.lookAhead = null;
        clone.demand = null;
        clone.covered = false;
        clone.costs = new Costs();
        return clone;
    }

    /** Replaces the queue instead of emptying it: cloning resets the clone while it still shares the original's. */
    @Override
    public void reset() {
        super.reset();
        ahead = new ArrayDeque<>();
        batchSize = 0;
        passedOn = 0;
    }

    @Override
    public String toString() {
        return StringFactory.stepString(this);
    }
}
