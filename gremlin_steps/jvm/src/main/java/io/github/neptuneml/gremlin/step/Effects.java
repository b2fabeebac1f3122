package io.github.neptuneml.gremlin.step;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Predicate;
import org.apache.tinkerpop.gremlin.process.traversal.Step;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.step.Barrier;
import org.apache.tinkerpop.gremlin.process.traversal.step.Scoping;
import org.apache.tinkerpop.gremlin.process.traversal.step.SideEffectCapable;
import org.apache.tinkerpop.gremlin.process.traversal.step.TraversalParent;
import org.apache.tinkerpop.gremlin.process.traversal.step.filter.FilterStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.MatchStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.NoOpBarrierStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.sideEffect.ProfileSideEffectStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.sideEffect.SideEffectCapStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.sideEffect.SideEffectStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.util.EmptyStep;

/**
 * Where a batch may pull traversers ahead: only where its effects, and whatever reads them, come out as if every
 * traverser ran to its end before the next one started.
 *
 * <p>Order matters within a <em>stretch</em>, the steps between two barriers that let nothing pass before everything has
 * come in. Before the reading step no effect may stand, because it would happen early, or too often before a limit().
 * After it, only what is kept in a side effect that no earlier step of the stretch reads.
 */
public final class Effects {

    /** Steps that read or write what a traverser carries along; by name, because some are of one release only. */
    private static final Set<String> ON_TRAVERSERS = Set.of("LoopsStep", "SackStep", "SackValueStep");

    /** Steps that change something and keep it under no key. */
    private static final StepKind UNKEYED = new StepKind(type -> ON_TRAVERSERS.contains(type.getSimpleName())
            || SideEffectStep.class.isAssignableFrom(type) && !SideEffectCapable.class.isAssignableFrom(type));

    private Effects() {
    }

    /** Whether pulling traversers ahead into a step could change the query's effects. */
    public static boolean around(final Step<?, ?> step) {
        final List<Step<?, ?>> before = new ArrayList<>();
        for (Step<?, ?> s = step.getPreviousStep(); !isEnd(s) && !isFullBarrier(s); s = s.getPreviousStep()) before.add(s);
        for (final Step<?, ?> earlier : before) if (in(earlier)) return true;
        final Set<String> kept = new HashSet<>();
        Step<?, ?> s = step;
        while (!isEnd(s)) {
            if (isStrict(s)) return true;
            addKept(s, kept);
            if (isFullBarrier(s)) break;
            s = s.getNextStep();
        }
        if (!kept.isEmpty() && before.stream().anyMatch(earlier -> reads(earlier, kept))) return true;
        return isEnd(s) && !isEnd(step.getTraversal().getParent().asStep())
                && around(step.getTraversal().getParent().asStep());
    }

    /** Whether a step, or anything nested in it, changes or keeps something. */
    static boolean in(final Step<?, ?> step) {
        return any(step, each -> changes(each) || keeps(each));
    }

    /** Whether something is changed that cannot be told by a side effect's key. */
    private static boolean isStrict(final Step<?, ?> step) {
        return any(step, Effects::changes);
    }

    private static boolean changes(final Step<?, ?> step) {
        return Changes.by(step) || UNKEYED.has(step);
    }

    private static boolean keeps(final Step<?, ?> step) {
        return step instanceof SideEffectCapable && !(step instanceof ProfileSideEffectStep);
    }

    private static void addKept(final Step<?, ?> step, final Set<String> keys) {
        if (keeps(step)) keys.add(((SideEffectCapable<?, ?>) step).getSideEffectKey());
        for (final Step<?, ?> nested : nested(step)) addKept(nested, keys);
    }

    private static boolean reads(final Step<?, ?> step, final Set<String> keys) {
        return any(step, each -> !Collections.disjoint(readBy(each), keys));
    }

    private static Collection<String> readBy(final Step<?, ?> step) {
        if (step instanceof SideEffectCapStep) return ((SideEffectCapStep<?, ?>) step).getSideEffectKeys();
        return step instanceof Scoping ? ((Scoping) step).getScopeKeys() : Set.of();
    }

    /** Whether a test holds for a step or for anything nested in it. */
    private static boolean any(final Step<?, ?> step, final Predicate<Step<?, ?>> test) {
        if (test.test(step)) return true;
        for (final Step<?, ?> nested : nested(step)) if (any(nested, test)) return true;
        return false;
    }

    /** The steps of a step's children. */
    private static List<Step<?, ?>> nested(final Step<?, ?> step) {
        if (!(step instanceof TraversalParent)) return List.of();
        final List<Step<?, ?>> nested = new ArrayList<>();
        for (final Traversal.Admin<?, ?> child : Feed.all((TraversalParent) step)) nested.addAll((List<Step<?, ?>>) (List<?>) child.getSteps());
        return nested;
    }

    /** Whether everything has come in before anything goes out. */
    static boolean isFullBarrier(final Step<?, ?> step) {
        return step instanceof Barrier
                && !(step instanceof NoOpBarrierStep) && !(step instanceof MatchStep) && !(step instanceof FilterStep);
    }

    private static boolean isEnd(final Step<?, ?> step) {
        return step instanceof EmptyStep;
    }
}
