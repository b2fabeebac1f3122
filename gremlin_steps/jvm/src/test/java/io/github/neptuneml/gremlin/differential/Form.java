package io.github.neptuneml.gremlin.differential;

import java.util.function.BiFunction;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.GraphTraversalSource;

/** A query that can be asked of what is stored and of what is predicted. */
final class Form {

    private final String name;
    private final BiFunction<GraphTraversalSource, Reading, Traversal<?, ?>> query;

    private Form(final String name, final BiFunction<GraphTraversalSource, Reading, Traversal<?, ?>> query) {
        this.name = name;
        this.query = query;
    }

    static Form of(final String name, final BiFunction<GraphTraversalSource, Reading, Traversal<?, ?>> query) {
        return new Form(name, query);
    }

    Traversal<?, ?> ask(final GraphTraversalSource g, final Reading reading) {
        return query.apply(g, reading);
    }

    @Override
    public String toString() {
        return name;
    }
}
