package io.github.neptuneml.gremlin.strategy;

import io.github.neptuneml.gremlin.NeptuneML;
import io.github.neptuneml.gremlin.columns.ColumnsStep;
import io.github.neptuneml.gremlin.failure.Failure;
import java.util.List;
import java.util.Map;
import org.apache.tinkerpop.gremlin.process.traversal.Step;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.PropertyMapStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.util.EmptyStep;
import org.apache.tinkerpop.gremlin.process.traversal.util.TraversalHelper;
import org.apache.tinkerpop.gremlin.structure.PropertyType;

/** Replaces the {@code valueMap(keys)} that ends a query and asks for columns. */
final class ColumnsRewrite {

    private static final int MOST_ROWS = 100_000;

    private ColumnsRewrite() {
    }

    static void apply(final PropertyMapStep<?, ?> step, final Map<String, Object> predicates, final Traversal.Admin<?, ?> traversal) {
        predicates.keySet().forEach(predicate -> Predicates.require(predicate, Place.COLUMNS, Traversals.name(step)));
        if (step.getReturnType() != PropertyType.VALUE) throw misplaced("propertyMap()");
        if (!step.getLocalChildren().isEmpty()) throw misplaced("valueMap() with by()");
        final int rows = rows(predicates.get(NeptuneML.COLUMNS));
        if (!traversal.isRoot() || !(step.getNextStep() instanceof EmptyStep)) throw misplaced("a valueMap() that does not end the query");
        final Step<?, ?> columns = new ColumnsStep(traversal, rows, List.of(step.getPropertyKeys()));
        TraversalHelper.copyLabels(step, columns, false);
        TraversalHelper.replaceStep((Step) step, (Step) columns, traversal);
    }

    private static RuntimeException misplaced(final String where) {
        return Predicates.misplaced(NeptuneML.COLUMNS, where);
    }

    private static int rows(final Object value) {
        final boolean isWhole = value instanceof Integer || value instanceof Long || value instanceof Short || value instanceof Byte;
        final long rows = isWhole ? ((Number) value).longValue() : -1;
        if (rows >= 0 && rows <= MOST_ROWS) return (int) rows;
        throw Failure.WRONG_VALUE.with(NeptuneML.COLUMNS, "a whole number of rows from 0 to " + MOST_ROWS, value);
    }
}
