package io.github.neptuneml.gremlin.table;

import java.nio.ByteBuffer;
import java.util.List;

/** What an endpoint answers for the vertices of one label, best first, without being asked. Immutable. */
public final class PredictionTable {
    /** What a table holds of each vertex. */
    public enum Kind {
        /** The best classes with their scores. */
        CLASSES,
        /** One number. */
        VALUES,
        /** Nothing: the table says which vertices the model knows. */
        IDS
    }

    private static final int ENTRY_BYTES = 8;

    private final Kind kind;
    private final RowIndex index;
    private final ByteBuffer entries;
    private final int ranks;
    private final List<Object> classes;
    private final long bytes;

    /**
     * Makes a table of checked parts.
     *
     * @param entries little-endian, rows x ranks entries
     * @param classes in the property's type; empty unless the kind is CLASSES
     * @param bytes how much memory the table takes
     */
    PredictionTable(final Kind kind, final RowIndex index, final ByteBuffer entries, final int ranks,
                    final List<Object> classes, final long bytes) {
        this.kind = kind;
        this.index = index;
        this.entries = entries;
        this.ranks = ranks;
        this.classes = classes;
        this.bytes = bytes;
    }

    public Kind kind() {
        return kind;
    }

    /** Whether a vertex's first answers, as many as are wanted, all stand here. */
    public boolean covers(final int wanted) {
        return kind == Kind.VALUES || kind == Kind.CLASSES && (wanted <= ranks || classes.size() <= ranks);
    }

    /** A vertex's row, or -1 for one that the model does not know. */
    public int row(final String id) {
        return index.row(XxHash64.of(id, 0));
    }

    /** How many answers a row has at most. */
    public int ranks() {
        return ranks;
    }

    /** The answer at a rank from 0, or null where the row has no more. */
    public Object value(final int row, final int rank) {
        final int at = at(row, rank);
        if (kind == Kind.VALUES) {
            final double value = entries.getDouble(at);
            return Double.isNaN(value) ? null : (Object) value;
        }
        final int position = entries.getInt(at);
        return position < 0 ? null : classes.get(position);
    }

    /** The score of a class, as the worker says it: the stored float32, widened. */
    public double score(final int row, final int rank) {
        return kind == Kind.CLASSES ? entries.getFloat(at(row, rank) + Integer.BYTES) : Double.NaN;
    }

    private int at(final int row, final int rank) {
        return (row * ranks + rank) * ENTRY_BYTES;
    }

    long bytes() {
        return bytes;
    }
}
