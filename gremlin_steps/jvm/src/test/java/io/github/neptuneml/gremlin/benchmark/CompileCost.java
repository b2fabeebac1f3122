package io.github.neptuneml.gremlin.benchmark;

import io.github.neptuneml.gremlin.Settings;
import io.github.neptuneml.gremlin.strategy.NeptuneMLStrategy;
import io.github.neptuneml.gremlin.wire.PredictionClient;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import org.apache.tinkerpop.gremlin.process.traversal.Order;
import org.apache.tinkerpop.gremlin.process.traversal.P;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.TraversalStrategies;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.GraphTraversalSource;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.__;
import org.apache.tinkerpop.gremlin.structure.T;
import org.apache.tinkerpop.gremlin.tinkergraph.structure.TinkerFactory;
import org.apache.tinkerpop.gremlin.tinkergraph.structure.TinkerGraph;

/**
 * What the strategy adds to compiling queries without predictions, in pairs that alternate in order. Prints a line per
 * query: name, median µs without the strategy, median µs that it adds.
 */
public final class CompileCost {

    private static final int WARM_UP = 4000;
    private static final int PAIRS = 1000;
    private static final Map<String, Function<GraphTraversalSource, Traversal<?, ?>>> QUERIES = new LinkedHashMap<>();

    static {
        QUERIES.put("vertex by id", g -> g.V(1));
        QUERIES.put("by property", g -> g.V().has("person", "name", "marko"));
        QUERIES.put("values", g -> g.V().hasLabel("person").values("name"));
        QUERIES.put("with options", g -> g.with("evaluationTimeout", 500L).V().hasLabel("person").values("name"));
        QUERIES.put("count", g -> g.V().hasLabel("person").count());
        QUERIES.put("two hops", g -> g.V(1).out("knows").out("created").values("name").dedup());
        QUERIES.put("edges", g -> g.V(1).outE("knows").has("weight", P.gt(0.5)).inV());
        QUERIES.put("value map", g -> g.V().hasLabel("person").valueMap("name", "age"));
        QUERIES.put("project", g -> g.V().hasLabel("person").project("name", "degree").by("name").by(__.outE().count()));
        QUERIES.put("group count", g -> g.V().groupCount().by(T.label));
        QUERIES.put("order", g -> g.V().hasLabel("person").order().by("age", Order.desc).limit(10).values("name"));
        QUERIES.put("where", g -> g.V().where(__.out("created").has("lang", "java")).values("name"));
        QUERIES.put("repeat", g -> g.V(1).repeat(__.out().simplePath()).times(2).path().by("name"));
        QUERIES.put("union", g -> g.V(1).union(__.out("knows"), __.in("knows"), __.both("created")).dedup().count());
        QUERIES.put("match", g -> g.V().match(__.as("a").out("created").as("b"), __.as("b").in("created").as("c"))
                .where("a", P.neq("c")).select("a", "c").by("name"));
        QUERIES.put("coalesce", g -> g.V(1).coalesce(__.out("knows").values("name"), __.values("name"), __.constant("none")));
        QUERIES.put("upsert", g -> g.V().has("person", "name", "vadas").fold()
                .coalesce(__.unfold(), __.addV("person").property("name", "vadas")));
        QUERIES.put("add edge", g -> g.V(1).as("a").V(2).addE("knows").from("a").property("weight", 0.5));
    }

    private final GraphTraversalSource without;
    private final GraphTraversalSource with;

    private CompileCost() {
        final TinkerGraph graph = TinkerFactory.createModern();
        final TraversalStrategies strategies = TraversalStrategies.GlobalCache.getStrategies(TinkerGraph.class);
        without = new GraphTraversalSource(graph, strategies.clone());
        with = new GraphTraversalSource(graph, strategies.clone()
                .addStrategies(new NeptuneMLStrategy(new PredictionClient(Settings.build().create()))));
    }

    public static void main(final String[] arguments) {
        final CompileCost cost = new CompileCost();
        cost.measure(WARM_UP);
        cost.measure(PAIRS).forEach((name, times) -> System.out.println(
                String.format(Locale.ROOT, "%s\t%.3f\t%.3f", name, median(times[0]) / 1000, median(times[1]) / 1000)));
    }

    /** @return by query: nanoseconds without the strategy, and nanoseconds that it adds; one of each per pair */
    private Map<String, double[][]> measure(final int pairs) {
        final Map<String, double[][]> measured = new LinkedHashMap<>();
        QUERIES.forEach((name, query) -> measured.put(name, new double[2][pairs]));
        for (int pair = 0; pair < pairs; pair++)
            for (final Map.Entry<String, double[][]> entry : measured.entrySet()) {
                final long[] nanos = compile(QUERIES.get(entry.getKey()), pair % 2 == 0);
                entry.getValue()[0][pair] = nanos[0];
                entry.getValue()[1][pair] = nanos[1] - nanos[0];
            }
        return measured;
    }

    /** @return nanoseconds without and with the strategy */
    private long[] compile(final Function<GraphTraversalSource, Traversal<?, ?>> query, final boolean plainFirst) {
        final Traversal.Admin<?, ?> plain = query.apply(without).asAdmin();
        final Traversal.Admin<?, ?> ours = query.apply(with).asAdmin();
        if (plainFirst) return new long[] {nanos(plain), nanos(ours)};
        final long nanos = nanos(ours);
        return new long[] {nanos(plain), nanos};
    }

    private static long nanos(final Traversal.Admin<?, ?> traversal) {
        final long started = System.nanoTime();
        traversal.applyStrategies();
        return System.nanoTime() - started;
    }

    private static double median(final double[] values) {
        final double[] sorted = values.clone();
        Arrays.sort(sorted);
        return sorted[sorted.length / 2];
    }
}
