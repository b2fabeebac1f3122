package io.github.neptuneml.gremlin.step;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
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

    private Effects() {
    }

    /** Whether pulling traversers ahead into a step could change the query's effects. */
    public static boolean around(final Step<?, ?> step) {
        final List<Step<?, ?>> before = new ArrayList<>();
        for (Step<?, ?> s = step.getPreviousStep(); !isEnd(s) && !isFullBarrier(s); s = s.getPreviousStep()) before.add(s);
        if (before.stream().anyMatch(Effects::in)) return true;
        final Set<String> kept = new HashSet<>();
        Step<?, ?> s = step;
        while (!isEnd(s)) {
            if (isStrict(s)) return true;
            kept.addAll(keptBy(s));
            if (isFullBarrier(s)) break;
            s = s.getNextStep();
        }
        if (!kept.isEmpty() && before.stream().anyMatch(earlier -> reads(earlier, kept))) return true;
        return isEnd(s) && !isEnd(step.getTraversal().getParent().asStep())
                && around(step.getTraversal().getParent().asStep());
    }

    /** Whether a step, or anything nested in it, changes or keeps something. */
    static boolean in(final Step<?, ?> step) {
        return steps(step).anyMatch(each -> changes(each) || each instanceof SideEffectCapable && !(each instanceof ProfileSideEffectStep));
    }

    /** Whether something is changed that cannot be told by a side effect's key. */
    private static boolean isStrict(final Step<?, ?> step) {
        return steps(step).anyMatch(Effects::changes);
    }

    private static boolean changes(final Step<?, ?> step) {
        if (step instanceof ProfileSideEffectStep) return false;
        final boolean keyed = step instanceof SideEffectCapable;
        return Changes.by(step) || step instanceof SideEffectStep && !keyed || ON_TRAVERSERS.contains(step.getClass().getSimpleName());
    }

    private static Collection<String> keptBy(final Step<?, ?> step) {
        final Set<String> keys = new HashSet<>();
        steps(step).filter(each -> each instanceof SideEffectCapable && !(each instanceof ProfileSideEffectStep))
                .forEach(each -> keys.add(((SideEffectCapable<?, ?>) each).getSideEffectKey()));
        return keys;
    }

    private static boolean reads(final Step<?, ?> step, final Set<String> keys) {
        return steps(step).flatMap(Effects::readBy).anyMatch(keys::contains);
    }

    private static Stream<String> readBy(final Step<?, ?> step) {
        if (step instanceof SideEffectCapStep) return ((SideEffectCapStep<?, ?>) step).getSideEffectKeys().stream();
        return step instanceof Scoping ? ((Scoping) step).getScopeKeys().stream() : Stream.empty();
    }

    private static Stream<Step<?, ?>> steps(final Step<?, ?> step) {
        if (!(step instanceof TraversalParent)) return Stream.of(step);
        final TraversalParent parent = (TraversalParent) step;
        final List<Traversal.Admin<?, ?>> children = new ArrayList<>(parent.getLocalChildren());
        children.addAll(parent.getGlobalChildren());
        return Stream.concat(Stream.of(step), children.stream()
                .flatMap(child -> ((List<Step<?, ?>>) (List<?>) child.getSteps()).stream()).flatMap(Effects::steps));
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
