package io.github.neptuneml.gremlin.step;

import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.tinkerpop.gremlin.process.traversal.Step;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.Traverser;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.__;
import org.apache.tinkerpop.gremlin.process.traversal.step.filter.HasStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.GraphStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.TraversalFlatMapStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.VertexStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.util.HasContainer;
import org.apache.tinkerpop.gremlin.process.traversal.util.TraversalUtil;
import org.apache.tinkerpop.gremlin.structure.Direction;
import org.apache.tinkerpop.gremlin.structure.Vertex;

/**
 * The two questions that link prediction has to the graph: which of these ids may be seen, and who is joined already.
 *
 * <p>Both are child traversals ({@code V(ids).hasLabel(x)} and {@code out(l)}), so every strategy of the query applies
 * to them as it would to the user's own steps: what SubgraphStrategy, PartitionStrategy or a provider's access rules
 * hide stays hidden here too, without this class knowing them.
 */
final class VertexLookup {

    private VertexLookup() {
    }

    /** {@code V(…).has(criteria)}, the ids to be filled in by {@link #visible}. */
    static Traversal.Admin<Object, Vertex> candidates(final List<HasContainer> criteria) {
        final Traversal.Admin<Object, Vertex> child = anonymous();
        child.addStep((Step) new GraphStep<>(child, Vertex.class, false));
        child.addStep((Step) new HasStep<>(child, criteria.toArray(new HasContainer[0])));
        return child;
    }

    /**
     * Compiles a look-up as another one was compiled. A compiled one cannot be cloned: graphs' own V() steps read the ids
     * of the step that they were made as, not of its clone. It becomes a child, as the other one is: strategies add to
     * roots what only a query's results need, for example ReferenceElementStrategy.
     */
    static Traversal.Admin<Object, Vertex> compiled(final Traversal.Admin<Object, Vertex> fresh,
                                                    final Traversal.Admin<Object, Vertex> as) {
        final Traversal.Admin<Object, Vertex> root = anonymous();
        root.addStep(new TraversalFlatMapStep<>(root, fresh));
        root.setStrategies(as.getStrategies());
        root.setSideEffects(as.getSideEffects());
        as.getGraph().ifPresent(graph -> {
            root.setGraph(graph);
            fresh.setGraph(graph);
        });
        root.applyStrategies();
        return fresh;
    }

    /** {@code out(label)} or {@code in(label)}. */
    static Traversal.Admin<Object, Vertex> neighbours(final Direction direction, final String edgeLabel) {
        final Traversal.Admin<Object, Vertex> child = anonymous();
        child.addStep((Step) new VertexStep<>(child, Vertex.class, direction, edgeLabel));
        return child;
    }

    @SuppressWarnings("unchecked")
    private static Traversal.Admin<Object, Vertex> anonymous() {
        return (Traversal.Admin<Object, Vertex>) (Traversal.Admin<?, ?>) __.start().asAdmin();
    }

    /**
     * The same look-up of certain ids, compiled with them: a V() without ids would swallow a criterion on ids
     * ({@code hasId}), which would then be lost when other ids are filled in.
     */
    static Traversal.Admin<Object, Vertex> compiled(final Traversal.Admin<Object, Vertex> fresh, final Collection<Object> ids,
                                                    final Traversal.Admin<Object, Vertex> as) {
        lookup(fresh).addIds(ids.toArray());
        return compiled(fresh, as);
    }

    /** The vertices with these ids that the query may see, by their ids' text. */
    static Map<String, Vertex> visible(final Traversal.Admin<Object, Vertex> candidates, final Collection<Object> ids,
                                       final Traverser.Admin<?> start) {
        final Map<String, Vertex> visible = new HashMap<>();
        lookup(candidates).clearIds();
        lookup(candidates).addIds(ids.toArray());
        prepare(candidates, start);
        while (candidates.hasNext()) {
            final Vertex vertex = candidates.next();
            visible.put(vertex.id().toString(), vertex);
        }
        return visible;
    }

    private static GraphStep<?, ?> lookup(final Traversal.Admin<Object, Vertex> candidates) {
        return (GraphStep<?, ?>) (Step) candidates.getStartStep();
    }

    /** The ids, as text, of the vertices that are joined to the traverser's. */
    static Set<String> joined(final Traversal.Admin<Object, Vertex> neighbours, final Traverser.Admin<?> start) {
        final Set<String> joined = new HashSet<>();
        prepare(neighbours, start);
        while (neighbours.hasNext()) joined.add(neighbours.next().id().toString());
        return joined;
    }

    @SuppressWarnings("unchecked")
    private static void prepare(final Traversal.Admin<Object, Vertex> child, final Traverser.Admin<?> start) {
        TraversalUtil.prepare((Traverser.Admin<Object>) start, child);
    }
}
