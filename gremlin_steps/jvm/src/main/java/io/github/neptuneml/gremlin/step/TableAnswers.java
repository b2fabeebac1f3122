package io.github.neptuneml.gremlin.step;

import io.github.neptuneml.gremlin.table.PredictionTable;
import org.apache.tinkerpop.gremlin.structure.Vertex;

/** What a query gets from the endpoint's table: the answers that the worker would give, without asking. */
final class TableAnswers {
    private final PredictionTable table;
    private final int ranks;
    private final double lowestScore;

    private TableAnswers(final PredictionTable table, final int ranks, final double lowestScore) {
        this.table = table;
        this.ranks = ranks;
        this.lowestScore = lowestScore;
    }

    /** Null where no table, or none with as many answers as are wanted, is at hand. */
    static TableAnswers of(final Resolved resolved) {
        if (resolved.isInductive || resolved.endpoint.nodeLabel() == null) return null;
        final PredictionTable table = resolved.table(resolved.endpoint.nodeLabel());
        if (table == null || !table.covers(resolved.limit)) return null;
        return new TableAnswers(table, Math.min(resolved.limit, table.ranks()), resolved.lowestScore());
    }

    /** A vertex's place, or -1 for one that the model does not know. */
    int place(final Vertex vertex) {
        return table.place(String.valueOf(vertex.id()));
    }

    /** How many answers there are at most. */
    int ranks() {
        return ranks;
    }

    /** The answer at a rank from 0, or null where there is none of the wanted score. */
    Object value(final int place, final int rank) {
        return lowestScore > 0 && table.score(place, rank) < lowestScore ? null : table.value(place, rank);
    }

    /** NaN for a regression. */
    double score(final int place, final int rank) {
        return table.score(place, rank);
    }
}
