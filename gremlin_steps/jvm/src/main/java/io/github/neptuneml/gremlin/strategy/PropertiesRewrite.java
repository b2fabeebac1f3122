package io.github.neptuneml.gremlin.strategy;

import io.github.neptuneml.gremlin.NeptuneML;
import io.github.neptuneml.gremlin.failure.Failure;
import io.github.neptuneml.gremlin.step.Effects;
import io.github.neptuneml.gremlin.step.PredictedPropertiesStep;
import io.github.neptuneml.gremlin.step.Runs;
import io.github.neptuneml.gremlin.step.StepOptions;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.tinkerpop.gremlin.process.traversal.Step;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.CountGlobalStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.PropertiesStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.PropertyValueStep;
import org.apache.tinkerpop.gremlin.process.traversal.util.TraversalHelper;
import org.apache.tinkerpop.gremlin.structure.PropertyType;

/** Replaces {@code properties(k)} and {@code values(k)} that carry a classification or regression. */
final class PropertiesRewrite {

    private final Runs runs;
    private final PropertyCriterion criterion;
    private final List<Traversal.Admin<?, ?>> tree;

    /**
     * Makes a rewrite.
     *
     * @param tree the query
     */
    PropertiesRewrite(final Runs runs, final PropertyCriterion criterion, final List<Traversal.Admin<?, ?>> tree) {
        this.runs = runs;
        this.criterion = criterion;
        this.tree = tree;
    }

    void apply(final PropertiesStep<?> step, final Map<String, Object> predicates, final Traversal.Admin<?, ?> traversal) {
        final boolean asValues = step.getReturnType() == PropertyType.VALUE;
        final String task = task(predicates, asValues ? "values()" : "properties()");
        final List<String> keys = Arrays.stream(step.getPropertyKeys())
                .filter(key -> !NeptuneML.SCORE.equals(key)).collect(Collectors.toList());
        final boolean withScores = keys.size() < step.getPropertyKeys().length;
        final String key = onlyKey(keys, withScores, task);
        if (task.equals(NeptuneML.REGRESSION)) refuseForRegression(predicates, withScores);
        final boolean unseen = !asValues && !withScores && isUnseen(step);
        final boolean folds = unseen && step.getNextStep() instanceof PropertyValueStep;
        final boolean counts = unseen && step.getNextStep() instanceof CountGlobalStep;
        final Step<?, ?> predicted = new PredictedPropertiesStep<>(traversal, runs, StepOptions.of(predicates), task, key,
                folds || counts || asValues && criterion.isAbsent(), withScores, Effects.around(step));
        if (folds) takeOut(step.getNextStep(), predicted, traversal);
        TraversalHelper.replaceStep((Step) step, (Step) predicted, traversal);
        TraversalHelper.copyLabels(step, criterion.insertAfter(predicted, asValues, traversal), false);
    }

    /** Whether only the next step sees the properties, so that what it needs of them may do: values for value() and count(). */
    private boolean isUnseen(final Step<?, ?> properties) {
        return criterion.isAbsent() && properties.getLabels().isEmpty() && !Traversals.showsPaths(tree);
    }

    private static void takeOut(final Step<?, ?> value, final Step<?, ?> predicted, final Traversal.Admin<?, ?> traversal) {
        TraversalHelper.copyLabels(value, predicted, false);
        traversal.removeStep((Step) value);
    }

    private static String task(final Map<String, Object> predicates, final String where) {
        predicates.keySet().forEach(predicate -> Predicates.require(predicate, Place.PROPERTIES, where));
        final boolean classification = StepOptions.isOn(predicates, NeptuneML.CLASSIFICATION);
        final boolean regression = StepOptions.isOn(predicates, NeptuneML.REGRESSION);
        if (classification && regression) throw Failure.CLASSIFICATION_AND_REGRESSION.with();
        if (!classification && !regression)
            throw Failure.OPTION_WITHOUT_TASK.with(predicates.keySet().iterator().next(), where,
                    "'Neptune#ml.classification' or 'Neptune#ml.regression'");
        return classification ? NeptuneML.CLASSIFICATION : NeptuneML.REGRESSION;
    }

    private static String onlyKey(final List<String> keys, final boolean withScores, final String task) {
        if (keys.isEmpty()) throw withScores ? Failure.SCORE_WITHOUT_KEY.with() : Failure.NO_KEY.with(task);
        if (keys.size() > 1) throw Failure.SEVERAL_KEYS.with(keys);
        return keys.get(0);
    }

    private static void refuseForRegression(final Map<String, Object> predicates, final boolean withScores) {
        if (withScores) throw Failure.NOT_FOR_REGRESSION.with(NeptuneML.SCORE);
        for (final String predicate : List.of(NeptuneML.LIMIT, NeptuneML.THRESHOLD, NeptuneML.SCORE))
            if (predicates.containsKey(predicate)) throw Failure.NOT_FOR_REGRESSION.with(predicate);
    }
}
