package io.github.neptuneml.gremlin.table;

import java.nio.LongBuffer;
import java.util.Arrays;
import java.util.function.IntToLongFunction;

/**
 * From an id's hash to what is most often wanted of its row, side by side, because in a large table each look elsewhere
 * costs more than the search: open addressing in one array of {hash, content}, at most two thirds full.
 */
final class RowIndex {
    /** The content of no row: a NaN that no computation gives, with an upper half beyond the largest row. */
    static final long EMPTY = 0x7FFC_0000_0000_0001L;

    private final long[] slots;
    private final int mask;

    private RowIndex(final int rows) {
        final int places = places(rows);
        slots = new long[2 * places];
        Arrays.fill(slots, EMPTY);
        mask = places - 1;
    }

    private static int places(final int rows) {
        return Integer.highestOneBit(Math.max(1, rows + rows / 2)) << 1;
    }

    /** How much memory an index takes. */
    static long bytes(final int rows) {
        return 2L * Long.BYTES * places(rows);
    }

    /**
     * Makes an index.
     *
     * @param content of a row; never {@link #EMPTY}
     * @throws IllegalArgumentException if the hashes do not ascend, as unsigned numbers
     */
    static RowIndex of(final LongBuffer hashes, final IntToLongFunction content) {
        final RowIndex index = new RowIndex(hashes.remaining());
        for (int row = 0; row < hashes.remaining(); row++) {
            final long hash = hashes.get(row);
            if (row > 0 && Long.compareUnsigned(hashes.get(row - 1), hash) >= 0)
                throw new IllegalArgumentException("hash " + row + " is not above the one before");
            index.put(hash, content.applyAsLong(row));
        }
        return index;
    }

    private void put(final long hash, final long content) {
        int place = (int) hash & mask;
        while (slots[2 * place + 1] != EMPTY) place = (place + 1) & mask;
        slots[2 * place] = hash;
        slots[2 * place + 1] = content;
    }

    /** Where a hash stands, or -1 for an unknown one. */
    int place(final long hash) {
        for (int place = (int) hash & mask; slots[2 * place + 1] != EMPTY; place = (place + 1) & mask)
            if (slots[2 * place] == hash) return place;
        return -1;
    }

    long content(final int place) {
        return slots[2 * place + 1];
    }
}
