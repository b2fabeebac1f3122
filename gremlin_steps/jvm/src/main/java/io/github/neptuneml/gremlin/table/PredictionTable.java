package io.github.neptuneml.gremlin.table;

import java.nio.ByteBuffer;
import java.nio.LongBuffer;
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
    private final Object[] classes;
    private final long bytes;

    /**
     * Makes a table of parts whose entries are checked.
     *
     * @param hashes of the rows' ids
     * @param entries little-endian, rows x ranks entries
     * @param classes in the property's type; empty unless the kind is CLASSES
     * @param bytes how much memory the table takes
     * @throws IllegalArgumentException if the hashes do not ascend, as unsigned numbers
     */
    PredictionTable(final Kind kind, final LongBuffer hashes, final ByteBuffer entries, final int ranks,
                    final List<Object> classes, final long bytes) {
        this.kind = kind;
        this.entries = entries;
        this.ranks = ranks;
        this.classes = classes.toArray();
        this.bytes = bytes;
        this.index = RowIndex.of(hashes, this::content);
    }

    /** The number itself; of classes the row, and the position of the best one. */
    private long content(final int row) {
        if (kind == Kind.VALUES) return Double.doubleToLongBits(entries.getDouble(row * ENTRY_BYTES));
        return (long) row << Integer.SIZE | (kind == Kind.CLASSES ? entries.getInt(at(row, 0)) & 0xFFFF_FFFFL : 0);
    }

    public Kind kind() {
        return kind;
    }

    /** Whether a vertex's first answers, as many as are wanted, all stand here. */
    public boolean covers(final int wanted) {
        return kind == Kind.VALUES || kind == Kind.CLASSES && (wanted <= ranks || classes.length <= ranks);
    }

    /** A vertex's place, or -1 for one that the model does not know. */
    public int place(final String id) {
        return index.place(XxHash64.of(id, 0));
    }

    /** How many answers a vertex has at most. */
    public int ranks() {
        return ranks;
    }

    /** The answer at a rank from 0, or null where there are no more. */
    public Object value(final int place, final int rank) {
        final long content = index.content(place);
        if (kind == Kind.VALUES) {
            final double value = Double.longBitsToDouble(content);
            return Double.isNaN(value) ? null : (Object) value;
        }
        final int position = rank == 0 ? (int) content : entries.getInt(at(row(content), rank));
        return position < 0 ? null : classes[position];
    }

    /** The score of a class, as the worker says it: the stored float32, widened. */
    public double score(final int place, final int rank) {
        return kind == Kind.CLASSES ? entries.getFloat(at(row(index.content(place)), rank) + Integer.BYTES) : Double.NaN;
    }

    private static int row(final long content) {
        return (int) (content >>> Integer.SIZE);
    }

    private int at(final int row, final int rank) {
        return (row * ranks + rank) * ENTRY_BYTES;
    }

    long bytes() {
        return bytes;
    }
}
