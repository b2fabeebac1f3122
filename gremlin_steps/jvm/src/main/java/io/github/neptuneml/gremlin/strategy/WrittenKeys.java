package io.github.neptuneml.gremlin.strategy;

import io.github.neptuneml.gremlin.NeptuneML;
import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import org.apache.tinkerpop.gremlin.process.traversal.Step;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.lambda.ConstantTraversal;
import org.apache.tinkerpop.gremlin.process.traversal.step.Parameterizing;
import org.apache.tinkerpop.gremlin.process.traversal.step.TraversalParent;
import org.apache.tinkerpop.gremlin.structure.T;

/** The keys that {@code property(k, v)}, {@code addV().property(k, v)}, {@code addE().property(k, v)} and the maps of mergeV() and mergeE() write. */
final class WrittenKeys {

    /** What 3.8's placeholders have for their keys, and no other step; found once per class, as a search in vain is slow. */
    private static final ClassValue<List<Method>> GETTERS = new ClassValue<>() {
        @Override
        protected List<Method> computeValue(final Class<?> type) {
            final List<Method> getters = new ArrayList<>();
            if (type.getSimpleName().endsWith("Placeholder"))
                for (final Method method : type.getMethods())
                    if (List.of("getPropertiesWithGValues", "getKey").contains(method.getName()) && method.getParameterCount() == 0)
                        getters.add(method);
            return getters;
        }
    };

    private WrittenKeys() {
    }

    /** The first predicate among the keys that a step writes, or null. 3.7 keeps them among the step's parameters. */
    static String predicate(final Step<?, ?> step) {
        if (step instanceof Parameterizing) {
            final String key = predicateIn(((Parameterizing) step).getParameters().getRaw());
            if (key != null) return key;
        }
        if (step instanceof TraversalParent) {
            final String key = predicateInMaps((TraversalParent) step);
            if (key != null) return key;
        }
        for (final Method getter : GETTERS.get(step.getClass())) {
            final String key = predicateIn(call(step, getter));
            if (key != null) return key;
        }
        return null;
    }

    private static String predicateInMaps(final TraversalParent step) {
        for (final Traversal.Admin<?, ?> child : step.getLocalChildren()) {
            final Object constant = child instanceof ConstantTraversal ? child.next() : null;
            final String key = constant instanceof Map ? firstPredicate(((Map<?, ?>) constant).keySet()) : null;
            if (key != null) return key;
        }
        return null;
    }

    private static String predicateIn(final Object found) {
        if (!(found instanceof Map)) return NeptuneML.isPredicate(found) ? (String) found : null;
        final Map<?, ?> map = (Map<?, ?>) found;
        final String key = firstPredicate(map.keySet());
        final Object named = map.get(T.key);
        return key == null && named instanceof List ? firstPredicate((List<?>) named) : key;
    }

    /** A plain loop, as every query pays for it. */
    static String firstPredicate(final Collection<?> keys) {
        for (final Object key : keys) if (NeptuneML.isPredicate(key)) return (String) key;
        return null;
    }

    private static Object call(final Step<?, ?> step, final Method getter) {
        try {
            return getter.invoke(step);
        } catch (final ReflectiveOperationException e) {
            return null;
        }
    }
}
