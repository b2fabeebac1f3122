package io.github.neptuneml.gremlin.strategy;

import org.apache.tinkerpop.gremlin.process.traversal.Step;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.TraversalStrategies;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.__;
import org.apache.tinkerpop.gremlin.process.traversal.step.filter.ClassFilterStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.filter.OrStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.filter.TraversalFilterStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.PropertyValueStep;
import org.apache.tinkerpop.gremlin.process.traversal.strategy.decoration.SubgraphStrategy;
import org.apache.tinkerpop.gremlin.process.traversal.util.TraversalHelper;
import org.apache.tinkerpop.gremlin.structure.VertexProperty;

/**
 * SubgraphStrategy's criterion on vertex properties. The strategy adds it after every {@code properties()} but does not
 * know ours, so predicted properties get it here, in the same form.
 */
final class PropertyCriterion {

    private final Traversal.Admin<?, ?> criterion;

    private PropertyCriterion(final Traversal.Admin<?, ?> criterion) {
        this.criterion = criterion;
    }

    /** The root's: its children have no strategies before their own turn. */
    static PropertyCriterion of(final TraversalStrategies strategies) {
        return new PropertyCriterion(strategies.getStrategy(SubgraphStrategy.class)
                .map(SubgraphStrategy::getVertexPropertyCriterion).map(Traversal::asAdmin).orElse(null));
    }

    boolean isAbsent() {
        return criterion == null;
    }

    /** Adds the criterion, which edges' properties pass, and returns the last of the steps. */
    Step<?, ?> insertAfter(final Step<?, ?> properties, final boolean asValues, final Traversal.Admin<?, ?> traversal) {
        if (isAbsent()) return properties;
        final Traversal.Admin<?, ?> noVertexProperty = __.start().asAdmin();
        noVertexProperty.addStep(new ClassFilterStep<>(noVertexProperty, VertexProperty.class, false));
        final Traversal.Admin<?, ?> fulfils = __.start().asAdmin();
        fulfils.addStep((Step) new TraversalFilterStep<>(fulfils, (Traversal) criterion.clone()));
        final Step<?, ?> filter = new OrStep<>(traversal, (Traversal) noVertexProperty, (Traversal) fulfils);
        TraversalHelper.insertAfterStep((Step) filter, (Step) properties, traversal);
        if (!asValues) return filter;
        final Step<?, ?> values = new PropertyValueStep<>(traversal);
        TraversalHelper.insertAfterStep((Step) values, (Step) filter, traversal);
        return values;
    }
}
