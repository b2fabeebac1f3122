package io.github.neptuneml.gremlin.strategy;

import java.util.List;
import java.util.Set;
import org.apache.tinkerpop.gremlin.process.traversal.Step;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.lambda.LoopTraversal;
import org.apache.tinkerpop.gremlin.process.traversal.step.LambdaHolder;
import org.apache.tinkerpop.gremlin.process.traversal.step.Mutating;
import org.apache.tinkerpop.gremlin.process.traversal.step.SideEffectCapable;
import org.apache.tinkerpop.gremlin.process.traversal.step.sideEffect.ProfileSideEffectStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.sideEffect.SideEffectStep;

/**
 * Whether a query changes or keeps anything on its way. If so, no batch may pull traversers ahead: its effects, and
 * whatever reads them, must come out as if every traverser ran to its end before the next one started.
 */
final class Effects {

    /** By name where the class is of one release only (3.8's placeholders), or has no interface that says it. */
    private static final Set<String> NAMES = Set.of(
            "CallStep", "CallStepPlaceholder", "IoStep", "LoopsStep", "SackStep", "SackValueStep",
            "AddVertexStartStepPlaceholder", "AddVertexStepPlaceholder", "AddEdgeStartStepPlaceholder",
            "AddEdgeStepPlaceholder", "AddPropertyStepPlaceholder", "MergeVertexStepPlaceholder", "MergeEdgeStepPlaceholder");

    private Effects() {
    }

    static boolean in(final List<Traversal.Admin<?, ?>> tree) {
        return tree.stream().anyMatch(traversal -> traversal instanceof LoopTraversal
                || traversal.getSteps().stream().anyMatch(Effects::has));
    }

    private static boolean has(final Step<?, ?> step) {
        if (step instanceof ProfileSideEffectStep) return false;
        return step instanceof Mutating || step instanceof SideEffectStep || step instanceof SideEffectCapable
                || step instanceof LambdaHolder || NAMES.contains(step.getClass().getSimpleName());
    }
}
