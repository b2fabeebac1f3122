package io.github.neptuneml.gremlin.strategy;

import io.github.neptuneml.gremlin.NeptuneML;
import io.github.neptuneml.gremlin.failure.Failure;
import io.github.neptuneml.gremlin.step.Runs;
import io.github.neptuneml.gremlin.step.SourceOptions;
import io.github.neptuneml.gremlin.wire.PredictionClient;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.apache.tinkerpop.gremlin.process.computer.traversal.strategy.decoration.VertexProgramStrategy;
import org.apache.tinkerpop.gremlin.process.traversal.Step;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.TraversalStrategies;
import org.apache.tinkerpop.gremlin.process.traversal.TraversalStrategy;
import org.apache.tinkerpop.gremlin.process.traversal.lambda.ValueTraversal;
import org.apache.tinkerpop.gremlin.process.traversal.step.HasContainerHolder;
import org.apache.tinkerpop.gremlin.process.traversal.step.Mutating;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.ElementMapStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.PropertiesStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.PropertyMapStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.VertexStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.util.HasContainer;
import org.apache.tinkerpop.gremlin.process.traversal.strategy.AbstractTraversalStrategy;
import org.apache.tinkerpop.gremlin.process.traversal.strategy.decoration.ConnectiveStrategy;
import org.apache.tinkerpop.gremlin.process.traversal.strategy.decoration.PartitionStrategy;
import org.apache.tinkerpop.gremlin.process.traversal.strategy.decoration.SubgraphStrategy;

/**
 * Replaces the steps that carry {@code Neptune#ml.*} predicates by steps that ask an endpoint, and a
 * {@code valueMap()} that asks for columns; refuses every predicate that would otherwise be ignored.
 *
 * <p>It is a decoration strategy because optimisations lose steps' options, and it goes before the strategies that
 * restrict access, so that these see the look-ups that predictions make ({@code VertexLookup}). The whole tree is
 * rewritten when the root's turn comes.
 */
public final class NeptuneMLStrategy extends AbstractTraversalStrategy<TraversalStrategy.DecorationStrategy>
        implements TraversalStrategy.DecorationStrategy {

    private static final long serialVersionUID = 1L;

    private static final Set<Class<? extends DecorationStrategy>> POSTS = Set.of(
            SubgraphStrategy.class, PartitionStrategy.class, ConnectiveStrategy.class, VertexProgramStrategy.class);

    private final transient PredictionClient client;

    public NeptuneMLStrategy(final PredictionClient client) {
        this.client = client;
    }

    @Override
    public Set<Class<? extends DecorationStrategy>> applyPost() {
        return POSTS;
    }

    @Override
    public void apply(final Traversal.Admin<?, ?> traversal) {
        if (!traversal.isRoot()) return;
        checkSource(traversal.getStrategies());
        if (!Traversals.any(traversal, NeptuneMLStrategy::isMarked)) return;
        if (traversal.getStrategies().getStrategy(VertexProgramStrategy.class).isPresent()) throw Failure.OLAP.with();
        rewrite(Traversals.tree(traversal));
    }

    private void rewrite(final List<Traversal.Admin<?, ?>> tree) {
        tree.forEach(NeptuneMLStrategy::refuseModulator);
        final Runs runs = new Runs(client);
        final PropertiesRewrite properties = new PropertiesRewrite(
                runs, PropertyCriterion.of(tree.get(0).getStrategies()), tree);
        final LinkRewrite links = new LinkRewrite(runs);
        for (final Traversal.Admin<?, ?> part : tree)
            for (final Step<?, ?> step : List.copyOf(part.getSteps()))
                if (isMarked(step)) rewrite(step, part, properties, links);
        LookAheadRewrite.apply(tree);
        tree.forEach(ModulatorRewrite::apply);
    }

    private static void rewrite(final Step<?, ?> step, final Traversal.Admin<?, ?> traversal,
                                final PropertiesRewrite properties, final LinkRewrite links) {
        final Map<String, Object> predicates = Traversals.predicates(step);
        if (predicates.isEmpty()) refuseKeys(step);
        else if (step instanceof PropertiesStep) properties.apply((PropertiesStep<?>) step, predicates, traversal);
        else if (step instanceof VertexStep) links.apply((VertexStep<?>) step, predicates, traversal);
        else if (step instanceof PropertyMapStep && predicates.containsKey(NeptuneML.COLUMNS))
            ColumnsRewrite.apply((PropertyMapStep<?, ?>) step, predicates, traversal);
        else predicates.keySet().forEach(predicate -> Predicates.refuse(predicate, Traversals.name(step)));
    }

    private static void refuseKeys(final Step<?, ?> step) {
        final String key = predicateKey(step);
        if (key.equals(NeptuneML.SCORE) && step instanceof PropertiesStep)
            throw Failure.SCORE_WITHOUT_TASK.with("properties() or values()");
        Predicates.refuse(key, Traversals.name(step));
    }

    private static void refuseModulator(final Traversal.Admin<?, ?> traversal) {
        if (isModulator(traversal)) Predicates.refuse(((ValueTraversal<?, ?>) traversal).getPropertyKey(), "by()");
    }

    /** {@code by('Neptune#ml.score')}, which would read a stored property of that name. */
    private static boolean isModulator(final Traversal.Admin<?, ?> traversal) {
        return traversal instanceof ValueTraversal && NeptuneML.isPredicate(((ValueTraversal<?, ?>) traversal).getPropertyKey());
    }

    private static boolean isMarked(final Traversal.Admin<?, ?> traversal) {
        final List<Step> steps = traversal.getSteps();
        for (int i = 0; i < steps.size(); i++) if (isMarked(steps.get(i))) return true;
        return isModulator(traversal);
    }

    private static boolean isMarked(final Step<?, ?> step) {
        return !Traversals.predicates(step).isEmpty() || predicateKey(step) != null;
    }

    /** The first predicate among the property keys that a step reads or writes, or null; plain loops, as every query pays for them. */
    private static String predicateKey(final Step<?, ?> step) {
        if (step instanceof PropertiesStep) return WrittenKeys.firstPredicate(Arrays.asList(((PropertiesStep<?>) step).getPropertyKeys()));
        if (step instanceof PropertyMapStep) return WrittenKeys.firstPredicate(Arrays.asList(((PropertyMapStep<?, ?>) step).getPropertyKeys()));
        if (step instanceof ElementMapStep) return WrittenKeys.firstPredicate(Arrays.asList(((ElementMapStep<?, ?>) step).getPropertyKeys()));
        if (step instanceof Mutating) return WrittenKeys.predicate(step);
        if (!(step instanceof HasContainerHolder)) return null;
        final List<HasContainer> containers = ((HasContainerHolder) step).getHasContainers();
        for (final HasContainer container : containers)
            if (NeptuneML.isPredicate(container.getKey())) return container.getKey();
        return null;
    }

    private static void checkSource(final TraversalStrategies strategies) {
        final Map<String, Object> options = SourceOptions.raw(strategies);
        if (!options.isEmpty()) checkOptions(options, strategies);
        strategies.getStrategy(SubgraphStrategy.class).ifPresent(NeptuneMLStrategy::checkCriteria);
    }

    private static void checkOptions(final Map<String, Object> options, final TraversalStrategies strategies) {
        for (final String option : options.keySet())
            if (NeptuneML.isPredicate(option)) Predicates.require(option, Place.SOURCE, "g");
        SourceOptions.of(strategies);
    }

    /** Criteria join the traversal after our turn, so predictions in them would silently read stored data. */
    private static void checkCriteria(final SubgraphStrategy subgraph) {
        Stream.<Traversal<?, ?>>of(subgraph.getVertexCriterion(), subgraph.getEdgeCriterion(), subgraph.getVertexPropertyCriterion())
                .filter(criterion -> criterion != null)
                .flatMap(criterion -> Traversals.tree(criterion.asAdmin()).stream())
                .flatMap(criterion -> criterion.getSteps().stream()).filter(NeptuneMLStrategy::isMarked).findFirst()
                .ifPresent(step -> {
                    throw Failure.ACCESS_CRITERION.with(step);
                });
    }
}
