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
    private PredictedPropertiesStep<V> step;
    private boolean isDirect;
    private V value;

    public PredictedValueTraversal(final Traversal.Admin<Element, V> traversal) {
        setBypassTraversal(traversal);
    }

    /** Once it runs, all strategies have been applied. Some may have added steps, for example profile()'s. */
    private PredictedPropertiesStep<V> onlyStep() {
        if (step == null && bypassTraversal.getSteps().size() == 1 && (Object) bypassTraversal.getStartStep() instanceof PredictedPropertiesStep)
            step = (PredictedPropertiesStep<V>) (Object) bypassTraversal.getStartStep();
        return step;
    }

    @Override
    public void addStart(final Traverser.Admin<Element> start) {
        final PredictedPropertiesStep<V> only = step != null ? step : onlyStep();
        isDirect = only != null && only.reads(start.get());
        if (isDirect) value = only.read(start);
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

    /** What was read directly has opened nothing. */
    @Override
    public void close() throws Exception {
        if (!isDirect) super.close();
    }

    @Override
    public PredictedValueTraversal<V> clone() {
        final PredictedValueTraversal<V> clone = (PredictedValueTraversal<V>) super.clone();
        clone.step = null;
        clone.isDirect = false;
        clone.value = null;
        return clone;
    }

    @Override
    public String toString() {
        return bypassTraversal.toString();
    }
}
