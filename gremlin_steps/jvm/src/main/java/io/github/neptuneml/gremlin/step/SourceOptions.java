package io.github.neptuneml.gremlin.step;

import io.github.neptuneml.gremlin.NeptuneML;
import java.util.Map;
import java.util.Objects;
import org.apache.tinkerpop.gremlin.process.traversal.TraversalStrategies;
import org.apache.tinkerpop.gremlin.process.traversal.strategy.decoration.OptionsStrategy;

/** What {@code g.with(...)} says. */
public final class SourceOptions {

    private static final String EVALUATION_TIMEOUT = "evaluationTimeout";
    private static final String TRACE_PARENT = "traceparent";

    final String endpoint;
    final Integer limit;
    final Object threshold;
    final long evaluationTimeoutMillis;
    final Boolean inductive;
    final Boolean deterministic;
    final Boolean refresh;
    final Object traceParent;

    private SourceOptions(final Map<String, Object> options) {
        endpoint = options.containsKey(NeptuneML.ENDPOINT)
                ? OptionValues.text(NeptuneML.ENDPOINT, options.get(NeptuneML.ENDPOINT)) : null;
        limit = options.containsKey(NeptuneML.LIMIT) ? OptionValues.limit(options.get(NeptuneML.LIMIT)) : null;
        threshold = options.containsKey(NeptuneML.THRESHOLD)
                ? OptionValues.threshold(options.get(NeptuneML.THRESHOLD)) : null;
        if (options.containsKey(NeptuneML.IAM_ROLE_ARN))
            OptionValues.text(NeptuneML.IAM_ROLE_ARN, options.get(NeptuneML.IAM_ROLE_ARN));
        inductive = OptionValues.flagIn(options, NeptuneML.INDUCTIVE_INFERENCE);
        deterministic = OptionValues.flagIn(options, NeptuneML.DETERMINISTIC);
        refresh = OptionValues.flagIn(options, NeptuneML.DISABLE_INDUCTIVE_INFERENCE_METADATA_CACHE);
        final Object timeout = options.get(EVALUATION_TIMEOUT);
        traceParent = options.get(TRACE_PARENT);
        evaluationTimeoutMillis = timeout instanceof Number ? ((Number) timeout).longValue() : 0;
    }

    /** @throws io.github.neptuneml.gremlin.failure.NeptuneMLException if a predicate's value is wrong */
    public static SourceOptions of(final TraversalStrategies strategies) {
        return new SourceOptions(raw(strategies));
    }

    /** The options as given, ours and others'. */
    public static Map<String, Object> raw(final TraversalStrategies strategies) {
        return strategies.getStrategy(OptionsStrategy.class).map(OptionsStrategy::getOptions)
                .map(Objects::requireNonNull).orElse(Map.of());
    }
}
