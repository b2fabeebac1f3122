package io.github.neptuneml.gremlin.sampling;

import java.util.Iterator;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Function;
import org.apache.tinkerpop.gremlin.process.traversal.Step;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.Traverser;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.__;
import org.apache.tinkerpop.gremlin.process.traversal.step.TraversalParent;
import org.apache.tinkerpop.gremlin.process.traversal.step.util.AbstractStep;
import org.apache.tinkerpop.gremlin.process.traversal.traverser.TraverserRequirement;
import org.apache.tinkerpop.gremlin.process.traversal.util.TraversalUtil;

/**
 * One way to read the graph as a query sees it: a traversal that was compiled as a child of the query would be, with all
 * its strategies, so that whatever restricts access restricts this too. Where they leave nothing but the plain step, the
 * graph is read without it.
 *
 * @param <S> what is read from
 * @param <E> what is read
 */
final class Reading<S, E> {

    private final Host host;
    private final Traversal.Admin<S, E> child;
    private final Function<S, Iterator<E>> direct;

    private Reading(final Host host, final Traversal.Admin<S, E> child, final Function<S, Iterator<E>> direct) {
        this.host = host;
        this.child = child;
        this.direct = direct;
    }

    /**
     * Compiles a reading for a query.
     *
     * @param steps adds the steps
     * @param plain the class of the only step that means the same as {@code direct}
     */
    @SuppressWarnings("unchecked")
    static <S, E> Reading<S, E> of(final Traversal.Admin<?, ?> query, final Consumer<Traversal.Admin<?, ?>> steps,
                                   final Class<?> plain, final Function<S, Iterator<E>> direct) {
        final Traversal.Admin<S, E> child = (Traversal.Admin<S, E>) (Traversal.Admin<?, ?>) __.start().asAdmin();
        steps.accept(child);
        final Traversal.Admin<Object, Object> root = (Traversal.Admin<Object, Object>) (Traversal.Admin<?, ?>) __.start().asAdmin();
        final Host host = new Host(root, child);
        root.addStep(host);
        query.getGraph().ifPresent(graph -> {
            root.setGraph(graph);
            child.setGraph(graph);
        });
        root.setStrategies(query.getStrategies());
        root.applyStrategies();
        final boolean isPlain = child.getSteps().size() == 1 && child.getStartStep().getClass() == plain;
        return new Reading<>(host, child, isPlain ? direct : null);
    }

    /** Whether no strategy changed anything. */
    boolean isPlain() {
        return direct != null;
    }

    /** What there is to read; to be read to its end, or closed, before this reading is used again. */
    Iterator<E> from(final S start) {
        if (isPlain()) return direct.apply(start);
        final Traverser.Admin<S> traverser = host.<S>traversal().getTraverserGenerator().generate(start, (Step) host, 1L);
        TraversalUtil.prepare(traverser, child);
        return child;
    }

    /** Makes the child one, for strategies that treat roots otherwise; no strategy knows it, so none replaces it. */
    private static final class Host extends AbstractStep<Object, Object> implements TraversalParent {
        private final Traversal.Admin<?, ?> child;

        Host(final Traversal.Admin<?, ?> root, final Traversal.Admin<?, ?> child) {
            super(root);
            this.child = integrateChild(child);
        }

        <S> Traversal.Admin<S, S> traversal() {
            return getTraversal();
        }

        @Override
        protected Traverser.Admin<Object> processNextStart() {
            return starts.next();
        }

        @Override
        public <S, E> List<Traversal.Admin<S, E>> getLocalChildren() {
            return List.of((Traversal.Admin) child);
        }

        @Override
        public Set<TraverserRequirement> getRequirements() {
            return getSelfAndChildRequirements();
        }
    }
}
