package io.github.neptuneml.gremlin.table;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
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

    private static RowIndex of(final long... hashes) {
        return RowIndex.of(LongBuffer.wrap(hashes), row -> -row);
    }

    private static void assertFound(final int row, final RowIndex index, final long hash) {
        final int place = index.place(hash);
        assertTrue(place >= 0, "row " + row);
        assertEquals(-row, index.content(place));
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2, 3, 10, 170, 171, 5000})
    void everyHashHasItsContentAndNoOtherIsFound(final int count) {
        final long[] hashes = ascending(new Random(count).longs(count).toArray());
        final RowIndex index = of(hashes);
        for (int row = 0; row < hashes.length; row++) assertFound(row, index, hashes[row]);
        new Random(-1).longs(1000).forEach(other -> assertEquals(-1, index.place(other)));
    }

    @Test
    void hashesThatShareTheirLastBitsAreToldApart() {
        final long[] hashes = new long[300];
        for (int i = 0; i < hashes.length; i++) hashes[i] = (long) i << 40;
        final RowIndex index = of(hashes);
        for (int row = 0; row < hashes.length; row++) assertFound(row, index, hashes[row]);
        assertEquals(-1, index.place(300L << 40));
    }

    @ParameterizedTest
    @ValueSource(longs = {0, RowIndex.EMPTY})
    void everyNumberIsAHashLikeAnyOther(final long hash) {
        assertFound(0, of(hash, -1), hash);
        assertEquals(-1, of(-1).place(hash));
    }

    @Test
    void hashesAreUnsigned() {
        assertFound(3, of(1, Long.MAX_VALUE, Long.MIN_VALUE, -1), -1);
    }

    @Test
    void noNumberAndNoLastRowLooksLikeAnEmptyPlace() {
        assertTrue(Double.isNaN(Double.longBitsToDouble(RowIndex.EMPTY)));
        assertNotEquals(RowIndex.EMPTY, Double.doubleToLongBits(Double.longBitsToDouble(RowIndex.EMPTY)));
        assertTrue(RowIndex.EMPTY >>> Integer.SIZE > Integer.MAX_VALUE / 2, "what TableFile takes for a number of rows");
    }

    @ParameterizedTest
    @ValueSource(longs = {5, 4, -1})
    void hashesThatDoNotAscendAreRefused(final long before) {
        assertTrue(assertThrows(IllegalArgumentException.class, () -> of(before, 4)).getMessage().contains("hash 1"));
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 1000, 1_000_000})
    void itTakesTwoLongsAPlaceAndIsAtMostTwoThirdsFull(final int rows) {
        final long places = RowIndex.bytes(rows) / 16;
        assertTrue(places * 2 >= rows * 3L - 2 && places > rows, places + " places for " + rows);
        assertTrue(places <= Math.max(2, rows * 3L), places + " places for " + rows);
    }
}
