package io.github.neptuneml.gremlin.table;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.LongBuffer;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RowIndexTest {

    private static long[] ascending(final long... hashes) {
        return Arrays.stream(hashes).boxed().distinct().sorted(Long::compareUnsigned).mapToLong(Long::longValue).toArray();
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2, 3, 10, 170, 171, 5000})
    void everyHashHasItsRowAndNoOtherHasOne(final int count) {
        final long[] hashes = ascending(new Random(count).longs(count).toArray());
        final RowIndex index = RowIndex.of(LongBuffer.wrap(hashes));
        for (int row = 0; row < hashes.length; row++) assertEquals(row, index.row(hashes[row]));
        new Random(-1).longs(1000).forEach(other -> assertEquals(-1, index.row(other)));
    }

    @Test
    void hashesThatShareTheirLastBitsAreToldApart() {
        final long[] hashes = new long[300];
        for (int i = 0; i < hashes.length; i++) hashes[i] = (long) i << 40;
        final RowIndex index = RowIndex.of(LongBuffer.wrap(hashes));
        for (int row = 0; row < hashes.length; row++) assertEquals(row, index.row(hashes[row]));
        assertEquals(-1, index.row(300L << 40));
    }

    @Test
    void zeroIsAHashLikeAnyOther() {
        assertEquals(0, RowIndex.of(LongBuffer.wrap(new long[] {0, 7})).row(0));
        assertEquals(-1, RowIndex.of(LongBuffer.wrap(new long[] {7})).row(0));
    }

    @Test
    void hashesAreUnsigned() {
        final RowIndex index = RowIndex.of(LongBuffer.wrap(new long[] {1, Long.MAX_VALUE, Long.MIN_VALUE, -1}));
        assertEquals(3, index.row(-1));
    }

    @ParameterizedTest
    @ValueSource(longs = {5, 4, -1})
    void hashesThatDoNotAscendAreRefused(final long before) {
        final LongBuffer hashes = LongBuffer.wrap(new long[] {before, 4});
        assertTrue(assertThrows(IllegalArgumentException.class, () -> RowIndex.of(hashes)).getMessage().contains("hash 1"));
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 1000, 1_000_000})
    void itTakesTwoLongsAPlaceAndIsAtMostTwoThirdsFull(final int rows) {
        final long places = RowIndex.bytes(rows) / 16;
        assertTrue(places * 2 >= rows * 3L - 2 && places > rows, places + " places for " + rows);
        assertTrue(places <= Math.max(2, rows * 3L), places + " places for " + rows);
    }
}
