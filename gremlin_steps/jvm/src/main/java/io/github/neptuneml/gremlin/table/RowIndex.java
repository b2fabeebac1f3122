package io.github.neptuneml.gremlin.table;

import java.nio.LongBuffer;

/** From an id's hash to its row: open addressing in one array of {hash, row + 1}, at most two thirds full. */
final class RowIndex {
    private final long[] slots;
    private final int mask;

    private RowIndex(final int rows) {
        final int places = Integer.highestOneBit(Math.max(1, rows + rows / 2)) << 1;
        slots = new long[2 * places];
        mask = places - 1;
    }

    /** How much memory an index takes. */
    static long bytes(final int rows) {
        return 16L * (Integer.highestOneBit(Math.max(1, rows + rows / 2)) << 1);
    }

    /** @throws IllegalArgumentException if the hashes do not ascend, as unsigned numbers */
    static RowIndex of(final LongBuffer hashes) {
        final RowIndex index = new RowIndex(hashes.remaining());
        for (int row = 0; row < hashes.remaining(); row++) {
            final long hash = hashes.get(row);
            if (row > 0 && Long.compareUnsigned(hashes.get(row - 1), hash) >= 0)
                throw new IllegalArgumentException("hash " + row + " is not above the one before");
            index.put(hash, row);
        }
        return index;
    }

    private void put(final long hash, final int row) {
        int place = (int) hash & mask;
        while (slots[2 * place + 1] != 0) place = (place + 1) & mask;
        slots[2 * place] = hash;
        slots[2 * place + 1] = row + 1L;
    }

    /** The row, or -1 for an unknown hash. */
    int row(final long hash) {
        for (int place = (int) hash & mask; slots[2 * place + 1] != 0; place = (place + 1) & mask)
            if (slots[2 * place] == hash) return (int) slots[2 * place + 1] - 1;
        return -1;
    }
}
