package io.github.neptuneml.gremlin.strategy;

import io.github.neptuneml.gremlin.failure.Failure;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.apache.tinkerpop.gremlin.process.traversal.Compare;
import org.apache.tinkerpop.gremlin.process.traversal.Contains;
import org.apache.tinkerpop.gremlin.process.traversal.Step;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.step.filter.HasStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.util.HasContainer;
import org.apache.tinkerpop.gremlin.structure.T;

/**
 * The {@code has()} steps directly after a prediction. The one on the label becomes part of the prediction, because it
 * counts before the limit; so do all others if {@code Neptune#ml.filterBeforeLimit} says so. The rest stays.
 */
final class FollowingFilters {

    private final Set<String> vertexLabels = new LinkedHashSet<>();
    private final List<HasContainer> criteria = new ArrayList<>();
    private final Set<String> labels = new LinkedHashSet<>();

    private FollowingFilters() {
    }

    /** Takes what belongs to the prediction out of the traversal. */
    static FollowingFilters of(final Step<?, ?> prediction, final Traversal.Admin<?, ?> traversal, final boolean all) {
        final FollowingFilters filters = new FollowingFilters();
        Step<?, ?> step = prediction.getNextStep();
        while (step instanceof HasStep) {
            final Step<?, ?> next = step.getNextStep();
            filters.take((HasStep<?>) step, traversal, all);
            step = next;
        }
        if (filters.vertexLabels.isEmpty()) throw Failure.NO_VERTEX_LABEL.with();
        if (filters.vertexLabels.size() > 1) throw Failure.SEVERAL_VERTEX_LABELS.with(filters.vertexLabels);
        return filters;
    }

    private void take(final HasStep<?> step, final Traversal.Admin<?, ?> traversal, final boolean all) {
        for (final HasContainer container : List.copyOf(step.getHasContainers())) {
            final boolean onLabel = T.label.getAccessor().equals(container.getKey());
            if (onLabel) vertexLabels.addAll(plainLabels(container));
            if (!onLabel && !all) continue;
            criteria.add(container);
            step.removeHasContainer(container);
        }
        if (!step.getHasContainers().isEmpty()) return;
        labels.addAll(step.getLabels());
        traversal.removeStep((Step) step);
    }

    private static List<String> plainLabels(final HasContainer container) {
        final Object value = container.getValue();
        if (container.getBiPredicate() == Compare.eq && value instanceof String) return List.of((String) value);
        if (container.getBiPredicate() == Contains.within && value instanceof Collection) {
            final List<String> labels = new ArrayList<>();
            for (final Object label : (Collection<?>) value) labels.add(String.valueOf(label));
            return labels;
        }
        throw Failure.UNCLEAR_VERTEX_LABEL.with(container.getPredicate());
    }

    /** The label of the predicted vertices. */
    String vertexLabel() {
        return vertexLabels.iterator().next();
    }

    /** What predicted vertices must fulfil before the limit counts. */
    List<HasContainer> criteria() {
        return criteria;
    }

    /** The step labels ({@code as('x')}) of filters that went into the prediction. */
    Set<String> labels() {
        return labels;
    }
}
