package io.github.neptuneml.gremlin.table;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.github.neptuneml.gremlin.failure.NeptuneMLException.TimeLimitExceededException;
import java.io.IOException;
import java.nio.LongBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.tinkerpop.gremlin.process.traversal.util.TraversalInterruptedException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** One load for everybody, and no more memory than allowed. */
@Timeout(20)
class TablesTest {
    private static final long WAIT_MILLIS = 10_000;

    private final AtomicInteger loads = new AtomicInteger();

    private static PredictionTable table(final long bytes) {
        return new PredictionTable(PredictionTable.Kind.IDS, LongBuffer.allocate(0), null, 0, List.of(), bytes);
    }

    private Tables.Source source(final long bytes, final Callable<PredictionTable> load) {
        return new Tables.Source() {
            @Override
            public long bytes() {
                return bytes;
            }

            @Override
            public PredictionTable load(final long limitBytes) throws IOException {
                loads.incrementAndGet();
                try {
                    return load.call();
                } catch (final IOException | RuntimeException e) {
                    throw e;
                } catch (final Exception e) {
                    throw new AssertionError(e);
                }
            }
        };
    }

    private PredictionTable get(final Tables tables, final Tables.Slot slot, final long bytes) {
        return tables.get(slot, "t", source(bytes, () -> table(bytes)), WAIT_MILLIS);
    }

    @Test
    void theLeastRecentlyUsedGoesFirst() {
        final Tables tables = new Tables(100);
        final List<Tables.Slot> slots = List.of(new Tables.Slot(), new Tables.Slot(), new Tables.Slot());
        final PredictionTable first = get(tables, slots.get(0), 40);
        final PredictionTable second = get(tables, slots.get(1), 40);
        assertSame(first, get(tables, slots.get(0), 40));
        get(tables, slots.get(2), 40);
        assertSame(first, get(tables, slots.get(0), 40));
        assertEquals(3, loads.get());
        assertNotSame(second, get(tables, slots.get(1), 40));
        assertEquals(4, loads.get());
    }

    @Test
    void aTableLargerThanTheLimitIsNotTaken() {
        final Tables tables = new Tables(100);
        final Tables.Slot small = new Tables.Slot();
        final PredictionTable kept = get(tables, small, 60);
        assertNull(get(tables, new Tables.Slot(), 101));
        assertEquals(1, loads.get(), "it is not even loaded");
        assertSame(kept, get(tables, small, 60));
    }

    @Test
    void withoutMemoryThereAreNoTables() {
        assertNull(get(new Tables(0), new Tables.Slot(), 0));
        assertEquals(0, loads.get());
    }

    @Test
    void aFailureIsNotRepeatedForAWhile() {
        final Tables tables = new Tables(100);
        final Tables.Slot slot = new Tables.Slot();
        for (int i = 0; i < 3; i++)
            assertNull(tables.get(slot, "t", source(10, () -> {
                throw new IOException("it is not there");
            }), WAIT_MILLIS));
        assertNull(get(tables, slot, 10));
        assertEquals(1, loads.get());
    }

    /** A load has a part of the query's time; the rest is for asking. */
    @Test
    void aLateLoadIsAFailureOfTheTableAndNotOfTheQuery() {
        final Tables tables = new Tables(100);
        final Tables.Slot slot = new Tables.Slot();
        for (int i = 0; i < 2; i++)
            assertNull(tables.get(slot, "t", source(10, () -> {
                throw new TimeLimitExceededException("too late");
            }), WAIT_MILLIS));
        assertEquals(1, loads.get());
    }

    @Test
    void threadsShareOneLoad() throws Exception {
        final Tables tables = new Tables(100);
        final Tables.Slot slot = new Tables.Slot();
        final CountDownLatch loading = new CountDownLatch(1);
        final CountDownLatch release = new CountDownLatch(1);
        final ExecutorService threads = Executors.newFixedThreadPool(8);
        try {
            final List<Future<PredictionTable>> tablesOfThreads = new ArrayList<>();
            for (int i = 0; i < 8; i++)
                tablesOfThreads.add(threads.submit(() -> tables.get(slot, "t", source(10, () -> {
                    loading.countDown();
                    release.await();
                    return table(10);
                }), WAIT_MILLIS)));
            loading.await();
            assertNull(get(tables, slot, 10, 1), "who cannot wait goes without");
            release.countDown();
            final PredictionTable first = tablesOfThreads.get(0).get();
            for (final Future<PredictionTable> table : tablesOfThreads) assertSame(first, table.get());
            assertEquals(1, loads.get());
        } finally {
            threads.shutdownNow();
        }
    }

    private PredictionTable get(final Tables tables, final Tables.Slot slot, final long bytes, final long waitMillis) {
        return tables.get(slot, "t", source(bytes, () -> table(bytes)), waitMillis);
    }

    /** The interrupted query's failure is its own: the next one loads. */
    @Test
    void anInterruptedLoadIsTakenUpByTheNext() {
        final Tables tables = new Tables(100);
        final Tables.Slot slot = new Tables.Slot();
        assertThrows(TraversalInterruptedException.class, () -> tables.get(slot, "t", source(10, () -> {
            throw new TraversalInterruptedException();
        }), WAIT_MILLIS));
        assertEquals(10, get(tables, slot, 10).bytes());
    }
}
