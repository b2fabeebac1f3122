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
    }

    /** @throws io.github.neptuneml.gremlin.failure.NeptuneMLException if a predicate's value is wrong */
    public static StepOptions of(final Map<String, Object> options) {
        return new StepOptions(options);
    }

    /** Whether a predicate without argument is there and not switched off. */
    public static boolean isOn(final Map<String, Object> options, final String predicate) {
        return options.containsKey(predicate) && OptionValues.flag(predicate, options.get(predicate));
    }
}
