package io.github.neptuneml.gremlin;

import io.github.neptuneml.gremlin.failure.Failure;
import io.github.neptuneml.gremlin.strategy.NeptuneMLStrategy;
import java.lang.reflect.Field;
import java.util.Map;
import java.util.function.Supplier;
import org.apache.tinkerpop.gremlin.process.traversal.TraversalStrategies;
import org.apache.tinkerpop.gremlin.structure.Graph;
import org.apache.tinkerpop.gremlin.structure.util.empty.EmptyGraph;

/**
 * Gives the strategy to every traversal source of this JVM. Gremlin Server loads its graphs before its plugins, so
 * every graph class that is registered already is given it; classes loaded later copy {@link Graph}'s set.
 */
final class StrategyRegistration {

    private StrategyRegistration() {
    }

    static synchronized void register(final NeptuneMLStrategy strategy) {
        cache().forEach((graph, strategies) -> {
            if (graph != EmptyGraph.class) strategies.addStrategies(strategy);
        });
    }

    /** Registers unless a configured strategy is there already. */
    static synchronized void registerIfAbsent(final Supplier<NeptuneMLStrategy> strategy) {
        final TraversalStrategies common = TraversalStrategies.GlobalCache.getStrategies(Graph.class);
        if (common.getStrategy(NeptuneMLStrategy.class).isEmpty()) register(strategy.get());
    }

    /** There is no public way to all registered classes. */
    @SuppressWarnings("unchecked")
    private static Map<Class<? extends Graph>, TraversalStrategies> cache() {
        try {
            final Field cache = TraversalStrategies.GlobalCache.class.getDeclaredField("GRAPH_CACHE");
            cache.setAccessible(true);
            return (Map<Class<? extends Graph>, TraversalStrategies>) cache.get(null);
        } catch (final ReflectiveOperationException | RuntimeException e) {
            throw Failure.NO_REGISTRATION.with(e.toString());
        }
    }
}
