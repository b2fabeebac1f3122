package io.github.neptuneml.gremlin.step;

import io.github.neptuneml.gremlin.wire.Counters;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;
import org.apache.tinkerpop.gremlin.process.traversal.Step;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.Traverser;
import org.apache.tinkerpop.gremlin.process.traversal.step.Seedable;
import org.apache.tinkerpop.gremlin.process.traversal.step.branch.RepeatStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.filter.FilterStep;
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

    private final List<Nested> nested;

    private LookAhead(final List<Nested> nested) {
        this.nested = nested;
    }

    /** For the steps that follow, up to one that is no filter and has no predictions in it. */
    static LookAhead of(final LookAheadStep<?> step) {
        final List<Nested> nested = new ArrayList<>();
        for (Step<?, ?> s = step.getNextStep(); !(s instanceof EmptyStep); s = s.getNextStep()) {
            if (s instanceof LookAheadStep && !nested.isEmpty()) break;
            nested.addAll(Nested.allOf(s));
            if (!passesThrough(s)) break;
        }
        return new LookAhead(nested);
    }

    static boolean reaches(final Step<?, ?> step) {
        return anyNested(step, prediction -> true);
    }

    boolean isEmpty() {
        return nested.isEmpty();
    }

    /** How much larger each batch may be than the one before, for whichever prediction costs most. */
    int growth() {
        return growth(nested);
    }

    private static int growth(final List<Nested> nested) {
        return nested.stream().mapToInt(Nested::growth).min().orElse(1);
    }

    /** Has everything answered for a batch of traversers. */
    void ask(final List<? extends Traverser.Admin<?>> batch, final Counters counters) {
        nested.removeIf(child -> !asked(child, batch, counters));
    }

    private static boolean asked(final Nested child, final List<? extends Traverser.Admin<?>> batch, final Counters counters) {
        try {
            child.ask(Feed.of(child.original, batch), counters);
            return child.isAsking();
        } catch (final TraversalInterruptedException e) {
            throw e;
        } catch (final RuntimeException e) {
            if (Thread.currentThread().isInterrupted()) throw new TraversalInterruptedException();
            return false;
        }
    }

    /** The positions of a traversal's predictions, and of steps in which some are nested, as far as they can be reached. */
    private static List<Integer> targets(final Traversal.Admin<?, ?> traversal) {
        final List<Integer> targets = new ArrayList<>();
        for (int i = 0; i < traversal.getSteps().size(); i++) {
            final Step<?, ?> step = (Step<?, ?>) traversal.getSteps().get(i);
            if (step instanceof PredictionStep || reaches(step)) targets.add(i);
            if (isLast(step, traversal)) break;
        }
        return targets;
    }

    /** Whether a test holds for a prediction that can be reached. */
    private static boolean any(final Traversal.Admin<?, ?> traversal, final Predicate<PredictionStep<?, ?, ?>> test) {
        for (int i = 0; i < traversal.getSteps().size(); i++) {
            final Step<?, ?> step = (Step<?, ?>) traversal.getSteps().get(i);
            if (step instanceof PredictionStep ? test.test((PredictionStep<?, ?, ?>) step) : anyNested(step, test)) return true;
            if (isLast(step, traversal)) break;
        }
        return false;
    }

    private static boolean anyNested(final Step<?, ?> step, final Predicate<PredictionStep<?, ?, ?>> test) {
        for (final Traversal.Admin<?, ?> child : Feed.children(step)) if (any(child, test)) return true;
        return false;
    }

    /** Whether what comes after a step cannot be reached ahead of it. */
    private static boolean isLast(final Step<?, ?> step, final Traversal.Admin<?, ?> traversal) {
        return step instanceof Seedable || isLoop(traversal) && !passesThrough(step) || Effects.in(step);
    }

    /** Of what a repeat() loops through, only the start is known: a look-ahead that stands in it does the rest. */
    private static boolean isLoop(final Traversal.Admin<?, ?> traversal) {
        return traversal.getParent() instanceof RepeatStep;
    }

    private static boolean passesThrough(final Step<?, ?> step) {
        return step instanceof FilterStep || step instanceof ProfileStep || step instanceof LookAheadStep;
    }

    /** One nested traversal. */
    private static final class Nested {
        private final Traversal.Admin<?, ?> original;
        private final List<Step<Object, Object>> steps;
        private final List<Integer> targets;
        private final List<List<Nested>> deeper = new ArrayList<>();

        private Nested(final Traversal.Admin<?, ?> original, final Traversal.Admin<?, ?> clone) {
            this.original = original;
            steps = (List<Step<Object, Object>>) (List<?>) clone.getSteps();
            targets = targets(original);
            for (int i = 0; i < steps.size(); i++)
                if (steps.get(i) instanceof LookAheadStep) cover(original, clone, i);
            for (final int target : targets) deeper.add(deeper((Step<?, ?>) original.getSteps().get(target), steps.get(target)));
        }

        /** Of each child of a step as it is that costs requests: what a table answers is not worth a clone; their look-aheads have nothing left to do. */
        static List<Nested> allOf(final Step<?, ?> parent) {
            final List<Nested> all = new ArrayList<>();
            for (final Traversal.Admin<?, ?> child : Feed.children(parent))
                if (any(child, PredictionStep::isAsking)) all.add(new Nested(child, child.clone()));
            return all;
        }

        private static List<Nested> deeper(final Step<?, ?> original, final Step<?, ?> clone) {
            if (clone instanceof PredictionStep) return List.of();
            final List<Nested> deeper = new ArrayList<>();
            final List<Traversal.Admin<?, ?>> children = Feed.children(original);
            final List<Traversal.Admin<?, ?>> clones = Feed.children(clone);
            for (int i = 0; i < children.size(); i++)
                if (!targets(children.get(i)).isEmpty()) deeper.add(new Nested(children.get(i), clones.get(i)));
            return deeper;
        }

        private void cover(final Traversal.Admin<?, ?> original, final Traversal.Admin<?, ?> clone, final int position) {
            ((LookAheadStep<?>) clone.getSteps().get(position)).cover();
            if (!isLoop(original) && targets.stream().anyMatch(target -> target > position)) ((LookAheadStep<?>) original.getSteps().get(position)).cover();
        }

        boolean isAsking() {
            for (int i = 0; i < targets.size(); i++) {
                final Step<?, ?> step = steps.get(targets.get(i));
                if (step instanceof PredictionStep ? ((PredictionStep<?, ?, ?>) step).isAsking() : deeper.get(i).stream().anyMatch(Nested::isAsking))
                    return true;
            }
            return false;
        }

        int growth() {
            int growth = Integer.MAX_VALUE;
            for (int i = 0; i < targets.size(); i++) {
                final Step<?, ?> step = steps.get(targets.get(i));
                growth = Math.min(growth, step instanceof PredictionStep ? ((PredictionStep<?, ?, ?>) step).growth() : LookAhead.growth(deeper.get(i)));
            }
            return growth;
        }

        void ask(final List<? extends Traverser.Admin<?>> batch, final Counters counters) {
            if (!isAsking()) return;
            List<Traverser.Admin<Object>> here = (List<Traverser.Admin<Object>>) (List<?>) batch;
            int from = Feed.isPattern(original) ? 1 : 0;
            for (int i = 0; i < targets.size() && !here.isEmpty(); i++) {
                final int target = targets.get(i);
                here = run(from, target, here);
                from = target;
                if (!(steps.get(target) instanceof PredictionStep)) {
                    for (final Nested child : deeper.get(i)) child.ask(Feed.of(child.original, here), counters);
                    continue;
                }
                here = prediction(steps, target).lookAhead(here, prediction((List<Step<Object, Object>>) (List<?>) original.getSteps(), target), this, counters);
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
