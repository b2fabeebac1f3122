package io.github.neptuneml.gremlin.step;

import io.github.neptuneml.gremlin.NeptuneML;
import java.util.Map;

/** What {@code .with(...)} on the step itself says; it wins over {@link SourceOptions}. */
public final class StepOptions {

    final String endpoint;
    final Integer limit;
    final Object threshold;
    final String scoreLabel;
    final boolean filterExistingEdges;
    final Boolean inductive;
    final Boolean deterministic;
    final Boolean refresh;

    private StepOptions(final Map<String, Object> options) {
        endpoint = options.containsKey(NeptuneML.ENDPOINT)
                ? OptionValues.text(NeptuneML.ENDPOINT, options.get(NeptuneML.ENDPOINT)) : null;
        limit = options.containsKey(NeptuneML.LIMIT) ? OptionValues.limit(options.get(NeptuneML.LIMIT)) : null;
        threshold = options.containsKey(NeptuneML.THRESHOLD)
                ? OptionValues.threshold(options.get(NeptuneML.THRESHOLD)) : null;
        scoreLabel = options.containsKey(NeptuneML.SCORE)
                ? OptionValues.text(NeptuneML.SCORE, options.get(NeptuneML.SCORE)) : null;
        if (options.containsKey(NeptuneML.IAM_ROLE_ARN))
            OptionValues.text(NeptuneML.IAM_ROLE_ARN, options.get(NeptuneML.IAM_ROLE_ARN));
        filterExistingEdges = isOn(options, NeptuneML.FILTER_EXISTING_EDGES);
        inductive = OptionValues.flagIn(options, NeptuneML.INDUCTIVE_INFERENCE);
        deterministic = OptionValues.flagIn(options, NeptuneML.DETERMINISTIC);
        refresh = OptionValues.flagIn(options, NeptuneML.DISABLE_INDUCTIVE_INFERENCE_METADATA_CACHE);
    }

    /** @throws io.github.neptuneml.gremlin.failure.NeptuneMLException if a predicate's value is wrong */
    public static StepOptions of(final Map<String, Object> options) {
        return new StepOptions(options);
    }

    /** Whether answers are computed from the graph as it is now. */
    boolean isInductive(final SourceOptions source) {
        return isOn(inductive, source.inductive);
    }

    boolean isDeterministic(final SourceOptions source) {
        return isOn(deterministic, source.deterministic);
    }

    /** Whether the endpoint is to be described afresh. */
    boolean refreshes(final SourceOptions source) {
        return isOn(refresh, source.refresh);
    }

    private static boolean isOn(final Boolean onStep, final Boolean onSource) {
        return Boolean.TRUE.equals(onStep != null ? onStep : onSource);
    }

    /** Whether a predicate without argument is there and not switched off. */
    public static boolean isOn(final Map<String, Object> options, final String predicate) {
        return options.containsKey(predicate) && OptionValues.flag(predicate, options.get(predicate));
    }
}
