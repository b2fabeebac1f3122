package io.github.neptuneml.gremlin.step;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.tinkerpop.gremlin.process.traversal.Path;
import org.apache.tinkerpop.gremlin.process.traversal.Pop;
import org.apache.tinkerpop.gremlin.process.traversal.Step;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.Traverser;
import org.apache.tinkerpop.gremlin.process.traversal.step.Scoping;
import org.apache.tinkerpop.gremlin.process.traversal.step.TraversalParent;
import org.apache.tinkerpop.gremlin.process.traversal.step.branch.BranchStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.branch.LocalStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.branch.OptionalStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.branch.RepeatStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.filter.ConnectiveStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.filter.DedupGlobalStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.filter.NotStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.filter.TraversalFilterStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.CoalesceStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.GroupCountStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.GroupStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.MatchStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.MathStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.OrderGlobalStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.PathStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.ProjectStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.SelectOneStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.SelectStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.TraversalFlatMapStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.TraversalMapStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.sideEffect.GroupCountSideEffectStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.sideEffect.GroupSideEffectStep;

/**
 * What a step hands to a traversal that is nested in it, for each traverser that comes in: mostly the traverser itself,
 * otherwise something out of its path. Of a repeat(), the first loop.
 */
final class Feed {

    /** Steps that hand over the traversers themselves; sub-classes, too. */
    private static final List<Class<?>> OWN_CLASSES = List.of(
            TraversalFilterStep.class, NotStep.class, ConnectiveStep.class, TraversalMapStep.class, TraversalFlatMapStep.class,
            LocalStep.class, CoalesceStep.class, OptionalStep.class, BranchStep.class, ProjectStep.class, OrderGlobalStep.class,
            GroupStep.class, GroupCountStep.class, GroupSideEffectStep.class, GroupCountSideEffectStep.class);

    /** By name: the class has another name or package in another release. */
    private static final Set<String> OWN_NAMES = Set.of("AggregateGlobalStep", "AggregateStep", "AggregateLocalStep");

    private static final StepKind OWN = new StepKind(
            StepKind.anyOf(OWN_CLASSES).or(type -> OWN_NAMES.contains(type.getSimpleName())));

    private static final StepKind OUT_OF_THE_PATH = new StepKind(
            StepKind.anyOf(List.of(SelectStep.class, SelectOneStep.class, PathStep.class, MathStep.class)));

    private Feed() {
    }

    /** The nested traversals whose input can be told. */
    static List<Traversal.Admin<?, ?>> children(final Step<?, ?> step) {
        if (step instanceof RepeatStep) return childrenOf((RepeatStep<?>) step);
        if (step instanceof MatchStep) return childrenOf((MatchStep<?, ?>) step);
        return isOwn(step) || OUT_OF_THE_PATH.has(step) ? all((TraversalParent) step) : List.of();
    }

    private static boolean isOwn(final Step<?, ?> step) {
        if (step instanceof DedupGlobalStep) return ((DedupGlobalStep<?>) step).getScopeKeys().isEmpty();
        return OWN.has(step);
    }

    static List<Traversal.Admin<?, ?>> all(final TraversalParent parent) {
        final List<Traversal.Admin<?, ?>> children = new ArrayList<>(parent.getLocalChildren());
        children.addAll(parent.getGlobalChildren());
        return children;
    }

    private static List<Traversal.Admin<?, ?>> childrenOf(final RepeatStep<?> repeat) {
        final List<Traversal.Admin<?, ?>> children = new ArrayList<>();
        if (repeat.untilFirst && repeat.getUntilTraversal() != null) children.add(repeat.getUntilTraversal());
        if (repeat.emitFirst && repeat.getEmitTraversal() != null) children.add(repeat.getEmitTraversal());
        children.add(repeat.getRepeatTraversal());
        return children;
    }

    /** The patterns that begin with what comes in. */
    private static List<Traversal.Admin<?, ?>> childrenOf(final MatchStep<?, ?> match) {
        final String start = startLabel(match);
        return match.getGlobalChildren().stream().filter(pattern -> start.equals(selectKey(pattern))).collect(Collectors.toList());
    }

    private static String startLabel(final MatchStep<?, ?> match) {
        return MatchStep.Helper.computeStartLabel(match.getGlobalChildren());
    }

    private static String selectKey(final Traversal.Admin<?, ?> pattern) {
        return isPattern(pattern) ? ((MatchStep.MatchStartStep) (Step) pattern.getStartStep()).getSelectKey().orElse(null) : null;
    }

    /** Whether a traversal begins with the step that takes its input out of a match's path, which is fed here without it. */
    static boolean isPattern(final Traversal.Admin<?, ?> traversal) {
        return (Step) traversal.getStartStep() instanceof MatchStep.MatchStartStep;
    }

    /**
     * What a nested traversal will be run on.
     *
     * @param child one of the step's {@link #children}
     */
    static List<Traverser.Admin<Object>> of(final Traversal.Admin<?, ?> child, final List<? extends Traverser.Admin<?>> batch) {
        final Step<?, ?> parent = child.getParent().asStep();
        final List<Traverser.Admin<Object>> own = (List<Traverser.Admin<Object>>) (List<?>) batch;
        if (isOwn(parent) || parent instanceof RepeatStep) return own;
        final List<Traverser.Admin<Object>> fed = new ArrayList<>();
        for (final Traverser.Admin<Object> traverser : own)
            objects(parent, child, traverser).filter(Objects::nonNull)
                    .forEach(object -> fed.add(traverser.<Object>split(object, PredictionStep.unlabelled())));
        return fed;
    }

    private static Stream<Object> objects(final Step<?, ?> parent, final Traversal.Admin<?, ?> child, final Traverser.Admin<Object> traverser) {
        if (parent instanceof MatchStep) return Stream.of(started(startLabel((MatchStep<?, ?>) parent), traverser));
        if (parent instanceof PathStep) return inTurn(path((PathStep<?>) parent, traverser).objects(), parent, child);
        final Scoping scoping = (Scoping) parent;
        if (parent instanceof MathStep)
            return Stream.concat(Stream.of(traverser.get()), scoping.getScopeKeys().stream().map(key -> scoped(scoping, Pop.last, key, traverser)));
        final boolean one = parent instanceof SelectOneStep;
        final Pop pop = one ? ((SelectOneStep<?, ?>) parent).getPop() : ((SelectStep<?, ?>) parent).getPop();
        final List<String> keys = one ? List.copyOf(scoping.getScopeKeys()) : ((SelectStep<?, ?>) parent).getSelectKeys();
        return inTurn(keys, parent, child).map(key -> scoped(scoping, pop, (String) key, traverser));
    }

    private static Object started(final String label, final Traverser.Admin<Object> traverser) {
        final Path path = traverser.path();
        return path.hasLabel(label) ? path.get(Pop.last, label) : traverser.get();
    }

    private static Path path(final PathStep<?> step, final Traverser.Admin<Object> traverser) {
        return traverser.path().subPath(step.getFromLabel(), step.getToLabel());
    }

    private static Object scoped(final Scoping scoping, final Pop pop, final String key, final Traverser.Admin<Object> traverser) {
        return scoping.getNullableScopeValue(pop, key, traverser);
    }

    /** The by() modulators take turns. */
    private static Stream<Object> inTurn(final List<?> objects, final Step<?, ?> parent, final Traversal.Admin<?, ?> child) {
        final List<?> modulators = ((TraversalParent) parent).getLocalChildren();
        return IntStream.range(0, objects.size()).filter(i -> modulators.get(i % modulators.size()) == child).mapToObj(objects::get);
    }
}
