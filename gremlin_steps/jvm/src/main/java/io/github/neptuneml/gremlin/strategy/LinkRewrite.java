package io.github.neptuneml.gremlin.strategy;

import io.github.neptuneml.gremlin.NeptuneML;
import io.github.neptuneml.gremlin.failure.Failure;
import io.github.neptuneml.gremlin.step.Effects;
import io.github.neptuneml.gremlin.step.PredictedVerticesStep;
import io.github.neptuneml.gremlin.step.Runs;
import io.github.neptuneml.gremlin.step.StepOptions;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.apache.tinkerpop.gremlin.process.traversal.Step;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.VertexStep;
import org.apache.tinkerpop.gremlin.process.traversal.util.TraversalHelper;
import org.apache.tinkerpop.gremlin.structure.Direction;

/** Replaces {@code out(l)} and {@code in(l)} that carry a prediction, together with the label filter after them. */
final class LinkRewrite {

    private final Runs runs;

    LinkRewrite(final Runs runs) {
        this.runs = runs;
    }

    void apply(final VertexStep<?> step, final Map<String, Object> predicates, final Traversal.Admin<?, ?> traversal) {
        final String where = where(step);
        requirePrediction(step, predicates, where);
        final String edgeLabel = onlyEdgeLabel(step, where);
        final FollowingFilters filters = FollowingFilters.of(
                step, traversal, StepOptions.isOn(predicates, NeptuneML.FILTER_BEFORE_LIMIT));
        final Step<?, ?> predicted = new PredictedVerticesStep(traversal, runs, StepOptions.of(predicates),
                step.getDirection(), edgeLabel, filters.vertexLabel(), filters.criteria(), Effects.around(step));
        TraversalHelper.copyLabels(step, predicted, false);
        filters.labels().forEach(predicted::addLabel);
        TraversalHelper.replaceStep((Step) step, (Step) predicted, traversal);
    }

    private static void requirePrediction(final VertexStep<?> step, final Map<String, Object> predicates, final String where) {
        if (predicates.containsKey(NeptuneML.PREDICTION) && (step.returnsEdge() || step.getDirection() == Direction.BOTH))
            throw Failure.UNSUPPORTED_DIRECTION.with(where);
        predicates.keySet().forEach(predicate -> Predicates.require(predicate, Place.LINK, where));
        if (!predicates.containsKey(NeptuneML.PREDICTION))
            throw Failure.OPTION_WITHOUT_TASK.with(
                    predicates.keySet().iterator().next(), where, "'Neptune#ml.prediction'");
    }

    /** The label stands in {@code out(label)} or, where the grammar takes no options there, beside the predicate. */
    private static String onlyEdgeLabel(final VertexStep<?> step, final String where) {
        final Set<String> labels = new LinkedHashSet<>(Arrays.asList(step.getEdgeLabels()));
        for (final Object option : step.getParameters().getRaw().get(NeptuneML.PREDICTION)) {
            if (option instanceof String) labels.add((String) option);
            else if (!Boolean.TRUE.equals(option))
                throw Failure.WRONG_VALUE.with(NeptuneML.PREDICTION, "nothing or an edge label", option);
        }
        if (labels.isEmpty()) throw Failure.NO_EDGE_LABEL.with(where);
        if (labels.size() > 1) throw Failure.SEVERAL_EDGE_LABELS.with(labels);
        return labels.iterator().next();
    }

    private static String where(final VertexStep<?> step) {
        return step.getDirection().name().toLowerCase(Locale.ROOT) + (step.returnsEdge() ? "E()" : "()");
    }
}
