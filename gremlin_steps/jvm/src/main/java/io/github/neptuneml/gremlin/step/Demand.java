package io.github.neptuneml.gremlin.step;

import org.apache.tinkerpop.gremlin.process.traversal.Step;
import org.apache.tinkerpop.gremlin.process.traversal.step.TraversalParent;
import org.apache.tinkerpop.gremlin.process.traversal.step.branch.RepeatStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.filter.FilterStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.filter.RangeGlobalStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.MapStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.NoOpBarrierStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.ProjectStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.sideEffect.ProfileSideEffectStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.util.EmptyStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.util.ProfileStep;

/** How many traversers the steps after a look-ahead or a prediction will want. */
final class Demand {

    private static final Demand UNKNOWN = new Demand(1, Long.MAX_VALUE);
    private static final Demand EVERYTHING = new Demand(LookAheadStep.LARGEST_BATCH, Long.MAX_VALUE);

    /** How many are wanted to begin with. */
    final int first;

    /** More are never wanted. */
    final long most;

    private Demand(final int first, final long most) {
        this.first = first;
        this.most = most;
    }

    static Demand of(final LookAheadStep<?> step) {
        boolean each = true;
        boolean several = false;
        for (Step<?, ?> s = step.getNextStep(); !(s instanceof EmptyStep); s = s.getNextStep()) {
            if (s instanceof ProfileSideEffectStep || s instanceof NoOpBarrierStep) return UNKNOWN;
            if (Effects.isFullBarrier(s)) return EVERYTHING;
            if (s instanceof RangeGlobalStep) return isRepeated(step) ? UNKNOWN : of((RangeGlobalStep<?>) s, each, several);
            each &= s instanceof ProjectStep || s instanceof ProfileStep || s instanceof LookAheadStep;
            several |= !(s instanceof FilterStep || s instanceof MapStep || s instanceof ProfileStep || s instanceof LookAheadStep);
        }
        return UNKNOWN;
    }

    /** A prediction itself ends once a limit() directly after it has enough. */
    static Demand of(final PredictionStep<?, ?, ?> step) {
        for (Step<?, ?> s = step.getNextStep(); !(s instanceof EmptyStep); s = s.getNextStep()) {
            if (s instanceof ProfileSideEffectStep || s instanceof NoOpBarrierStep) return UNKNOWN;
            if (Effects.isFullBarrier(s)) return EVERYTHING;
            if (s instanceof RangeGlobalStep) return s == afterProfiling(step.getNextStep()) ? ofLimit((RangeGlobalStep<?>) s, step) : UNKNOWN;
        }
        return UNKNOWN;
    }

    private static Demand ofLimit(final RangeGlobalStep<?> range, final Step<?, ?> before) {
        final long limit = FollowingLimit.of(range);
        if (limit == Long.MAX_VALUE || isRepeated(before)) return UNKNOWN;
        return new Demand((int) Math.min(Math.max(limit, 1), LookAheadStep.LARGEST_BATCH), limit);
    }

    /**
     * Before a limit(), which asks for one more than it lets through.
     *
     * @param each whether each traverser reaches the limit as exactly one
     * @param several whether one can become more on its way to the limit
     */
    private static Demand of(final RangeGlobalStep<?> range, final boolean each, final boolean several) {
        final long limit = FollowingLimit.of(range);
        if (limit == Long.MAX_VALUE) return UNKNOWN;
        final int first = (int) Math.min(several ? 2 : each ? Math.max(limit, 1) : limit + 1, LookAheadStep.LARGEST_BATCH);
        return new Demand(first, each ? limit : Long.MAX_VALUE);
    }

    static Step<?, ?> afterProfiling(final Step<?, ?> step) {
        return step instanceof ProfileStep ? step.getNextStep() : step;
    }

    /** In repeat(), a limit counts each loop on its own. */
    static boolean isRepeated(final Step<?, ?> step) {
        TraversalParent parent = step.getTraversal().getParent();
        while (!(parent instanceof EmptyStep) && !(parent instanceof RepeatStep)) parent = parent.asStep().getTraversal().getParent();
        return parent instanceof RepeatStep;
    }
}
