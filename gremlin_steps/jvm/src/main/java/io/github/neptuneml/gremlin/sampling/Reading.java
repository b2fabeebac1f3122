package io.github.neptuneml.gremlin.sampling;

import java.util.ArrayList;
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

    /** The readings of a query, which are compiled together: strategies look once at all of them. */
    static final class Compilation {
        private final Traversal.Admin<?, ?> query;
        private final Traversal.Admin<Object, Object> root = anonymous();
        private final Host host = new Host(root);
        private final List<Reading<?, ?>> readings = new ArrayList<>();

        Compilation(final Traversal.Admin<?, ?> query) {
            this.query = query;
            root.addStep(host);
        }

        /**
         * Adds a reading, which can be used when all are compiled.
         *
         * @param steps adds the steps
         * @param plain the class of the only step that means the same as {@code direct}
         */
        <S, E> Reading<S, E> add(final Consumer<Traversal.Admin<?, ?>> steps, final Class<?> plain,
                                 final Function<S, Iterator<E>> direct) {
            final Reading<S, E> reading = new Reading<>(host, plain, direct);
            steps.accept(reading.child);
            host.add(reading.child);
            readings.add(reading);
            return reading;
        }

        void compile() {
            query.getGraph().ifPresent(graph -> {
                root.setGraph(graph);
                readings.forEach(reading -> reading.child.setGraph(graph));
            });
            root.setStrategies(query.getStrategies());
            root.applyStrategies();
            readings.forEach(Reading::compare);
        }
    }

    private final Host host;
    private final Traversal.Admin<S, E> child = anonymous();
    private final Class<?> plain;
    private final Function<S, Iterator<E>> direct;
    private boolean isPlain;

    private Reading(final Host host, final Class<?> plain, final Function<S, Iterator<E>> direct) {
        this.host = host;
        this.plain = plain;
        this.direct = direct;
    }

    @SuppressWarnings("unchecked")
    private static <S, E> Traversal.Admin<S, E> anonymous() {
        return (Traversal.Admin<S, E>) (Traversal.Admin<?, ?>) __.start().asAdmin();
    }

    private void compare() {
        isPlain = child.getSteps().size() == 1 && child.getStartStep().getClass() == plain;
    }

    /** Whether no strategy changed anything. */
    boolean isPlain() {
        return isPlain;
    }

    /** What there is to read; to be read to its end, or closed, before this reading is used again. */
    Iterator<E> from(final S start) {
        if (isPlain()) return direct.apply(start);
        final Traverser.Admin<S> traverser = host.<S>traversal().getTraverserGenerator().generate(start, (Step) host, 1L);
        TraversalUtil.prepare(traverser, child);
        return child;
    }

    /** Makes the readings children, for strategies that treat roots otherwise; no strategy knows it, so none replaces it. */
    private static final class Host extends AbstractStep<Object, Object> implements TraversalParent {
        private final List<Traversal.Admin<?, ?>> children = new ArrayList<>();

        Host(final Traversal.Admin<?, ?> root) {
            super(root);
        }

        void add(final Traversal.Admin<?, ?> child) {
            children.add(integrateChild(child));
        }

        <S> Traversal.Admin<S, S> traversal() {
            return getTraversal();
        }

        @Override
        protected Traverser.Admin<Object> processNextStart() {
            return starts.next();
        }

        @Override
        @SuppressWarnings("unchecked")
        public <S, E> List<Traversal.Admin<S, E>> getLocalChildren() {
            return (List<Traversal.Admin<S, E>>) (List<?>) children;
        }

        @Override
        public Set<TraverserRequirement> getRequirements() {
            return getSelfAndChildRequirements();
        }
    }
}
