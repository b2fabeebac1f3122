package io.github.neptuneml.gremlin.step;

import io.github.neptuneml.gremlin.wire.Counters;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.apache.tinkerpop.gremlin.process.traversal.Step;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.Traverser;
import org.apache.tinkerpop.gremlin.process.traversal.step.Seedable;
import org.apache.tinkerpop.gremlin.process.traversal.step.TraversalParent;
import org.apache.tinkerpop.gremlin.process.traversal.step.branch.BranchStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.branch.LocalStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.branch.OptionalStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.filter.ConnectiveStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.filter.DedupGlobalStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.filter.FilterStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.filter.NotStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.filter.TraversalFilterStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.CoalesceStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.GroupCountStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.GroupStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.OrderGlobalStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.ProjectStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.TraversalFlatMapStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.TraversalMapStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.sideEffect.GroupCountSideEffectStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.sideEffect.GroupSideEffectStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.util.EmptyStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.util.ProfileStep;
import org.apache.tinkerpop.gremlin.process.traversal.util.TraversalInterruptedException;

/**
 * The predictions nested in the steps after a {@link LookAheadStep}, in clones of the nested traversals. What stands
 * between a nested traversal's start and a prediction is run on each batch to find what the prediction will be asked of.
 *
 * <p>Nothing that goes wrong here fails the query: it may be in a branch that is not taken. The nested step asks again.
 */
final class LookAhead {

    /** Steps that hand their own traversers to what is nested in them; sub-classes, too. */
    private static final List<Class<?>> FEEDING = List.of(
            TraversalFilterStep.class, NotStep.class, ConnectiveStep.class, TraversalMapStep.class, TraversalFlatMapStep.class,
            LocalStep.class, CoalesceStep.class, OptionalStep.class, BranchStep.class, ProjectStep.class, OrderGlobalStep.class,
            GroupStep.class, GroupCountStep.class, GroupSideEffectStep.class, GroupCountSideEffectStep.class);

    /** By name: the class has another name or package in another release. */
    private static final Set<String> FEEDING_NAMES = Set.of("AggregateGlobalStep", "AggregateStep", "AggregateLocalStep");

    private final List<Nested> nested;

    private LookAhead(final List<Nested> nested) {
        this.nested = nested;
    }

    /** For the steps that follow, up to one that is no filter and has no predictions in it. */
    static LookAhead of(final LookAheadStep<?> step) {
        final List<Nested> nested = new ArrayList<>();
        for (Step<?, ?> s = step.getNextStep(); !(s instanceof EmptyStep); s = s.getNextStep()) {
            if (s instanceof LookAheadStep && !nested.isEmpty()) break;
            final boolean reached = reaches(s);
            if (reached) nested.addAll(Nested.allOf((TraversalParent) s));
            if (!(s instanceof FilterStep || s instanceof ProfileStep || s instanceof LookAheadStep)) break;
        }
        nested.removeIf(child -> !child.isAsking());
        return new LookAhead(nested);
    }

    static boolean reaches(final Step<?, ?> step) {
        return isFeeding(step) && children((TraversalParent) step).stream().anyMatch(child -> !targets(child).isEmpty());
    }

    boolean isEmpty() {
        return nested.isEmpty();
    }

    /** Has everything answered for a batch of traversers. */
    void ask(final List<? extends Traverser.Admin<?>> batch, final Counters counters) {
        nested.removeIf(child -> !asked(child, batch, counters));
    }

    private static boolean asked(final Nested child, final List<? extends Traverser.Admin<?>> batch, final Counters counters) {
        try {
            child.ask(batch, counters);
            return child.isAsking();
        } catch (final TraversalInterruptedException e) {
            throw e;
        } catch (final RuntimeException e) {
            if (Thread.currentThread().isInterrupted()) throw new TraversalInterruptedException();
            return false;
        }
    }

    private static boolean isFeeding(final Step<?, ?> step) {
        if (step instanceof DedupGlobalStep) return ((DedupGlobalStep<?>) step).getScopeKeys().isEmpty();
        return FEEDING.stream().anyMatch(type -> type.isInstance(step)) || FEEDING_NAMES.contains(step.getClass().getSimpleName());
    }

    private static List<Traversal.Admin<?, ?>> children(final TraversalParent parent) {
        final List<Traversal.Admin<?, ?>> children = new ArrayList<>(parent.getLocalChildren());
        children.addAll(parent.getGlobalChildren());
        return children;
    }

    /** The positions of a traversal's predictions, and of steps in which some are nested, as far as they can be reached. */
    private static List<Integer> targets(final Traversal.Admin<?, ?> traversal) {
        final List<Integer> targets = new ArrayList<>();
        for (int i = 0; i < traversal.getSteps().size(); i++) {
            final Step<?, ?> step = (Step<?, ?>) traversal.getSteps().get(i);
            if (step instanceof PredictionStep || reaches(step)) targets.add(i);
            if (Effects.in(step) || step instanceof Seedable) break;
        }
        return targets;
    }

    /** One nested traversal. */
    private static final class Nested {
        private final List<Step<Object, Object>> steps;
        private final List<Step<Object, Object>> originals;
        private final List<Integer> targets;
        private final List<List<Nested>> deeper = new ArrayList<>();

        private Nested(final Traversal.Admin<?, ?> original, final Traversal.Admin<?, ?> clone) {
            steps = (List<Step<Object, Object>>) (List<?>) clone.getSteps();
            originals = (List<Step<Object, Object>>) (List<?>) original.getSteps();
            targets = targets(original);
            for (int i = 0; i < steps.size(); i++)
                if (steps.get(i) instanceof LookAheadStep) cover(original, clone, i);
            for (final int target : targets) deeper.add(deeper((Step<?, ?>) original.getSteps().get(target), steps.get(target)));
        }

        /** Of each child of a step as it is; their look-aheads have nothing left to do. */
        static List<Nested> allOf(final TraversalParent parent) {
            final List<Nested> all = new ArrayList<>();
            for (final Traversal.Admin<?, ?> child : children(parent))
                if (!targets(child).isEmpty()) all.add(new Nested(child, child.clone()));
            return all;
        }

        private static List<Nested> deeper(final Step<?, ?> original, final Step<?, ?> clone) {
            if (clone instanceof PredictionStep) return List.of();
            final List<Nested> deeper = new ArrayList<>();
            final List<Traversal.Admin<?, ?>> children = children((TraversalParent) original);
            final List<Traversal.Admin<?, ?>> clones = children((TraversalParent) clone);
            for (int i = 0; i < children.size(); i++)
                if (!targets(children.get(i)).isEmpty()) deeper.add(new Nested(children.get(i), clones.get(i)));
            return deeper;
        }

        private void cover(final Traversal.Admin<?, ?> original, final Traversal.Admin<?, ?> clone, final int position) {
            ((LookAheadStep<?>) clone.getSteps().get(position)).cover();
            if (targets.stream().anyMatch(target -> target > position)) ((LookAheadStep<?>) original.getSteps().get(position)).cover();
        }

        boolean isAsking() {
            for (int i = 0; i < targets.size(); i++) {
                final Step<?, ?> step = steps.get(targets.get(i));
                if (step instanceof PredictionStep ? ((PredictionStep<?, ?, ?>) step).isAsking() : deeper.get(i).stream().anyMatch(Nested::isAsking))
                    return true;
            }
            return false;
        }

        void ask(final List<? extends Traverser.Admin<?>> batch, final Counters counters) {
            if (!isAsking()) return;
            List<Traverser.Admin<Object>> here = (List<Traverser.Admin<Object>>) (List<?>) batch;
            int from = 0;
            for (int i = 0; i < targets.size() && !here.isEmpty(); i++) {
                final int target = targets.get(i);
                here = run(from, target, here);
                from = target;
                if (!(steps.get(target) instanceof PredictionStep)) {
                    for (final Nested child : deeper.get(i)) child.ask(here, counters);
                    continue;
                }
                here = prediction(steps, target).lookAhead(here, prediction(originals, target), this, counters);
                from++;
            }
        }

        private static PredictionStep<Object, Object, Object> prediction(final List<Step<Object, Object>> steps, final int position) {
            return (PredictionStep<Object, Object, Object>) (Step) steps.get(position);
        }

        /** Runs the steps of a range on each traverser by itself, as the query will. */
        private List<Traverser.Admin<Object>> run(final int from, final int to, final List<Traverser.Admin<Object>> batch) {
            if (from == to) return batch;
            final List<Traverser.Admin<Object>> results = new ArrayList<>();
            final Step<Object, Object> last = steps.get(to - 1);
            for (final Traverser.Admin<Object> traverser : batch) {
                for (int i = from; i < to; i++) steps.get(i).reset();
                steps.get(from).addStart(traverser.split());
                while (last.hasNext()) results.add(last.next());
            }
            return results;
        }
    }
}
