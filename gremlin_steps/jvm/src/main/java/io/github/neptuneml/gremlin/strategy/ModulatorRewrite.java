package io.github.neptuneml.gremlin.strategy;

import io.github.neptuneml.gremlin.step.PredictedPropertiesStep;
import io.github.neptuneml.gremlin.step.PredictedValueTraversal;
import java.util.List;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.step.TraversalParent;
import org.apache.tinkerpop.gremlin.process.traversal.step.filter.DedupGlobalStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.GroupCountStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.GroupStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.OrderGlobalStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.ProjectStep;

/** Lets {@code by()} read a prediction directly, as TinkerPop's ByModulatorOptimizationStrategy does for what is stored. */
final class ModulatorRewrite {
    private ModulatorRewrite() {
    }

    static void apply(final Traversal.Admin<?, ?> child) {
        final TraversalParent parent = child.getParent();
        if (child.getSteps().size() != 1 || !((Object) child.getStartStep() instanceof PredictedPropertiesStep)) return;
        if (modulators(parent).stream().noneMatch(modulator -> modulator == child)) return;
        parent.replaceLocalChild(child, new PredictedValueTraversal<>((Traversal.Admin) child));
    }

    /** Not the values of group(), which are gathered. */
    private static List<? extends Traversal.Admin<?, ?>> modulators(final TraversalParent parent) {
        if (parent instanceof GroupStep) return List.of(((GroupStep<?, ?, ?>) parent).getKeyTraversal());
        final boolean reads = parent instanceof ProjectStep || parent instanceof OrderGlobalStep
                || parent instanceof GroupCountStep || parent instanceof DedupGlobalStep;
        return reads ? (List) parent.getLocalChildren() : List.of();
    }
}
