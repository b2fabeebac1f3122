package io.github.neptuneml.gremlin.step;

import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.tinkerpop.gremlin.process.traversal.Step;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.step.LambdaHolder;
import org.apache.tinkerpop.gremlin.process.traversal.step.Mutating;
import org.apache.tinkerpop.gremlin.process.traversal.util.TraversalHelper;

/** Whether a step, or any step of a query, may change the graph while it runs. */
final class Changes {

    /** By name, because they have no interface that says it, or are of one release only (3.8's placeholders). */
    private static final Set<String> NAMES = Set.of(
            "CallStep", "CallStepPlaceholder", "IoStep",
            "AddVertexStartStepPlaceholder", "AddVertexStepPlaceholder", "AddEdgeStartStepPlaceholder",
            "AddEdgeStepPlaceholder", "AddPropertyStepPlaceholder", "MergeVertexStepPlaceholder", "MergeEdgeStepPlaceholder");

    private static final StepKind KIND = new StepKind(
            StepKind.anyOf(List.of(Mutating.class, LambdaHolder.class)).or(type -> NAMES.contains(type.getSimpleName())));

    private Changes() {
    }

    static boolean in(final Traversal.Admin<?, ?> root) {
        final AtomicBoolean changes = new AtomicBoolean();
        TraversalHelper.applyTraversalRecursively(traversal -> {
            if (traversal.getSteps().stream().anyMatch(Changes::by)) changes.set(true);
        }, root);
        return changes.get();
    }

    static boolean by(final Step<?, ?> step) {
        return KIND.has(step);
    }
}
