package io.github.neptuneml.gremlin.step;

import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.Traverser;
import org.apache.tinkerpop.gremlin.process.traversal.lambda.AbstractLambdaTraversal;
import org.apache.tinkerpop.gremlin.process.traversal.util.FastNoSuchElementException;
import org.apache.tinkerpop.gremlin.structure.Element;

/**
 * {@code by(values(k))} with a prediction that is at hand, read as directly as TinkerPop's ValueTraversal reads a stored
 * property. It stands before the traversal itself, which has the steps, and asks where nothing is at hand.
 */
public final class PredictedValueTraversal<V> extends AbstractLambdaTraversal<Element, V> {
    private boolean isDirect;
    private V value;

    public PredictedValueTraversal(final Traversal.Admin<Element, V> traversal) {
        setBypassTraversal(traversal);
    }

    /** Other strategies may have added steps, for example profile()'s. */
    private PredictedPropertiesStep<V> onlyStep() {
        final boolean isOnly = bypassTraversal.getSteps().size() == 1
                && (Object) bypassTraversal.getStartStep() instanceof PredictedPropertiesStep;
        return isOnly ? (PredictedPropertiesStep<V>) (Object) bypassTraversal.getStartStep() : null;
    }

    @Override
    public void addStart(final Traverser.Admin<Element> start) {
        final PredictedPropertiesStep<V> step = onlyStep();
        isDirect = step != null && step.reads(start.get());
        if (isDirect) value = step.read(start);
        else super.addStart(start);
    }

    @Override
    public boolean hasNext() {
        return isDirect ? value != null : super.hasNext();
    }

    @Override
    public V next() {
        if (!isDirect) return super.next();
        if (value == null) throw FastNoSuchElementException.instance();
        final V next = value;
        value = null;
        return next;
    }

    @Override
    public void reset() {
        value = null;
        if (!isDirect) super.reset();
    }

    @Override
    public PredictedValueTraversal<V> clone() {
        final PredictedValueTraversal<V> clone = (PredictedValueTraversal<V>) super.clone();
        clone.isDirect = false;
        clone.value = null;
        return clone;
    }

    @Override
    public String toString() {
        return bypassTraversal.toString();
    }
}
