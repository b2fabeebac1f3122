package io.github.neptuneml.gremlin.strategy;

import io.github.neptuneml.gremlin.step.Effects;
import io.github.neptuneml.gremlin.step.LookAheadStep;
import java.util.List;
import org.apache.tinkerpop.gremlin.process.traversal.Step;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.step.filter.FilterStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.filter.HasStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.util.EmptyStep;
import org.apache.tinkerpop.gremlin.process.traversal.util.TraversalHelper;

/**
 * Puts a look-ahead before each step in which predictions are nested, so that they are asked for in batches: by itself
 * such a step hands its traversers to what is nested one at a time.
 */
final class LookAheadRewrite {

    private LookAheadRewrite() {
    }

    /** To be called when all predictions stand in the tree. */
    static void apply(final List<Traversal.Admin<?, ?>> tree) {
        for (final Traversal.Admin<?, ?> part : tree)
            for (int i = part.getSteps().size() - 1; i >= 0; i--) insertBefore((Step<?, ?>) part.getSteps().get(i), part);
    }

    private static void insertBefore(final Step<?, ?> step, final Traversal.Admin<?, ?> traversal) {
        if (isSource(step) || !LookAheadStep.isOfUseBefore(step) || Effects.around(step)) return;
        while (step instanceof FilterStep && isPlainFilter(step.getNextStep()) && step.getLabels().isEmpty())
            moveBefore(step, step.getNextStep(), traversal);
        TraversalHelper.insertBeforeStep((Step) new LookAheadStep<>(traversal), (Step) step, (Traversal.Admin) traversal);
    }

    /** TinkerPop moves cheap filters forward where the index of a graph helps, and cannot do so past a look-ahead. */
    private static boolean isPlainFilter(final Step<?, ?> step) {
        return step instanceof HasStep && step.getLabels().isEmpty();
    }

    private static void moveBefore(final Step<?, ?> step, final Step<?, ?> filter, final Traversal.Admin<?, ?> traversal) {
        traversal.removeStep((Step) filter);
        TraversalHelper.insertBeforeStep((Step) filter, (Step) step, (Traversal.Admin) traversal);
    }

    /** A first step of a query, such as {@code g.union(…)}, makes its own traversers. */
    private static boolean isSource(final Step<?, ?> step) {
        return step.getTraversal().isRoot() && step.getPreviousStep() instanceof EmptyStep;
    }
}
