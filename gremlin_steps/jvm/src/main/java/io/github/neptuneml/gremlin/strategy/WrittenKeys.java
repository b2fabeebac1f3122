package io.github.neptuneml.gremlin.strategy;

import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.apache.tinkerpop.gremlin.process.traversal.Step;
import org.apache.tinkerpop.gremlin.process.traversal.step.Parameterizing;
import org.apache.tinkerpop.gremlin.structure.T;

/** The keys that {@code property(k, v)}, {@code addV().property(k, v)} and {@code addE().property(k, v)} write. */
final class WrittenKeys {

    private WrittenKeys() {
    }

    /** 3.7 keeps them among a step's parameters; 3.8's placeholders have methods for them, found by name. */
    static Stream<String> of(final Step<?, ?> step) {
        return Stream.of(parameters(step), call(step, "getPropertiesWithGValues"), call(step, "getKey"))
                .flatMap(WrittenKeys::keys).filter(String.class::isInstance).map(String.class::cast);
    }

    private static Object parameters(final Step<?, ?> step) {
        return step instanceof Parameterizing ? ((Parameterizing) step).getParameters().getRaw() : List.of();
    }

    private static Stream<?> keys(final Object found) {
        if (!(found instanceof Map)) return Stream.of(found);
        final Map<?, ?> map = (Map<?, ?>) found;
        final Object named = map.get(T.key);
        return Stream.concat(map.keySet().stream(), named instanceof List ? ((List<?>) named).stream() : Stream.empty());
    }

    private static Object call(final Step<?, ?> step, final String getter) {
        if (!step.getClass().getSimpleName().endsWith("Placeholder")) return List.of();
        try {
            return step.getClass().getMethod(getter).invoke(step);
        } catch (final ReflectiveOperationException e) {
            return List.of();
        }
    }
}
